//! UDP. RFC 768.

use super::{HeaderError, be16};

/// Bytes of the header. The length field is used for the checksum only: IP has the same length, and segmentation
/// offload leaves the field wrong.
pub const HEADER_BYTES: u32 = 8;
/// Header bytes needed: the ports. The snap length may cut the rest.
const NEEDED_BYTES: usize = 4;
const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
const LENGTH: usize = 4;

/// A checked UDP header.
pub struct Udp<'a>(&'a [u8; NEEDED_BYTES]);

impl<'a> Udp<'a> {
    /// Checks that the ports are there.
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

/// Returns the part of a datagram that its checksum covers; `None` if the length field exceeds the datagram.
pub fn covered(datagram: &[u8]) -> Option<&[u8]> {
    let header = datagram.first_chunk::<{ HEADER_BYTES as usize }>()?;
    datagram.get(..be16(header, LENGTH).into())
}
