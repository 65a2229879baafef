//! MPLS label stacks and what they carry. RFC 3032, RFC 4385 (control word), RFC 4448 (Ethernet), RFC 7510 (UDP).

use crate::wire::{
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, HeaderError, Next, NextHeader, be16, ethertype, link, skip,
};

pub const PORT: u16 = 6635;
const BOTTOM_OF_STACK: u8 = 0x01;
const LABEL_BYTES: usize = 4;
const CONTROL_WORD_BYTES: usize = 4;
const ETHERNET_BYTES: usize = 14;
const ETHERNET: NextHeader = NextHeader::Link(link::ETHERNET);

/// VLAN tags of IEEE 802.1Q and 802.1ad.
const C_TAG: u16 = ethertype::VLAN[0];
const S_TAG: u16 = ethertype::VLAN[1];

/// Returns what follows the label stack. MPLS has no type field, so the first nibble and plausibility decide.
pub fn next(mut rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    loop {
        let (label, inner) = rest.split_first_chunk::<LABEL_BYTES>().ok_or(HeaderError::Truncated)?;
        rest = inner;
        if label[2] & BOTTOM_OF_STACK != 0 {
            break;
        }
    }
    match rest.first().ok_or(HeaderError::Truncated)? >> 4 {
        4 | 6 => Ok((NextHeader::Ip, rest)),
        0 if rest.len() < ETHERNET_BYTES => Err(HeaderError::Truncated),
        // The control word of a pseudowire begins with 0, as do many MAC addresses.
        0 if !is_ethernet(rest) => Ok((ETHERNET, skip(rest, CONTROL_WORD_BYTES)?)),
        1 if !is_ethernet(rest) => Ok((NextHeader::Other, rest)), // an associated channel, RFC 5586
        _ => Ok((ETHERNET, rest)),
    }
}

/// Returns whether this looks like an Ethernet frame: one with a common EtherType.
fn is_ethernet(frame: &[u8]) -> bool {
    frame.len() >= ETHERNET_BYTES
        && matches!(
            be16(frame, 12),
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 | ethertype::ARP | C_TAG | S_TAG | ethertype::MPLS
        )
}
