//! Link headers other than Ethernet's, and which link type means which header.
//!
//! Numbers and layouts: <https://www.tcpdump.org/linktypes.html>.

use super::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Flaw, Network, be16, ethernet};

const NULL: u16 = 0;
const ETHERNET: u16 = 1;
/// `DLT_RAW`, as systems wrote it before `LINKTYPE_RAW` had a number of its own (OpenBSD: 14, others: 12).
const RAW_OLD: [u16; 2] = [12, 14];
const RAW: u16 = 101;
const LOOP: u16 = 108;
const LINUX_SLL: u16 = 113;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const LINUX_SLL2: u16 = 276;

/// What the link header leads to; `None` for a link type that isn't known.
#[inline]
pub fn network(link_type: u16, data: &[u8]) -> Option<Result<Network<'_>, Flaw>> {
    Some(match link_type {
        ETHERNET => ethernet::network(data),
        RAW | IPV4 | IPV6 => raw(data),
        old if RAW_OLD.contains(&old) => raw(data),
        NULL | LOOP => null(data),
        LINUX_SLL => linux_sll(data),
        LINUX_SLL2 => linux_sll2(data),
        _ => return None,
    })
}

/// No link header: the first nibble is the IP version.
fn raw(data: &[u8]) -> Result<Network<'_>, Flaw> {
    let ethertype = match data.first().ok_or(Flaw::Short)? >> 4 {
        4 => ETHERTYPE_IPV4,
        6 => ETHERTYPE_IPV6,
        _ => return Err(Flaw::Damaged),
    };
    Ok(Network { ethertype, vlan: None, rest: data })
}

/// BSD loopback: four bytes with the address family, in the byte order of the machine that
/// captured (`LINKTYPE_NULL`) or of the network (`LINKTYPE_LOOP`).
fn null(data: &[u8]) -> Result<Network<'_>, Flaw> {
    let (family, rest) = data.split_first_chunk::<4>().ok_or(Flaw::Short)?;
    // A family is a small number, so its byte order shows.
    let family = u32::from_be_bytes(*family).min(u32::from_le_bytes(*family));
    let ethertype = match family {
        2 => ETHERTYPE_IPV4,
        10 | 24 | 28 | 30 => ETHERTYPE_IPV6, // Linux; NetBSD, OpenBSD; FreeBSD; Darwin
        _ => 0,
    };
    Ok(Network { ethertype, vlan: None, rest })
}

/// Linux "cooked" capture v1: the protocol is in bytes 14 and 15.
fn linux_sll(data: &[u8]) -> Result<Network<'_>, Flaw> {
    let (header, rest) = data.split_first_chunk::<16>().ok_or(Flaw::Short)?;
    ethernet::behind_ethertype(be16(header, 14), rest)
}

/// Linux "cooked" capture v2: the protocol comes first.
fn linux_sll2(data: &[u8]) -> Result<Network<'_>, Flaw> {
    let (header, rest) = data.split_first_chunk::<20>().ok_or(Flaw::Short)?;
    ethernet::behind_ethertype(be16(header, 0), rest)
}
