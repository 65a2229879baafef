//! DCCP, mapped to TCP's fields. RFC 4340 §5.

use super::tcp::Flags;
use super::{HeaderError, Segment, be16, be32};

const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
const DATA_OFFSET: usize = 4;
const TYPE_X: usize = 8;
const GENERIC_BYTES: usize = 12;
/// Offsets of the 24-bit numbers (X = 0), with the byte before them.
const SHORT_SEQUENCE: usize = 8;
const SHORT_ACKNOWLEDGEMENT: usize = 12;
/// Offsets of the low 32 bits of the 48-bit numbers (X = 1).
const LONG_SEQUENCE_LOW: usize = 12;
const LONG_BYTES: usize = 16;
const LONG_ACKNOWLEDGEMENT_LOW: usize = 20;

const REQUEST: u8 = 0;
const RESPONSE: u8 = 1;
const DATA: u8 = 2;
const CLOSE_REQUEST: u8 = 5;
const CLOSE: u8 = 6;
const RESET: u8 = 7;

/// A checked DCCP header.
pub struct Dccp<'a> {
    header: &'a [u8; GENERIC_BYTES],
    bytes: &'a [u8],
}

impl<'a> Dccp<'a> {
    /// Checks the length and the data offset.
    pub fn new(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let header = bytes.first_chunk::<GENERIC_BYTES>().ok_or(HeaderError::Truncated)?;
        let dccp = Self { header, bytes };
        let acknowledges = !matches!(dccp.kind(), REQUEST | DATA);
        let needed = match (dccp.extended(), acknowledges) {
            (false, false) => GENERIC_BYTES,
            (false, true) => SHORT_ACKNOWLEDGEMENT + 4,
            (true, false) => LONG_BYTES,
            (true, true) => LONG_ACKNOWLEDGEMENT_LOW + 4,
        };
        if (dccp.header_bytes() as usize) < needed {
            return Err(HeaderError::Malformed);
        }
        if bytes.len() < needed { Err(HeaderError::Truncated) } else { Ok(dccp) }
    }

    fn kind(&self) -> u8 {
        self.header[TYPE_X] >> 1 & 0x0f
    }

    /// Returns whether sequence numbers have 48 bits instead of 24.
    fn extended(&self) -> bool {
        self.header[TYPE_X] & 1 != 0
    }

    pub fn source_port(&self) -> u16 {
        be16(self.header, SOURCE_PORT)
    }

    pub fn destination_port(&self) -> u16 {
        be16(self.header, DESTINATION_PORT)
    }

    pub fn header_bytes(&self) -> u32 {
        u32::from(self.header[DATA_OFFSET]) * 4
    }

    /// Returns the fields as TCP's, with the low 32 bits of the numbers: enough to match a Response to its Request.
    pub fn segment(&self) -> Segment {
        let number = |at: usize| self.bytes.get(at..at + 4).map_or(0, |bytes| be32(bytes, 0));
        let (sequence, acknowledged) = if self.extended() {
            (number(LONG_SEQUENCE_LOW), number(LONG_ACKNOWLEDGEMENT_LOW))
        } else {
            (number(SHORT_SEQUENCE) & 0x00ff_ffff, number(SHORT_ACKNOWLEDGEMENT) & 0x00ff_ffff)
        };
        let flags = match self.kind() {
            REQUEST => Flags::SYN,
            RESPONSE => Flags::SYN | Flags::ACK,
            CLOSE_REQUEST | CLOSE => Flags::FIN | Flags::ACK,
            RESET => Flags::RST,
            DATA => 0,
            _ => Flags::ACK, // Ack, DataAck, Sync, SyncAck
        };
        Segment { flags: Flags(flags), sequence, acknowledgement: acknowledged.wrapping_add(1), window: 0 }
    }
}
