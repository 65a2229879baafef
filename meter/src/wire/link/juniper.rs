//! Juniper link types: a Junos header before the frame.
//!
//! Magic number, flags, optional extensions; service cards put a cookie before the frame.

use super::{ATM_RFC1483, CISCO_HDLC, ETHERNET, FRAME_RELAY};
use crate::wire::{HeaderError, Next, NextHeader, be16, skip};

pub const MLPPP: u16 = 130;
pub const MLFR: u16 = 131;
pub const GGSN: u16 = 133;
pub const MFR: u16 = 134;
pub const ATM2: u16 = 135;
pub const SERVICES: u16 = 136;
pub const ATM1: u16 = 137;
pub const MONITOR: u16 = 164;
pub const PPPOE: u16 = 167;
pub const PPPOE_ATM: u16 = 168;
pub const ETHER: u16 = 178;
pub const PPP: u16 = 179;
pub const FRELAY: u16 = 180;
pub const CHDLC: u16 = 181;
pub const VP: u16 = 183;
pub const ATM_CEMIC: u16 = 238;

const MAGIC: [u8; 3] = *b"MGC";
const NO_LINK_HEADER: u8 = 0x02;
const EXTENSIONS: u8 = 0x80;
/// First byte of the cookies of link services and adaptive services.
const LINK_SERVICE_COOKIE: u8 = 0x54;
const ADAPTIVE_SERVICE_COOKIE: u8 = 0x47;

/// Returns what follows the header.
pub fn next(link_type: u16, data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (header, mut rest) = data.split_first_chunk::<4>().ok_or(HeaderError::Truncated)?;
    if header[..3] != MAGIC {
        return Err(HeaderError::Malformed);
    }
    let flags = header[3];
    if flags & EXTENSIONS != 0 {
        let (length, extensions) = rest.split_first_chunk::<2>().ok_or(HeaderError::Truncated)?;
        rest = skip(extensions, be16(length, 0).into())?;
    }
    if flags & NO_LINK_HEADER != 0 {
        return Ok((NextHeader::Ip, skip(rest, 4)?)); // after the address family
    }
    match link_type {
        ETHER | PPPOE => Ok((NextHeader::Frame(ETHERNET), rest)),
        PPP => Ok((NextHeader::Ppp, rest)),
        FRELAY => Ok((NextHeader::Frame(FRAME_RELAY), rest)),
        CHDLC => Ok((NextHeader::Frame(CISCO_HDLC), rest)),
        PPPOE_ATM => {
            let (ethertype, rest) = rest.split_first_chunk::<2>().ok_or(HeaderError::Truncated)?;
            Ok((NextHeader::Ether(be16(ethertype, 0)), rest))
        }
        VP => Ok((NextHeader::Ip, skip(rest, 18)?)),
        MLPPP => ip_or(NextHeader::Ppp, after_cookie(rest, 2)?),
        MLFR | MFR => {
            let rest = after_cookie(rest, if link_type == MLFR { 2 } else { 4 })?;
            ip_or(NextHeader::Nlpid, rest)
        }
        ATM1 => Ok((NextHeader::Frame(ATM_RFC1483), after_cookie(rest, 4)?)),
        ATM2 | ATM_CEMIC => Ok((NextHeader::Frame(ATM_RFC1483), after_cookie(rest, 8)?)),
        _ => ip_or(NextHeader::Other, after_cookie(rest, 8)?), // GGSN, SERVICES, MONITOR
    }
}

fn after_cookie(rest: &[u8], bytes: usize) -> Result<&[u8], HeaderError> {
    let bytes = match *rest.first().ok_or(HeaderError::Truncated)? {
        LINK_SERVICE_COOKIE => bytes + 2,
        ADAPTIVE_SERVICE_COOKIE => 8,
        _ => bytes,
    };
    skip(rest, bytes)
}

/// Returns IP if the first byte is an IP header's, else `other`.
fn ip_or(other: NextHeader, rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    let is_ip = matches!(rest.first().ok_or(HeaderError::Truncated)?, 0x45..=0x4f | 0x60..=0x6f);
    Ok((if is_ip { NextHeader::Ip } else { other }, rest))
}
