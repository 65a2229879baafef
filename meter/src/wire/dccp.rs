//! DCCP, told in TCP's words. RFC 4340 §5.

use super::tcp::Flags;
use super::{Flaw, Segment, be16, be32};

const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
const DATA_OFFSET: usize = 4;
const TYPE_X: usize = 8;
const GENERIC_BYTES: usize = 12;
/// With X = 1: the low 32 bits of the 48-bit number. With X = 0: 24 bits from byte 9 on.
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
    pub fn new(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let header = bytes.first_chunk::<GENERIC_BYTES>().ok_or(Flaw::Short)?;
        let extended = header[TYPE_X] & 1 != 0;
        if extended && bytes.len() < LONG_BYTES {
            return Err(Flaw::Short);
        }
        Ok(Self { header, bytes })
    }

    pub fn ports(&self) -> (u16, u16) {
        (be16(self.header, SOURCE_PORT), be16(self.header, DESTINATION_PORT))
    }

    pub fn header_bytes(&self) -> u32 {
        u32::from(self.header[DATA_OFFSET]) * 4
    }

    /// The low bits of the numbers are enough to match a Response with its Request.
    pub fn segment(&self) -> Segment {
        let extended = self.header[TYPE_X] & 1 != 0;
        let number = |at: usize| self.bytes.get(at..at + 4).map_or(0, |bytes| be32(bytes, 0));
        let sequence = if extended { number(LONG_SEQUENCE_LOW) } else { number(8) & 0x00ff_ffff };
        let acknowledged = if extended { number(LONG_ACKNOWLEDGEMENT_LOW) } else { number(12) & 0x00ff_ffff };
        let flags = match self.header[TYPE_X] >> 1 & 0x0f {
            REQUEST => Flags::SYN,
            RESPONSE => Flags::SYN | Flags::ACK,
            CLOSE_REQUEST | CLOSE => Flags::FIN | Flags::ACK,
            RESET => Flags::RST,
            DATA => 0,
            _ => Flags::ACK, // Ack, DataAck, Sync, SyncAck
        };
        Segment { flags: Flags(flags), sequence, acknowledgement: acknowledged.wrapping_add(1) }
    }
}
