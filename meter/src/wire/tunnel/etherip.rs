//! Ethernet within IP. RFC 3378 §3.

use crate::wire::{Behind, Flaw, Next};

const VERSION: u8 = 0x30;

/// What the header leads to: an Ethernet frame.
pub fn next(rest: &[u8]) -> Result<Next<'_>, Flaw> {
    let (header, rest) = rest.split_first_chunk::<2>().ok_or(Flaw::Short)?;
    if header[0] & 0xf0 == VERSION { Ok((Behind::Link(1), rest)) } else { Err(Flaw::Damaged) }
}
