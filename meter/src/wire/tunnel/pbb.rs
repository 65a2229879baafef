//! Provider backbone bridges, the I-tag. IEEE 802.1Q §9.7.

use crate::wire::{HeaderError, Next, NextHeader, link, skip};

/// Bytes of priority, flags and service id; the customer frame follows.
const I_TAG_BYTES: usize = 4;

/// Returns the Ethernet frame after the I-tag.
pub fn next(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    Ok((NextHeader::Link(link::ETHERNET), skip(rest, I_TAG_BYTES)?))
}
