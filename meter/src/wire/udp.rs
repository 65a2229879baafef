//! UDP. RFC 768.

use super::{HeaderError, be16};

/// The whole header. Its length field counts for the checksum only: IP's says the same, and offload leaves
/// it wrong.
pub const HEADER_BYTES: u32 = 8;
/// As much as is needed: the ports. A snap length may cut the rest.
const NEEDED_BYTES: usize = 4;
const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
const LENGTH: usize = 4;

/// A checked UDP header.
pub struct Udp<'a>(&'a [u8; NEEDED_BYTES]);

impl<'a> Udp<'a> {
    /// The only place that can fail.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        bytes.first_chunk().map(Self).ok_or(HeaderError::Truncated)
    }

    #[inline]
    pub fn source_port(&self) -> u16 {
        be16(self.0, SOURCE_PORT)
    }

    #[inline]
    pub fn destination_port(&self) -> u16 {
        be16(self.0, DESTINATION_PORT)
    }
}

/// As much of a datagram as its checksum covers; `None` if the length field says more than is there.
pub fn covered(datagram: &[u8]) -> Option<&[u8]> {
    let header = datagram.first_chunk::<{ HEADER_BYTES as usize }>()?;
    datagram.get(..be16(header, LENGTH).into())
}
