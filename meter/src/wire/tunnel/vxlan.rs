//! VXLAN and its generic protocol extension. RFC 7348 §5, draft-ietf-nvo3-vxlan-gpe §3.

use crate::wire::{NextHeader, be32, ethertype, link};

pub const PORT: u16 = 4789;
/// Linux's default, from before the registration.
pub const PORT_LINUX: u16 = 8472;
pub const PORT_GPE: u16 = 4790;
const HEADER_BYTES: usize = 8;
const FLAGS: usize = 0;
const NEXT_PROTOCOL: usize = 3;
const NETWORK_ID: usize = 4;
const RESERVED: usize = 7;
const ID_VALID: u8 = 0x08;
/// Says that a group policy follows (draft-smith-vxlan-group-policy).
const GROUP_POLICY: u8 = 0x80;
const ETHERNET: NextHeader = NextHeader::Link(link::ETHERNET);

/// Network id and frame, if this is a VXLAN header.
pub fn next(data: &[u8]) -> Option<(u32, NextHeader, &[u8])> {
    let (header, rest) = data.split_first_chunk::<HEADER_BYTES>()?;
    let known = header[FLAGS] & !GROUP_POLICY == ID_VALID && header[RESERVED] == 0;
    known.then(|| (be32(header, NETWORK_ID) >> 8, ETHERNET, rest))
}

/// Network id and what follows, if this is a header of the generic protocol extension.
///
/// The flag that makes the next protocol valid isn't asked for: 0, where there is none, means Ethernet.
pub fn next_gpe(data: &[u8]) -> Option<(u32, NextHeader, &[u8])> {
    let (header, rest) = data.split_first_chunk::<HEADER_BYTES>()?;
    let next_header = match header[NEXT_PROTOCOL] {
        0 | 3 => ETHERNET,
        1 | 2 => NextHeader::Ip,
        4 => NextHeader::Ether(ethertype::NSH),
        5 => NextHeader::Ether(ethertype::MPLS),
        _ => return None,
    };
    let known = header[FLAGS] & ID_VALID != 0 && header[RESERVED] == 0;
    known.then(|| (be32(header, NETWORK_ID) >> 8, next_header, rest))
}
