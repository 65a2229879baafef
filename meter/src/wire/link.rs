//! Dispatch by link type, and the link headers too small for a file of their own.
//!
//! Numbers and layouts: <https://www.tcpdump.org/linktypes.html>.

mod atm;
mod juniper;
mod packet_filter;
mod pktap;
mod switch_tag;

use super::tunnel::tzsp;
use super::{
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, HeaderError, Next, NextHeader, be16, ethernet, ethertype, le16, skip,
};

pub const ETHERNET: u16 = 1;
pub const NULL: u16 = 0;
const TOKEN_RING: u16 = 6;
pub const PPP: u16 = 9;
const FDDI: u16 = 10;
/// `DLT_RAW`, written as a link type before `LINKTYPE_RAW` was assigned (OpenBSD: 14, others: 12).
const RAW_OLD: [u16; 2] = [12, 14];
const PPP_HDLC: u16 = 50;
const PPP_ETHER: u16 = 51;
/// First byte of Cisco HDLC framing, which `PPP_HDLC` frames may have instead of PPP's.
const CISCO_ADDRESSES: [u8; 2] = [0x0f, 0x8f];
pub const RAW: u16 = 101;
const CISCO_HDLC: u16 = 104;
pub const IEEE802_11: u16 = 105;
pub const FRAME_RELAY: u16 = 107;
const LOOP: u16 = 108;
pub const LINUX_SLL: u16 = 113;
pub const IEEE802_11_PRISM: u16 = 119;
pub const IEEE802_11_RADIOTAP: u16 = 127;
pub const IEEE802_11_AVS: u16 = 163;
pub const PPI: u16 = 192;
const PPP_WITH_DIRECTION: u16 = 204;
const ERF: u16 = 197;
const IPNET: u16 = 226;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const NFLOG: u16 = 239;
pub const LINUX_SLL2: u16 = 276;
const SLIP: u16 = 8;
/// `DLT_ATM_RFC1483`, written as a link type before `LINKTYPE_ATM_RFC1483` was assigned.
const ATM_RFC1483_OLD: u16 = 11;
const ATM_RFC1483: u16 = 100;
const ATM_CLIP: u16 = 106;
const ENC: u16 = 109;
const PFLOG: u16 = 117;
const IP_OVER_FC: u16 = 122;
const SUNATM: u16 = 123;
const TZSP: u16 = 128;
const APPLE_IP_OVER_IEEE1394: u16 = 138;
const PPP_PPPD: u16 = 166;
const C_HDLC_WITH_DIR: u16 = 205;
const FRELAY_WITH_DIR: u16 = 206;
const MPLS: u16 = 219;
const NETANALYZER: u16 = 240;
const NETANALYZER_TRANSPARENT: u16 = 241;
const IPOIB: u16 = 242;
const PKTAP: u16 = 258;
const EPON: u16 = 259;
const ETHERNET_MPACKET: u16 = 274;

/// Returns what follows the link header; `None` for an unknown link type and for those of `ieee80211`.
#[inline]
pub fn next(link_type: u16, data: &[u8]) -> Option<Result<Next<'_>, HeaderError>> {
    Some(match link_type {
        ETHERNET => ethernet::next(data),
        RAW | IPV4 | IPV6 => Ok((NextHeader::Ip, data)),
        old if RAW_OLD.contains(&old) => Ok((NextHeader::Ip, data)),
        NULL | LOOP => null(data),
        LINUX_SLL => linux_sll(data),
        LINUX_SLL2 => linux_sll2(data),
        PPP => Ok((NextHeader::Ppp, data)),
        PPP_HDLC => ppp_hdlc(data),
        PPP_WITH_DIRECTION => skip(data, 1).map(|rest| (NextHeader::Ppp, rest)),
        PPP_ETHER => Ok((NextHeader::Ether(ethertype::PPPOE_SESSION), data)),
        CISCO_HDLC => cisco_hdlc(data),
        FRAME_RELAY => frame_relay(data),
        NFLOG => nflog(data),
        ERF => erf(data),
        FDDI => fddi(data),
        TOKEN_RING => token_ring(data),
        IPNET => ipnet(data),
        _ => return rare(link_type, data),
    })
}

