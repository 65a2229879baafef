//! Ethernet within IP. RFC 3378 §3.

use crate::wire::{HeaderError, Next, NextHeader, link};

const VERSION: u8 = 0x30;

/// Returns the Ethernet frame after the header.
pub fn next(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (header, rest) = rest.split_first_chunk::<2>().ok_or(HeaderError::Truncated)?;
    if header[0] & 0xf0 == VERSION {
        Ok((NextHeader::Link(link::ETHERNET), rest))
    } else {
        Err(HeaderError::Malformed)
    }
}
