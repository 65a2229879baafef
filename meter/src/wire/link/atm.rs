//! Packets over ATM. RFC 2684, RFC 2225.

use super::ETHERNET;
use crate::wire::{HeaderError, Next, NextHeader, skip};

/// Returns what follows LLC, an NLPID, or no header at all.
pub fn rfc1483(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let llc = data.first_chunk::<3>().ok_or(HeaderError::Truncated)?;
    Ok(match *llc {
        [0xfe, 0xfe, 0x03] => (NextHeader::Nlpid, &data[3..]),
        [0x03, ..] => (NextHeader::Nlpid, &data[1..]),
        [0x45..=0x4f | 0x60..=0x6f, ..] => (NextHeader::Ip, data),
        [0x00, 0x21 | 0x57, _] | [0xff, 0x03, _] => (NextHeader::Ppp, data),
        _ => (NextHeader::Llc, data), // mostly SNAP
    })
}

/// `SunATM`: flags with the traffic type, virtual path, virtual circuit.
pub fn sun(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    const KIND: u8 = 0x0f;
    const LANE: u8 = 1;
    const LLC: u8 = 2;
    let (header, rest) = data.split_first_chunk::<4>().ok_or(HeaderError::Truncated)?;
    match header[0] & KIND {
        LANE => Ok((NextHeader::Frame(ETHERNET), skip(rest, 2)?)), // after the LAN emulation client id
        LLC => rfc1483(rest),
        _ => Ok((NextHeader::Other, rest)),
    }
}
