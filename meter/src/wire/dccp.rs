//! DCCP, told in TCP's words. RFC 4340 §5.

use super::tcp::Flags;
use super::{HeaderError, Segment, be16, be32};

const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
const DATA_OFFSET: usize = 4;
const TYPE_X: usize = 8;
const GENERIC_BYTES: usize = 12;
/// With X = 0 the numbers have 24 bits, behind a byte of something else.
const SHORT_SEQUENCE: usize = 8;
const SHORT_ACKNOWLEDGEMENT: usize = 12;
/// With X = 1: the low 32 bits of the 48-bit numbers.
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
    /// The only place that can fail.
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

    /// The numbers have 48 bits, not 24.
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

    /// The low bits of the numbers are enough to match a Response with its Request.
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