/// Returns what follows the header of a rare link type.
#[cold]
fn rare(link_type: u16, data: &[u8]) -> Option<Result<Next<'_>, HeaderError>> {
    let after = |next_header: NextHeader, bytes| super::skip(data, bytes).map(|rest| (next_header, rest));
    Some(match link_type {
        SLIP => after(NextHeader::Ip, 16), // direction, and the compressed header
        ATM_RFC1483 | ATM_RFC1483_OLD | ATM_CLIP => atm::rfc1483(data),
        SUNATM => atm::sun(data),
        ENC => packet_filter::encapsulation(data),
        PFLOG => packet_filter::log(data),
        IP_OVER_FC => after(NextHeader::Llc, 16), // two addresses, RFC 2625
        TZSP => tzsp::next(data).map(|(next_header, rest)| (unwrapped(next_header), rest)),
        APPLE_IP_OVER_IEEE1394 => typed_at(data, 16, 18),
        PPP_PPPD => after(NextHeader::Ppp, 2), // direction and control
        C_HDLC_WITH_DIR => after(NextHeader::Frame(CISCO_HDLC), 1),
        FRELAY_WITH_DIR => after(NextHeader::Frame(FRAME_RELAY), 1),
        MPLS => Ok((NextHeader::Ether(ethertype::MPLS), data)),
        NETANALYZER => after(NextHeader::Frame(ETHERNET), 4),
        NETANALYZER_TRANSPARENT => after(NextHeader::Frame(ETHERNET), 12), // pseudo-header and preamble
        IPOIB => typed_at(data, 40, 44), // global routing header and encapsulation header, RFC 4391
        PKTAP => pktap::next(data),
        EPON | ETHERNET_MPACKET => after(NextHeader::Frame(ETHERNET), 8), // preamble
        juniper::MLPPP
        | juniper::MLFR
        | juniper::GGSN
        | juniper::MFR
        | juniper::ATM2
        | juniper::SERVICES
        | juniper::ATM1
        | juniper::MONITOR
        | juniper::PPPOE
        | juniper::PPPOE_ATM
        | juniper::ETHER
        | juniper::PPP
        | juniper::FRELAY
        | juniper::CHDLC
        | juniper::VP
        | juniper::ATM_CEMIC => juniper::next(link_type, data),
        switch_tag::BROADCOM
        | switch_tag::BROADCOM_PREPENDED
        | switch_tag::MARVELL
        | switch_tag::MARVELL_ETHERTYPE => switch_tag::next(link_type, data),
        _ => return None,
    })
}

/// Converts a frame inside a packet into one inside a link header, which is no encapsulation.
fn unwrapped(next_header: NextHeader) -> NextHeader {
    match next_header {
        NextHeader::Link(link_type) => NextHeader::Frame(link_type),
        other => other,
    }
}

/// Passes a header of `bytes` bytes with an EtherType at offset `at`.
fn typed_at(data: &[u8], at: usize, bytes: usize) -> Result<Next<'_>, HeaderError> {
    let rest = skip(data, bytes)?;
    Ok((ethernet::ethertype(be16(data, at)), rest))
}

/// Returns whether frames of this link type are bare IP packets.
pub fn is_raw(link_type: u16) -> bool {
    matches!(link_type, RAW | IPV4 | IPV6) || RAW_OLD.contains(&link_type)
}

/// BSD loopback: four bytes with the address family, in the byte order of the capturing machine (`LINKTYPE_NULL`)
/// or of the network (`LINKTYPE_LOOP`).
fn null(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (family, rest) = data.split_first_chunk::<4>().ok_or(HeaderError::Truncated)?;
    // Address families are small numbers, so the smaller reading is correct.
    let family = u32::from_be_bytes(*family).min(u32::from_le_bytes(*family));
    Ok((of_family(family), rest))
}

