//! VXLAN and its generic protocol extension. RFC 7348 §5, draft-ietf-nvo3-vxlan-gpe §3.

use crate::wire::{Behind, be32};

pub const PORT: u16 = 4789;
/// Linux's default, from before the registration.
pub const PORT_LINUX: u16 = 8472;
pub const PORT_GPE: u16 = 4790;
const HEADER_BYTES: usize = 8;
const FLAGS: usize = 0;
const NEXT_PROTOCOL: usize = 3;
const NETWORK_ID: usize = 4;
const ID_VALID: u8 = 0x08;
const NEXT_PROTOCOL_VALID: u8 = 0x04;
/// Group policy (draft-smith-vxlan-group-policy) and the version, OAM and BUM bits of GPE.
const OTHER_KNOWN_FLAGS: u8 = 0xb3;

/// Network id and what follows, if this is such a header.
pub fn next(data: &[u8], gpe: bool) -> Option<(u32, Behind, &[u8])> {
    let (header, rest) = data.split_first_chunk::<HEADER_BYTES>()?;
    let flags = header[FLAGS];
    if flags & ID_VALID == 0 || header[7] != 0 {
        return None;
    }
    let behind = if gpe && flags & NEXT_PROTOCOL_VALID != 0 {
        match header[NEXT_PROTOCOL] {
            1 | 2 => Behind::Ip,
            3 => Behind::Link(1),
            _ => return None,
        }
    } else if flags & !(ID_VALID | OTHER_KNOWN_FLAGS) == 0 {
        Behind::Link(1)
    } else {
        return None;
    };
    Some((be32(header, NETWORK_ID) >> 8, behind, rest))
}
