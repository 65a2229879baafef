//! Apple PKTAP: metadata with the link type of the frame after it. Darwin's `net/pktap.h`.

use crate::wire::{HeaderError, Next, NextHeader, be32, skip};

/// Offsets of the fields, which are little-endian.
const LENGTH: usize = 0;
const RECORD_TYPE: usize = 4;
const LINK_TYPE: usize = 8;
const MIN_BYTES: usize = 108;
const PACKET: u32 = 1;

/// Returns what follows the header.
pub fn next(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let header = data.first_chunk::<MIN_BYTES>().ok_or(HeaderError::Truncated)?;
    let number = |at| be32(header, at).swap_bytes();
    let (length, link_type) = (number(LENGTH) as usize, number(LINK_TYPE));
    if length < MIN_BYTES {
        return Err(HeaderError::Malformed);
    }
    let rest = skip(data, length)?;
    match u16::try_from(link_type) {
        Ok(link_type) if number(RECORD_TYPE) == PACKET => Ok((NextHeader::Frame(link_type), rest)),
        _ => Ok((NextHeader::Other, rest)),
    }
}
