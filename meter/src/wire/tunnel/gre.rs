//! GRE. RFC 2784, RFC 2890 (key, sequence), RFC 1701 (routing), RFC 2637 (PPTP), RFC 7637 (NVGRE), RFC 8086 (UDP).

use crate::wire::{HeaderError, NextHeader, be16, be32, ethertype, link, skip};

use super::{Encapsulation, Inside};
use ethertype::{PPP, TRANSPARENT_ETHERNET};

/// UDP port.
pub const PORT: u16 = 4754;
const FLAGS: usize = 0;
const PROTOCOL: usize = 2;
const HEADER_BYTES: usize = 4;
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
/// Acknowledgement flag, in version 1 only.
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

const ERSPAN_I_II: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
const FRAME_RELAY: u16 = 0x6559;
/// `MikroTik` `EoIP`: version 1, the key holds length and tunnel id.
const MIKROTIK: u16 = 0x6400;
/// Packets redirected by WCCP; its version 2 has a header of four bytes.
const WCCP: u16 = 0x883e;
/// 802.11 frames of Aruba access points; the low bits are the queue.
const ARUBA: std::ops::RangeInclusive<u16> = 0x8200..=0x837f;
/// Protocol types without IP that are no EtherType: keepalive, OSI, NHRP.
const WITHOUT_IP: [u16; 3] = [0x0000, 0x00fe, 0x2001];

/// Returns what follows a GRE header.
pub fn next(data: &[u8]) -> Result<Inside<'_>, HeaderError> {
    let header = data.first_chunk::<HEADER_BYTES>().ok_or(HeaderError::Truncated)?;
    let (flags, protocol) = (be16(header, FLAGS), be16(header, PROTOCOL));
    if flags & VERSION > 1 {
        return Err(HeaderError::Malformed);
    }
    let mut rest = &data[HEADER_BYTES..];
    if flags & (CHECKSUM | ROUTING) != 0 {
        rest = skip(rest, 4)?; // checksum and offset: both present if either flag is set
    }
    let key = if flags & KEY != 0 {
        let (key, inner) = rest.split_first_chunk::<4>().ok_or(HeaderError::Truncated)?;
        rest = inner;
        Some(be32(key, 0))
    } else {
        None
    };
    if flags & SEQUENCE != 0 {
        rest = skip(rest, 4)?;
    }
    if flags & VERSION == 1 && flags & ACKNOWLEDGEMENT != 0 {
        rest = skip(rest, 4)?;
    }
    if flags & ROUTING != 0 {
        rest = after_routing(rest)?;
    }
    let (encapsulation, leads_to) = match protocol {
        // NVGRE has a key and nothing else. RFC 7637 §3.2.
        TRANSPARENT_ETHERNET if flags == KEY => (Encapsulation::Nvgre, NextHeader::Link(link::ETHERNET)),
        TRANSPARENT_ETHERNET | MIKROTIK => (Encapsulation::Gre, NextHeader::Link(link::ETHERNET)),
        ERSPAN_I_II | ERSPAN_III => (Encapsulation::Erspan, NextHeader::Link(link::ETHERNET)),
        // PPTP without a sequence number: an acknowledgement only. RFC 2637 §4.1.
        PPP if flags & (VERSION | SEQUENCE) == 1 => (Encapsulation::Gre, NextHeader::Other),
        PPP => (Encapsulation::Gre, NextHeader::Ppp),
        FRAME_RELAY => (Encapsulation::Gre, NextHeader::Link(link::FRAME_RELAY)),
        WCCP => (Encapsulation::Gre, NextHeader::Ip),
        number if ARUBA.contains(&number) => (Encapsulation::Gre, NextHeader::Link(link::IEEE802_11)),
        number if WITHOUT_IP.contains(&number) => (Encapsulation::Gre, NextHeader::Other),
        number if ethertype::is_known(number) => (Encapsulation::Gre, NextHeader::Ether(number)),
        number => (Encapsulation::Gre, NextHeader::UnknownGre(number)),
    };
    match protocol {
        WCCP if rest.first().is_some_and(|first| first >> 4 != 4) => rest = skip(rest, 4)?,
        ERSPAN_I_II => rest = super::erspan::after_type_1_or_2(rest, flags & SEQUENCE != 0)?,
        ERSPAN_III => rest = super::erspan::after_type_3(rest)?,
        _ => {}
    }
    let network_id = key.filter(|_| encapsulation == Encapsulation::Nvgre).map(|key| key >> 8);
    Ok(Inside { encapsulation, network_id, next_header: leads_to, rest })
}

/// Skips source route entries: family, offset, length, route; an empty one of family 0 is the last.
fn after_routing(mut rest: &[u8]) -> Result<&[u8], HeaderError> {
    loop {
        let (entry, inner) = rest.split_first_chunk::<4>().ok_or(HeaderError::Truncated)?;
        rest = skip(inner, entry[3].into())?;
        if *entry == [0, 0, 0, 0] {
            return Ok(rest);
        }
    }
}
