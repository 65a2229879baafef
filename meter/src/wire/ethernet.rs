//! Ethernet, VLAN tags, LLC and SNAP: IEEE 802.3, 802.1Q, 802.2.

use super::{Behind, ETHERTYPE_IPV4, Flaw, Next, be16};

const HEADER_BYTES: usize = 14;
const TYPE: usize = 12;
/// Below this the field is a length, and LLC follows. IEEE 802.3 §3.2.6.
pub const LEAST_ETHERTYPE: u16 = 0x0600;
const SNAP: [u8; 3] = [0xaa, 0xaa, 0x03];
const LLC_IP: [u8; 3] = [0x06, 0x06, 0x03];

/// What an Ethernet header leads to.
#[inline]
pub fn next(data: &[u8]) -> Result<Next<'_>, Flaw> {
    let (header, rest) = data.split_first_chunk::<HEADER_BYTES>().ok_or(Flaw::Short)?;
    Ok((Behind::Ether(be16(header, TYPE)), rest))
}

/// What a VLAN tag leads to, and its id.
#[inline]
pub fn behind_vlan(data: &[u8]) -> Result<(u16, Next<'_>), Flaw> {
    let (tag, rest) = data.split_first_chunk::<4>().ok_or(Flaw::Short)?;
    Ok((be16(tag, 0) & 0x0fff, (Behind::Ether(be16(tag, 2)), rest)))
}

/// What an LLC header leads to: an EtherType in its SNAP extension, seldom IP itself.
pub fn behind_llc(data: &[u8]) -> Result<Next<'_>, Flaw> {
    let (llc, rest) = data.split_first_chunk::<3>().ok_or(Flaw::Short)?;
    match *llc {
        SNAP => behind_snap(rest),
        LLC_IP => Ok((Behind::Ether(ETHERTYPE_IPV4), rest)),
        _ => Ok((Behind::Other, rest)),
    }
}

/// What a SNAP header leads to: an EtherType, unless the number is one of another organisation.
pub fn behind_snap(data: &[u8]) -> Result<Next<'_>, Flaw> {
    let (snap, rest) = data.split_first_chunk::<5>().ok_or(Flaw::Short)?;
    let behind = match snap[..3] {
        [0, 0, 0 | 0xf8] => ethertype(be16(snap, 3)), // Ethernet; bridged, IEEE 802.1H
        _ => Behind::Other,
    };
    Ok((behind, rest))
}

/// What an EtherType leads to where a smaller number isn't a length.
pub fn ethertype(number: u16) -> Behind {
    if number < LEAST_ETHERTYPE { Behind::Other } else { Behind::Ether(number) }
}
