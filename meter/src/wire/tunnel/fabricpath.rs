//! Cisco `FabricPath`: an outer Ethernet header with this EtherType, two bytes, the whole frame.

use crate::wire::{HeaderError, Next, NextHeader, link, skip};

/// Bytes of forwarding tag and time to live.
const TAG_BYTES: usize = 2;

/// Returns the Ethernet frame after the tag.
pub fn next(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    Ok((NextHeader::Link(link::ETHERNET), skip(rest, TAG_BYTES)?))
}
