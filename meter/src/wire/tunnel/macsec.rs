//! MACsec without encryption: integrity only. IEEE 802.1AE §9.

use crate::wire::{HeaderError, Next, NextHeader, be16, skip};

const TCI: usize = 0;
const SHORT_LENGTH: usize = 1;
const TAG_BYTES: usize = 6;
const CHANNEL_ID_BYTES: usize = 8;
const CHANNEL_ID_PRESENT: u8 = 0x20;
const ENCRYPTED_OR_CHANGED: u8 = 0x0c;

/// Returns what follows the security tag: the original EtherType and its data, then the integrity check value.
pub fn next(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    let tag = rest.first_chunk::<TAG_BYTES>().ok_or(HeaderError::Truncated)?;
    if tag[TCI] & ENCRYPTED_OR_CHANGED != 0 {
        return Ok((NextHeader::Encrypted, &[]));
    }
    let channel_id = if tag[TCI] & CHANNEL_ID_PRESENT != 0 { CHANNEL_ID_BYTES } else { 0 };
    let data = skip(rest, TAG_BYTES + channel_id)?;
    // Short frames have their length in the tag; others end before the integrity check value.
    let data = match usize::from(tag[SHORT_LENGTH] & 0x3f) {
        0 => data,
        length => &data[..data.len().min(length)],
    };
    let (ethertype, data) = data.split_first_chunk::<2>().ok_or(HeaderError::Truncated)?;
    Ok((NextHeader::Ether(be16(ethertype, 0)), data))
}
