//! Remote capture by access points for `AiroPeek` and `OmniPeek`: a header, then an 802.11 frame.
//! No public standard.

use crate::wire::{NextHeader, be16, be32, link};

/// Default port of Cisco and Aruba.
pub const PORT: u16 = 5000;
/// Alternative port of Aruba.
pub const PORT_ARUBA: u16 = 5555;
/// Start of the newer header: magic number and version; the header's size follows.
const MAGIC: [u8; 5] = [0x00, 0xff, 0xab, 0xcd, 2];
const HEADER_SIZE: usize = 5;
/// The older header has no magic number, but the frame's length.
const OLD_BYTES: usize = 20;
const OLD_PACKET_LENGTH: usize = 2;

/// Returns the frame, if either header is there.
pub fn next(data: &[u8]) -> Option<(NextHeader, &[u8])> {
    let frame = if data.starts_with(&MAGIC) {
        let size = be32(data.get(HEADER_SIZE..)?.first_chunk::<4>()?, 0);
        data.get(size as usize..)?
    } else {
        let (header, frame) = data.split_first_chunk::<OLD_BYTES>()?;
        (usize::from(be16(header, OLD_PACKET_LENGTH)) == frame.len()).then_some(frame)?
    };
    Some((NextHeader::Link(link::IEEE802_11), frame))
}
