//! BSD pseudo-interfaces of packet filter and `IPsec`.

use super::of_family;
use crate::wire::{HeaderError, Next, NextHeader, skip};

/// `pflog`: header length, padded to a word, and address family.
pub fn log(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    const LENGTH: usize = 0;
    const FAMILY: usize = 1;
    const MIN_BYTES: usize = 28;
    let header = data.first_chunk::<2>().ok_or(HeaderError::Truncated)?;
    let length = usize::from(header[LENGTH]);
    if length < MIN_BYTES {
        return Err(HeaderError::Malformed);
    }
    let rest = skip(data, length.next_multiple_of(4))?;
    Ok((of_family(header[FAMILY].into()), rest))
}

/// `enc`: address family in host order, security parameters index, flags, then the decrypted packet.
pub fn encapsulation(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (header, rest) = data.split_first_chunk::<12>().ok_or(HeaderError::Truncated)?;
    let family = [header[0], header[1], header[2], header[3]];
    let family = u32::from_be_bytes(family).min(u32::from_le_bytes(family));
    Ok(match of_family(family) {
        NextHeader::Other => (NextHeader::Ip, rest),
        next_header => (next_header, rest),
    })
}
