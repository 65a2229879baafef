//! Geneve. RFC 8926 §3.4.

use crate::wire::{NextHeader, be16, be32, ethernet, link};

pub const PORT: u16 = 6081;
const HEADER_BYTES: usize = 8;
const VERSION_OPTIONS_LENGTH: usize = 0;
const PROTOCOL_TYPE: usize = 2;
const NETWORK_ID: usize = 4;
const TRANSPARENT_ETHERNET: u16 = 0x6558;

/// Returns network identifier and what follows, if this is a Geneve header.
pub fn next(data: &[u8]) -> Option<(u32, NextHeader, &[u8])> {
    let header = data.first_chunk::<HEADER_BYTES>()?;
    if header[VERSION_OPTIONS_LENGTH] >> 6 != 0 || header[7] != 0 {
        return None;
    }
    let options = usize::from(header[VERSION_OPTIONS_LENGTH] & 0x3f) * 4;
    let next_header = match be16(header, PROTOCOL_TYPE) {
        TRANSPARENT_ETHERNET => NextHeader::Link(link::ETHERNET),
        number => ethernet::ethertype(number),
    };
    Some((be32(header, NETWORK_ID) >> 8, next_header, data.get(HEADER_BYTES + options..)?))
}
