//! Generic UDP encapsulation. draft-ietf-intarea-gue-09 §3, §4.

use crate::wire::{NextHeader, ethertype, ip_protocol, link};

pub const PORT: u16 = 6080;
const HEADER_BYTES: usize = 4;
const PROTOCOL: usize = 1;
const VERSION: u8 = 0xc0;
const CONTROL: u8 = 0x20;
const LENGTH: u8 = 0x1f;

/// Returns what follows, in a data message: variant 0 has an IP protocol number, variant 1 is an IP packet.
pub fn next(data: &[u8]) -> Option<(NextHeader, &[u8])> {
    let header = data.first_chunk::<HEADER_BYTES>()?;
    match header[0] & VERSION {
        0 if header[0] & CONTROL == 0 => {
            let next_header = match header[PROTOCOL] {
                ip_protocol::IPV4 => NextHeader::Ether(ethertype::IPV4),
                ip_protocol::IPV6 => NextHeader::Ether(ethertype::IPV6),
                ip_protocol::MPLS_IN_IP => NextHeader::Ether(ethertype::MPLS),
                ip_protocol::ETHERNET => NextHeader::Link(link::ETHERNET),
                _ => return None,
            };
            Some((next_header, data.get(HEADER_BYTES + usize::from(header[0] & LENGTH) * 4..)?))
        }
        0x40 => Some((NextHeader::Ip, data)),
        _ => None,
    }
}
