//! PIM Register messages: a multicast packet on its way to the rendezvous point. RFC 7761 §4.9.3.

use crate::wire::{HeaderError, Next, NextHeader};

const HEADER_BYTES: usize = 8;
/// Version 2, type 1.
const REGISTER: u8 = 0x21;
/// The packet is a probe of only an IP header.
const NULL_REGISTER: u8 = 0x40;

/// Returns the IP packet, if this is a Register message.
pub fn next(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (header, rest) = rest.split_first_chunk::<HEADER_BYTES>().ok_or(HeaderError::Truncated)?;
    let carries = header[0] == REGISTER && header[4] & NULL_REGISTER == 0;
    Ok((if carries { NextHeader::Ip } else { NextHeader::Other }, rest))
}