/// Maps an address family, as any system numbers it, to IPv4 or IPv6.
fn of_family(family: u32) -> NextHeader {
    match family {
        2 => NextHeader::Ether(ETHERTYPE_IPV4),
        // Linux; NetBSD, OpenBSD; Solaris; FreeBSD; Darwin
        10 | 24 | 26 | 28 | 30 => NextHeader::Ether(ETHERTYPE_IPV6),
        _ => NextHeader::Other,
    }
}

/// Linux "cooked" capture v1: the protocol is in bytes 14 and 15.
fn linux_sll(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (header, rest) = data.split_first_chunk::<16>().ok_or(HeaderError::Truncated)?;
    Ok((of_linux(be16(header, 2), be16(header, 14)), rest))
}

/// Linux "cooked" capture v2: the protocol comes first.
fn linux_sll2(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (header, rest) = data.split_first_chunk::<20>().ok_or(HeaderError::Truncated)?;
    Ok((of_linux(be16(header, 8), be16(header, 0)), rest))
}

/// Maps Linux's device type and protocol (an EtherType, or a small number of Linux's own).
fn of_linux(device: u16, protocol: u16) -> NextHeader {
    const ARPHRD_FRAD: u16 = 770;
    const ARPHRD_IEEE80211: u16 = 801;
    const ARPHRD_IEEE80211_PRISM: u16 = 802;
    const ARPHRD_IEEE80211_RADIOTAP: u16 = 803;
    const ETH_P_802_2: u16 = 4;
    match (device, protocol) {
        (ARPHRD_FRAD, _) => NextHeader::Frame(FRAME_RELAY),
        (ARPHRD_IEEE80211, _) => NextHeader::Frame(IEEE802_11),
        (ARPHRD_IEEE80211_PRISM, _) => NextHeader::Frame(IEEE802_11_PRISM),
        (ARPHRD_IEEE80211_RADIOTAP, _) => NextHeader::Frame(IEEE802_11_RADIOTAP),
        (_, ETH_P_802_2) => NextHeader::Llc,
        (_, number) => ethernet::ethertype(number),
    }
}

/// PPP in HDLC-like framing, or Cisco HDLC.
fn ppp_hdlc(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    match data.first() {
        Some(address) if CISCO_ADDRESSES.contains(address) => cisco_hdlc(data),
        _ => Ok((NextHeader::Ppp, data)),
    }
}

/// Cisco HDLC: address, control, EtherType.
fn cisco_hdlc(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (header, rest) = data.split_first_chunk::<4>().ok_or(HeaderError::Truncated)?;
    Ok((ethernet::ethertype(be16(header, 2)), rest))
}

/// Frame relay: an address of two to four bytes, then an NLPID (RFC 2427) or an EtherType (Cisco).
fn frame_relay(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    const LAST_ADDRESS_BYTE: u8 = 0x01;
    const UNNUMBERED: u8 = 0x03;
    let Some(last) = data.iter().take(4).position(|byte| byte & LAST_ADDRESS_BYTE != 0) else {
        return Err(if data.len() < 4 { HeaderError::Truncated } else { HeaderError::Malformed });
    };
    let (header, rest) = data[last + 1..].split_first_chunk::<2>().ok_or(HeaderError::Truncated)?;
    match *header {
        [UNNUMBERED, nlpid] => of_nlpid(nlpid, rest),
        number => Ok((ethernet::ethertype(u16::from_be_bytes(number)), rest)),
    }
}

