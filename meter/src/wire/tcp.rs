//! TCP. RFC 9293 §3.1.

use super::{HeaderError, Segment, be16, be32};

/// Header bytes needed: ports to control bits. The snap length may cut the rest.
const NEEDED_BYTES: usize = 14;
const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
const SEQUENCE_NUMBER: usize = 4;
const ACKNOWLEDGMENT_NUMBER: usize = 8;
const DATA_OFFSET: usize = 12;
const CONTROL_BITS: usize = 13;
const WINDOW: usize = 14;

/// The control bits of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronize sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number is valid.
    pub const ACK: u8 = 0x10;

    /// Returns whether FIN is set.
    #[must_use]
    pub fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }
    /// Returns whether SYN is set.
    #[must_use]
    pub fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }
    /// Returns whether RST is set.
    #[must_use]
    pub fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }
    /// Returns whether ACK is set.
    #[must_use]
    pub fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }
}

/// A checked TCP header.
pub struct Tcp<'a> {
    header: &'a [u8; NEEDED_BYTES],
    window: u16,
}

impl<'a> Tcp<'a> {
    /// Checks the length and the data offset.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let header = bytes.first_chunk::<NEEDED_BYTES>().ok_or(HeaderError::Truncated)?;
        if header[DATA_OFFSET] >> 4 < 5 {
            return Err(HeaderError::Malformed);
        }
        let window =
            bytes.get(WINDOW..).and_then(<[u8]>::first_chunk).map_or(0, |two| u16::from_be_bytes(*two));
        Ok(Self { header, window })
    }

    #[inline]
    pub fn source_port(&self) -> u16 {
        be16(self.header, SOURCE_PORT)
    }

    #[inline]
    pub fn destination_port(&self) -> u16 {
        be16(self.header, DESTINATION_PORT)
    }

    #[inline]
    pub fn header_bytes(&self) -> u32 {
        u32::from(self.header[DATA_OFFSET] >> 4) * 4
    }

    #[inline]
    pub fn segment(&self) -> Segment {
        Segment {
            flags: Flags(self.header[CONTROL_BITS]),
            sequence: be32(self.header, SEQUENCE_NUMBER),
            acknowledgement: be32(self.header, ACKNOWLEDGMENT_NUMBER),
            window: self.window,
        }
    }
}
