//! VXLAN and its generic protocol extension. RFC 7348 §5, draft-ietf-nvo3-vxlan-gpe §3.

use crate::wire::{NextHeader, be32, ethertype, link};

pub const PORT: u16 = 4789;
/// Linux default, from before the registration.
pub const PORT_LINUX: u16 = 8472;
pub const PORT_GPE: u16 = 4790;
const HEADER_BYTES: usize = 8;
const FLAGS: usize = 0;
const NEXT_PROTOCOL: usize = 3;
const NETWORK_ID: usize = 4;
const RESERVED: usize = 7;
const ID_VALID: u8 = 0x08;
/// Group policy extension flag (draft-smith-vxlan-group-policy).
const GROUP_POLICY: u8 = 0x80;
const ETHERNET: NextHeader = NextHeader::Link(link::ETHERNET);

/// Returns network identifier and frame, if this is a VXLAN header.
pub fn next(data: &[u8]) -> Option<(u32, NextHeader, &[u8])> {
    let (header, rest) = data.split_first_chunk::<HEADER_BYTES>()?;
    let known = header[FLAGS] & !GROUP_POLICY == ID_VALID && header[RESERVED] == 0;
    known.then(|| (be32(header, NETWORK_ID) >> 8, ETHERNET, rest))
}

/// Returns network identifier and what follows, if this is a VXLAN-GPE header.
///
/// The next-protocol flag is not checked: 0, the value without it, means Ethernet.
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
