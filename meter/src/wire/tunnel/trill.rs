//! TRILL. RFC 6325 §3.

use crate::wire::{HeaderError, Next, NextHeader, be16, link, skip};

/// Bytes of version, flags, option length and hop count, egress and ingress nickname.
const HEADER_BYTES: usize = 6;

/// Returns the Ethernet frame after the header.
pub fn next(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    let header = rest.first_chunk::<HEADER_BYTES>().ok_or(HeaderError::Truncated)?;
    let option_bytes = usize::from(be16(header, 0) >> 6 & 0x1f) * 4;
    Ok((NextHeader::Link(link::ETHERNET), skip(rest, HEADER_BYTES + option_bytes)?))
}
