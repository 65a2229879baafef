//! Switch tags between the addresses of a frame and its EtherType.
//!
//! Each has an EtherType of its own, some bytes, and the EtherType of what follows.

use super::ethertype::{
    A5PSW_TAG, ARISTA, ARP, BROADCOM_TAG, CISCO_METADATA, CN_TAG, E_TAG, HSR, IPV4, IPV6, MARVELL_EDSA, MPLS,
    PPPOE_SESSION, R_TAG, REALTEK_TAG, TTAG, VLAN, VN_TAG,
};
use super::{HeaderError, Next, NextHeader, be16, skip};

/// Returns what follows the tag with this EtherType; `None` if it is no tag.
pub fn next(ethertype: u16, rest: &[u8]) -> Option<Result<Next<'_>, HeaderError>> {
    Some(match ethertype {
        CN_TAG => typed(rest, 2),
        VN_TAG | HSR | R_TAG => typed(rest, 4),
        E_TAG => typed(rest, 6),
        CISCO_METADATA => cisco_metadata(rest),
        ARISTA => arista(rest),
        // Unregistered numbers, possibly used by other protocols.
        BROADCOM_TAG => return common(rest, 4),
        TTAG | MARVELL_EDSA | A5PSW_TAG => return common(rest, 6),
        REALTEK_TAG => return realtek(rest),
        _ => return None,
    })
}

/// Returns what follows the EtherType at offset `bytes`.
fn typed(rest: &[u8], bytes: usize) -> Result<Next<'_>, HeaderError> {
    let (ethertype, rest) = skip(rest, bytes)?.split_first_chunk::<2>().ok_or(HeaderError::Truncated)?;
    Ok((NextHeader::Ether(be16(ethertype, 0)), rest))
}

/// Returns the same, if that EtherType is a common one, or cut off.
fn common(rest: &[u8], bytes: usize) -> Option<Result<Next<'_>, HeaderError>> {
    let next = typed(rest, bytes);
    let is_common = match next {
        Ok((NextHeader::Ether(ethertype), _)) => {
            matches!(ethertype, IPV4 | IPV6 | ARP | MPLS | PPPOE_SESSION) || VLAN.contains(&ethertype)
        }
        _ => true,
    };
    is_common.then_some(next)
}

/// Version, length, and options of four bytes each, mostly a security group tag.
fn cisco_metadata(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    const LENGTH: usize = 1;
    let header = rest.first_chunk::<2>().ok_or(HeaderError::Truncated)?;
    typed(rest, 2 + 4 * usize::from(header[LENGTH]))
}

/// Subtype, version, and a timestamp of the version's length.
fn arista(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    const SUBTYPE: usize = 0;
    const FORMAT: usize = 3;
    const TIMESTAMP: u16 = 1;
    let header = rest.first_chunk::<4>().ok_or(HeaderError::Truncated)?;
    match (be16(header, SUBTYPE), header[FORMAT] >> 4) {
        (TIMESTAMP, 1) => typed(rest, 4 + 8),
        (TIMESTAMP, 2) => typed(rest, 4 + 6),
        _ => Ok((NextHeader::Other, rest)),
    }
}

/// The protocol number identifies the switch chip.
fn realtek(rest: &[u8]) -> Option<Result<Next<'_>, HeaderError>> {
    const RTL8365: u8 = 0x04;
    const RTL8366: u8 = 0xa0;
    match rest.first() {
        None => Some(Err(HeaderError::Truncated)),
        Some(&RTL8365) => common(rest, 6),
        Some(protocol) if protocol & 0xf0 == RTL8366 => common(rest, 2),
        _ => Some(Ok((NextHeader::Other, rest))),
    }
}