/// Returns what follows a network layer protocol identifier. RFC 2427 §3, ISO/IEC TR 9577.
pub fn of_nlpid(nlpid: u8, rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    const SNAP: u8 = 0x80;
    Ok(match nlpid {
        0xcc => (NextHeader::Ether(ETHERTYPE_IPV4), rest),
        0x8e => (NextHeader::Ether(ETHERTYPE_IPV6), rest),
        0xcf => (NextHeader::Ppp, rest),
        SNAP => ethernet::after_snap(rest)?,
        // Padding after the control field, then SNAP.
        0x00 => match rest.split_first().ok_or(HeaderError::Truncated)? {
            (&SNAP, rest) => ethernet::after_snap(rest)?,
            _ => (NextHeader::Other, rest),
        },
        _ => (NextHeader::Other, rest),
    })
}

/// Linux netfilter log: family, version, resource id, then attributes, one of which is the packet.
fn nflog(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    const HEADER_BYTES: usize = 4;
    const ATTRIBUTE_BYTES: usize = 4;
    const PAYLOAD: u16 = 9;
    /// The two highest bits of an attribute's type are flags.
    const TYPE: u16 = 0x3fff;
    let family = of_family(u32::from(*data.first().ok_or(HeaderError::Truncated)?));
    let mut rest = skip(data, HEADER_BYTES)?;
    loop {
        let header = rest.first_chunk::<ATTRIBUTE_BYTES>().ok_or(HeaderError::Truncated)?;
        // In the byte order of the capturing machine, which shows since types are small numbers.
        let (length, kind) = if le16(header, 2) & TYPE < 0x100 {
            (le16(header, 0), le16(header, 2) & TYPE)
        } else {
            (be16(header, 0), be16(header, 2) & TYPE)
        };
        let length = usize::from(length);
        if length < ATTRIBUTE_BYTES {
            return Err(HeaderError::Malformed);
        }
        if kind == PAYLOAD {
            return Ok((family, &rest[ATTRIBUTE_BYTES..rest.len().min(length)]));
        }
        rest = skip(rest, length.next_multiple_of(4))?;
    }
}

/// Endace ERF record: a header of 16 bytes, extension headers, then a frame of the record's type.
fn erf(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    const TYPE: usize = 8;
    const EXTENSION: u8 = 0x80;
    let (header, mut rest) = data.split_first_chunk::<16>().ok_or(HeaderError::Truncated)?;
    let mut extended = header[TYPE] & EXTENSION != 0;
    while extended {
        let (extension, inner) = rest.split_first_chunk::<8>().ok_or(HeaderError::Truncated)?;
        extended = extension[0] & EXTENSION != 0;
        rest = inner;
    }
    match header[TYPE] & !EXTENSION {
        1 => ppp_hdlc(rest),
        2 | 11 | 16 | 20 => ethernet::next(skip(rest, 2)?), // after offset and padding
        22 | 23 => Ok((NextHeader::Ip, rest)),
        _ => Ok((NextHeader::Other, rest)),
    }
}

/// FDDI: frame control, two addresses; LLC in data frames. ISO 9314-2.
fn fddi(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (header, rest) = data.split_first_chunk::<13>().ok_or(HeaderError::Truncated)?;
    let is_llc = header[0] & 0x70 == 0x50;
    Ok((if is_llc { NextHeader::Llc } else { NextHeader::Other }, rest))
}

/// Token Ring: access control, frame control, two addresses, optional routing information, LLC. IEEE 802.5.
fn token_ring(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    const SOURCE: usize = 8;
    const ROUTED: u8 = 0x80;
    let (header, rest) = data.split_first_chunk::<14>().ok_or(HeaderError::Truncated)?;
    if header[1] >> 6 != 1 {
        return Ok((NextHeader::Other, rest));
    }
    let route_bytes =
        if header[SOURCE] & ROUTED != 0 { rest.first().ok_or(HeaderError::Truncated)? & 0x1f } else { 0 };
    Ok((NextHeader::Llc, skip(rest, route_bytes.into())?))
}

/// Solaris ipnet: a header of 24 bytes with the address family.
fn ipnet(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (header, rest) = data.split_first_chunk::<24>().ok_or(HeaderError::Truncated)?;
    Ok((of_family(u32::from(header[1])), rest))
}
