//! Network service header. RFC 8300 §2.2.

use crate::wire::{Behind, Flaw, Next, be16, behind, ethertype};

const LENGTH: usize = 0;
const NEXT_PROTOCOL: usize = 3;
const BASE_BYTES: usize = 4;

/// What the header leads to.
pub fn next(rest: &[u8]) -> Result<Next<'_>, Flaw> {
    let header = rest.first_chunk::<BASE_BYTES>().ok_or(Flaw::Short)?;
    let bytes = usize::from(be16(header, LENGTH) & 0x3f) * 4;
    if header[LENGTH] >> 6 != 0 || bytes < 2 * BASE_BYTES {
        return Err(Flaw::Damaged);
    }
    let next = match header[NEXT_PROTOCOL] {
        1 => Behind::Ether(ethertype::IPV4),
        2 => Behind::Ether(ethertype::IPV6),
        3 => Behind::Link(1),
        4 => Behind::Ether(ethertype::NSH),
        5 => Behind::Ether(ethertype::MPLS),
        _ => Behind::Other,
    };
    Ok((next, behind(rest, bytes)?))
}
