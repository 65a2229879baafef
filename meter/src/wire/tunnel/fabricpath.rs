//! Cisco `FabricPath`: an outer Ethernet header with this EtherType, two bytes, the whole frame.

use crate::wire::{Behind, Flaw, Next, behind};

/// Forwarding tag and time to live.
const TAG_BYTES: usize = 2;

/// What the tag leads to: an Ethernet frame.
pub fn next(rest: &[u8]) -> Result<Next<'_>, Flaw> {
    Ok((Behind::Link(1), behind(rest, TAG_BYTES)?))
}
