//! Remote mirroring of HP and Aruba switches: a header, then the frame. No public standard.

use crate::wire::{NextHeader, be16, ethertype, link};

pub const PORT: u16 = 7932;
/// Bytes of the header: eight of unknown meaning, then VLAN and priority.
const HEADER_BYTES: usize = 12;
const ETHERNET_BYTES: usize = 14;

/// Returns the frame, if its EtherType is a common one.
pub fn next(data: &[u8]) -> Option<(NextHeader, &[u8])> {
    let frame = data.get(HEADER_BYTES..)?;
    let ethertype = be16(frame.first_chunk::<ETHERNET_BYTES>()?, ETHERNET_BYTES - 2);
    let is_common = matches!(ethertype, ethertype::IPV4 | ethertype::IPV6 | ethertype::MPLS)
        || ethertype::VLAN.contains(&ethertype);
    is_common.then_some((NextHeader::Link(link::ETHERNET), frame))
}
