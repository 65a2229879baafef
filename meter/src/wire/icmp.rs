//! ICMP and ICMPv6 errors and the packets that they quote. RFC 792, RFC 4443 §3.

use super::ip_protocol::{ICMP, ICMP_V6};
use super::walk::IpHeader;
use super::{Address, Ends, be16, ipv4, ipv6};

const TYPE: usize = 0;
const CODE: usize = 1;
const QUOTE: usize = 8;

/// Quoted packet of a "destination unreachable" error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Endpoints of the quoted packet.
    pub ends: Ends,
}

/// Returns the packet that a "destination unreachable" error quotes.
pub fn unreachable(ip: &IpHeader<'_>, body: &[u8], network_id: u32) -> Option<Quoted> {
    const UNREACHABLE: u8 = 3;
    const FRAGMENTATION_NEEDED: u8 = 4;
    const UNREACHABLE_V6: u8 = 1;
    let (header, quote) = body.split_first_chunk::<QUOTE>()?;
    let quoted = match (ip.protocol, header[TYPE], header[CODE]) {
        (ICMP, UNREACHABLE, code) if code != FRAGMENTATION_NEEDED => ipv4::parse(quote),
        (ICMP_V6, UNREACHABLE_V6, _) => ipv6::parse(quote),
        _ => return None,
    }
    .ok()?;
    let ports = quoted.rest.first_chunk::<4>()?;
    let answered_to: Address = ip.destination;
    // A genuine error is sent to the source of the quoted packet.
    (quoted.fragment_offset == 0 && quoted.source == answered_to).then(|| Quoted {
        ends: Ends {
            ip_version: quoted.ip_version,
            proto: quoted.protocol,
            source: quoted.source,
            destination: quoted.destination,
            source_port: be16(ports, 0),
            destination_port: be16(ports, 2),
            network_id,
        },
    })
}
