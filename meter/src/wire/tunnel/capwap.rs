//! CAPWAP, data messages between access point and controller. RFC 5415 §4.

use crate::wire::{NextHeader, link};

pub const PORT: u16 = 5247;
const HEADER_BYTES: usize = 8;
/// Preamble of version 0 without DTLS.
const PREAMBLE: u8 = 0;
const LENGTH: usize = 1;
/// Offsets of the flags: the last bit of byte 2, then byte 3.
const BINDING: usize = 2;
const FLAGS: usize = 3;
const NATIVE_FRAME: u8 = 0x01;
const FRAGMENT: u8 = 0x80;
const KEEP_ALIVE: u8 = 0x08;
/// Wireless binding of IEEE 802.11, RFC 5416.
const WIFI: u8 = 1;

/// Returns the frame, if this message carries a whole one in clear text.
pub fn next(data: &[u8]) -> Option<(NextHeader, &[u8])> {
    let header = data.first_chunk::<HEADER_BYTES>()?;
    if header[0] != PREAMBLE || header[FLAGS] & (FRAGMENT | KEEP_ALIVE) != 0 {
        return None;
    }
    let link_type = match (header[BINDING] & NATIVE_FRAME != 0, header[BINDING] >> 1 & 0x1f) {
        (false, _) => link::ETHERNET,
        (true, WIFI) => link::IEEE802_11,
        (true, _) => return None,
    };
    Some((NextHeader::Link(link_type), data.get(usize::from(header[LENGTH] >> 3) * 4..)?))
}
