//! ATM's ways to carry packets. RFC 2684, RFC 2225.

use super::ETHERNET;
use crate::wire::{Behind, Flaw, Next, behind};

/// LLC, with the header of an NLPID, or nothing before the packet.
pub fn rfc1483(data: &[u8]) -> Result<Next<'_>, Flaw> {
    let llc = data.first_chunk::<3>().ok_or(Flaw::Short)?;
    Ok(match *llc {
        [0xfe, 0xfe, 0x03] => (Behind::Nlpid, &data[3..]),
        [0x03, ..] => (Behind::Nlpid, &data[1..]),
        [0x45..=0x4f | 0x60..=0x6f, ..] => (Behind::Ip, data),
        [0x00, 0x21 | 0x57, _] | [0xff, 0x03, _] => (Behind::Ppp, data),
        _ => (Behind::Llc, data), // mostly SNAP
    })
}

/// `SunATM`: flags with the kind of traffic, path, circuit.
pub fn sun(data: &[u8]) -> Result<Next<'_>, Flaw> {
    const KIND: u8 = 0x0f;
    const LANE: u8 = 1;
    const LLC: u8 = 2;
    let (header, rest) = data.split_first_chunk::<4>().ok_or(Flaw::Short)?;
    match header[0] & KIND {
        LANE => Ok((Behind::Frame(ETHERNET), behind(rest, 2)?)), // behind the client's id
        LLC => rfc1483(rest),
        _ => Ok((Behind::Other, rest)),
    }
}
