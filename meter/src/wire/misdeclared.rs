//! Frames of another link type than the capture declares, as some drivers and converters write them.
//!
//! The evidence must be strong: an IP header at a link type's offset, with a length that matches the rest of the frame
//! on the wire, and a correct checksum.

use super::ethertype::{IPV4, IPV6, VLAN};
use super::{be16, checksum, link};

const IPV4_HEADER_BYTES: usize = 20;
const IPV6_HEADER_BYTES: usize = 40;
/// Bytes of an Ethernet frame without checksum at least; shorter frames are padded. IEEE 802.3 §3.2.8.
const MIN_ETHERNET_BYTES: usize = 60;

/// Returns the link type that a frame shows, if it is not the declared one.
pub fn shown(declared: u16, frame: &[u8], wire_bytes: u32) -> Option<u16> {
    let version = |bytes: usize| version_at(frame, wire_bytes as usize, bytes);
    let typed = |at: usize, bytes: usize| {
        let ethertype = frame.get(at..at + 2).map(|two| be16(two, 0));
        matches!((version(bytes), ethertype), (Some(4), Some(IPV4)) | (Some(6), Some(IPV6)))
    };
    let tagged = frame.get(12..14) == Some(&VLAN[0].to_be_bytes());
    let shown = if version(0).is_some() {
        link::RAW
    } else if typed(12, 14) || tagged && typed(16, 18) {
        link::ETHERNET
    } else if typed(14, 16) {
        link::LINUX_SLL
    } else if frame.get(2..4) == Some(&[0, 0]) && typed(0, 20) {
        link::LINUX_SLL2
    } else if has_family(frame) && version(4).is_some() {
        link::NULL
    } else if frame.starts_with(&[0xff, 0x03, 0x00]) && version(4).is_some() {
        link::PPP
    } else {
        return None;
    };
    let same = shown == declared || shown == link::RAW && link::is_raw(declared);
    (!same).then_some(shown)
}

/// Returns the version of the IP packet at offset `bytes`, if there is one.
fn version_at(frame: &[u8], wire_bytes: usize, bytes: usize) -> Option<u8> {
    let packet = frame.get(bytes..)?;
    let left = wire_bytes.checked_sub(bytes)?;
    let fits = |length: usize| length == left || length < left && wire_bytes <= MIN_ETHERNET_BYTES;
    match packet.first()? >> 4 {
        4 => {
            let header_bytes = usize::from(packet[0] & 0x0f) * 4;
            let header = packet.get(..header_bytes).filter(|_| header_bytes >= IPV4_HEADER_BYTES)?;
            let length = usize::from(be16(header, 2));
            (length >= header_bytes && fits(length) && !checksum::is_bad_header(header)).then_some(4)
        }
        6 => {
            let header = packet.first_chunk::<IPV6_HEADER_BYTES>()?;
            fits(usize::from(be16(header, 4)) + IPV6_HEADER_BYTES).then_some(6)
        }
        _ => None,
    }
}

/// Returns whether the frame starts with an address family in either byte order.
fn has_family(frame: &[u8]) -> bool {
    matches!(frame.get(..4), Some(&[0, 0, 0, 2..=30] | &[2..=30, 0, 0, 0]))
}
