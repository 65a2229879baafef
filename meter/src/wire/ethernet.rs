//! Ethernet II and VLAN tags: IEEE 802.3, 802.1Q (C-tags and S-tags).

use super::{Flaw, Network, be16};

const HEADER_BYTES: usize = 14;
const TYPE: usize = 12;
/// 802.1Q, 802.1ad, and the two numbers that switches used for stacked tags before it.
const VLAN_TYPES: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
/// More tags than any network stacks; a longer stack is not looked through.
const MOST_TAGS: usize = 8;

/// What an Ethernet header leads to.
#[inline]
pub fn network(data: &[u8]) -> Result<Network<'_>, Flaw> {
    let (header, rest) = data.split_first_chunk::<HEADER_BYTES>().ok_or(Flaw::Short)?;
    behind_ethertype(be16(header, TYPE), rest)
}

/// What follows an EtherType, through any VLAN tags.
#[inline]
pub fn behind_ethertype(mut ethertype: u16, mut rest: &[u8]) -> Result<Network<'_>, Flaw> {
    let mut vlan = None;
    for _ in 0..MOST_TAGS {
        if !VLAN_TYPES.contains(&ethertype) {
            break;
        }
        let (tag, inner) = rest.split_first_chunk::<4>().ok_or(Flaw::Short)?;
        let id = be16(tag, 0) & 0x0fff;
        vlan = vlan.or((id != 0).then_some(id)); // 0: a tag for the priority only
        (ethertype, rest) = (be16(tag, 2), inner);
    }
    Ok(Network { ethertype, vlan, rest })
}
