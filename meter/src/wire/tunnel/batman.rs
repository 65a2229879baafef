//! B.A.T.M.A.N. advanced, version 15. Linux's `batadv_packet.h`.

use crate::wire::{HeaderError, Next, NextHeader, link, skip};

const PACKET_TYPE: usize = 0;
const VERSION: usize = 1;
const SUBTYPE: usize = 16;
const BROADCAST: u8 = 0x01;
const UNICAST: u8 = 0x40;
const UNICAST_4ADDR: u8 = 0x42;
/// Subtype of payload, as opposed to messages of the distributed ARP table.
const DATA: u8 = 1;

/// Returns the Ethernet frame, in packets that carry a whole one.
pub fn next(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    let header = rest.first_chunk::<2>().ok_or(HeaderError::Truncated)?;
    let bytes = match (header[VERSION], header[PACKET_TYPE]) {
        (15, BROADCAST) => 14,
        (15, UNICAST) => 10,
        (15, UNICAST_4ADDR) if *rest.get(SUBTYPE).ok_or(HeaderError::Truncated)? == DATA => 18,
        _ => return Ok((NextHeader::Other, rest)),
    };
    Ok((NextHeader::Link(link::ETHERNET), skip(rest, bytes)?))
}
