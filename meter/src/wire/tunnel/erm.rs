//! Remote mirroring of HP's and Aruba's switches: a header, then the frame. No public standard.

use crate::wire::{NextHeader, be16, ethertype, link};

pub const PORT: u16 = 7932;
/// Eight bytes of unknown meaning, then VLAN and priority.
const HEADER_BYTES: usize = 12;
const ETHERNET_BYTES: usize = 14;

/// The frame, if its EtherType is a usual one.
pub fn next(data: &[u8]) -> Option<(NextHeader, &[u8])> {
    let frame = data.get(HEADER_BYTES..)?;
    let ethertype = be16(frame.first_chunk::<ETHERNET_BYTES>()?, ETHERNET_BYTES - 2);
    let leads_on = matches!(ethertype, ethertype::IPV4 | ethertype::IPV6 | ethertype::MPLS)
        || ethertype::VLAN.contains(&ethertype);
    leads_on.then_some((NextHeader::Link(link::ETHERNET), frame))
}
