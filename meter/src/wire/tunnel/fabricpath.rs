//! Cisco `FabricPath`: an outer Ethernet header with this EtherType, two bytes, the whole frame.

use crate::wire::{HeaderError, Next, NextHeader, link, skip};

/// Forwarding tag and time to live.
const TAG_BYTES: usize = 2;

/// What the tag leads to: an Ethernet frame.
pub fn next(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    Ok((NextHeader::Link(link::ETHERNET), skip(rest, TAG_BYTES)?))
}
