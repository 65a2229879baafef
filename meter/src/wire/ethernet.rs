//! Ethernet, VLAN tags, LLC and SNAP: IEEE 802.3, 802.1Q, 802.2.

use super::{ETHERTYPE_IPV4, HeaderError, Next, NextHeader, be16};

const HEADER_BYTES: usize = 14;
const TYPE: usize = 12;
/// Smallest EtherType; smaller values are a length, and LLC follows. IEEE 802.3 §3.2.6.
pub const MIN_ETHERTYPE: u16 = 0x0600;
const SNAP: [u8; 3] = [0xaa, 0xaa, 0x03];
/// OUI of IEEE 802.1, for bridged frames.
const BRIDGED: [u8; 3] = [0x00, 0x80, 0xc2];
const LLC_IP: [u8; 3] = [0x06, 0x06, 0x03];

/// Returns what follows an Ethernet header.
#[inline]
pub fn next(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (header, rest) = data.split_first_chunk::<HEADER_BYTES>().ok_or(HeaderError::Truncated)?;
    Ok((NextHeader::Ether(be16(header, TYPE)), rest))
}

/// Returns the id of a VLAN tag and what follows it.
#[inline]
pub fn after_vlan(data: &[u8]) -> Result<(u16, Next<'_>), HeaderError> {
    let (tag, rest) = data.split_first_chunk::<4>().ok_or(HeaderError::Truncated)?;
    Ok((be16(tag, 0) & 0x0fff, (NextHeader::Ether(be16(tag, 2)), rest)))
}

/// Returns what follows an LLC header: a SNAP header, or rarely IP.
pub fn after_llc(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (llc, rest) = data.split_first_chunk::<3>().ok_or(HeaderError::Truncated)?;
    match *llc {
        SNAP => after_snap(rest),
        LLC_IP => Ok((NextHeader::Ether(ETHERTYPE_IPV4), rest)),
        _ => Ok((NextHeader::Other, rest)),
    }
}

/// Returns what follows a SNAP header: an EtherType, unless the OUI is another organisation's.
pub fn after_snap(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (snap, rest) = data.split_first_chunk::<5>().ok_or(HeaderError::Truncated)?;
    let number = be16(snap, 3);
    match [snap[0], snap[1], snap[2]] {
        [0, 0, 0 | 0xf8] => Ok((ethertype(number), rest)), // Ethernet; bridged, IEEE 802.1H
        BRIDGED => bridged(number, rest),
        _ => Ok((NextHeader::Other, rest)),
    }
}

/// Returns a bridged Ethernet frame. RFC 2427 §4.2; RFC 2684 §5.2, with two bytes of padding before it.
fn bridged(kind: u16, rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    const WITH_CHECKSUM: u16 = 1;
    const WITHOUT_CHECKSUM: u16 = 7;
    const PADDING: [u8; 2] = [0, 0];
    if !matches!(kind, WITH_CHECKSUM | WITHOUT_CHECKSUM) {
        return Ok((NextHeader::Other, rest));
    }
    next(rest.strip_prefix(&PADDING).unwrap_or(rest))
}

/// Returns the header of an EtherType where smaller numbers are no length.
pub fn ethertype(number: u16) -> NextHeader {
    if number < MIN_ETHERTYPE { NextHeader::Other } else { NextHeader::Ether(number) }
}
