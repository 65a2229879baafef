//! Tags of the Linux Distributed Switch Architecture (DSA), within the Ethernet header.

use crate::wire::{HeaderError, Next, NextHeader, be16, ethernet, skip};

pub const BROADCOM: u16 = 281;
pub const BROADCOM_PREPENDED: u16 = 282;
pub const MARVELL: u16 = 284;
pub const MARVELL_ETHERTYPE: u16 = 285;

const ADDRESSES_BYTES: usize = 12;

/// Returns what follows the header.
pub fn next(link_type: u16, data: &[u8]) -> Result<Next<'_>, HeaderError> {
    match link_type {
        BROADCOM_PREPENDED => ethernet::next(skip(data, 4)?),
        MARVELL_ETHERTYPE => after_tag(data, 8),
        _ => after_tag(data, 4), // BROADCOM, MARVELL
    }
}

/// Returns what follows addresses, tag, and EtherType.
fn after_tag(data: &[u8], tag_bytes: usize) -> Result<Next<'_>, HeaderError> {
    let rest = skip(data, ADDRESSES_BYTES + tag_bytes)?;
    let (ethertype, rest) = rest.split_first_chunk::<2>().ok_or(HeaderError::Truncated)?;
    Ok((NextHeader::Ether(be16(ethertype, 0)), rest))
}
