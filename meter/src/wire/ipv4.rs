//! IPv4. RFC 791 §3.1.

use super::{Address, HeaderError, be16, be32};

const HEADER_BYTES: usize = 20;
const VERSION_IHL: usize = 0;
const TOTAL_LENGTH: usize = 2;
const IDENTIFICATION: usize = 4;
const FLAGS_FRAGMENT_OFFSET: usize = 6;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;
const TIME_TO_LIVE: usize = 8;
const PROTOCOL: usize = 9;
const SOURCE: usize = 12;
const DESTINATION: usize = 16;

/// Parses an IPv4 header.
#[inline]
pub fn parse(data: &[u8]) -> Result<super::walk::IpHeader<'_>, HeaderError> {
    let header = data.first_chunk::<HEADER_BYTES>().ok_or(HeaderError::Truncated)?;
    let header_bytes = usize::from(header[VERSION_IHL] & 0x0f) * 4;
    if header[VERSION_IHL] >> 4 != 4 || header_bytes < HEADER_BYTES {
        return Err(HeaderError::Malformed);
    }
    let total_length = be16(header, TOTAL_LENGTH);
    if total_length != 0 && usize::from(total_length) < header_bytes {
        return Err(HeaderError::Malformed);
    }
    let fragment = be16(header, FLAGS_FRAGMENT_OFFSET);
    Ok(super::walk::IpHeader {
        ip_version: 4,
        source: mapped(header, SOURCE),
        destination: mapped(header, DESTINATION),
        protocol: header[PROTOCOL],
        // 0: captured before segmentation offload filled in the length.
        ip_bytes: (total_length != 0).then_some(total_length.into()),
        header_bytes: header_bytes as u32,
        hops: header[TIME_TO_LIVE],
        bad_header: false,
        identification: be16(header, IDENTIFICATION).into(),
        fragment_offset: u32::from(fragment & FRAGMENT_OFFSET) * 8,
        more_fragments: fragment & MORE_FRAGMENTS != 0,
        rest: data.get(header_bytes..).ok_or(HeaderError::Truncated)?,
    })
}

/// Returns the address at `at`, IPv4-mapped.
#[inline]
fn mapped(header: &[u8; HEADER_BYTES], at: usize) -> Address {
    0xffff_0000_0000 | Address::from(be32(header, at))
}
