//! Network service header. RFC 8300 §2.2.

use crate::wire::{HeaderError, Next, NextHeader, be16, ethertype, link, skip};

const LENGTH: usize = 0;
const NEXT_PROTOCOL: usize = 3;
const BASE_BYTES: usize = 4;

/// Returns what follows the header.
pub fn next(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    let header = rest.first_chunk::<BASE_BYTES>().ok_or(HeaderError::Truncated)?;
    let bytes = usize::from(be16(header, LENGTH) & 0x3f) * 4;
    if header[LENGTH] >> 6 != 0 || bytes < 2 * BASE_BYTES {
        return Err(HeaderError::Malformed);
    }
    let next = match header[NEXT_PROTOCOL] {
        1 => NextHeader::Ether(ethertype::IPV4),
        2 => NextHeader::Ether(ethertype::IPV6),
        3 => NextHeader::Link(link::ETHERNET),
        4 => NextHeader::Ether(ethertype::NSH),
        5 => NextHeader::Ether(ethertype::MPLS),
        _ => NextHeader::Other,
    };
    Ok((next, skip(rest, bytes)?))
}
