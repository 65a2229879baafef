//! IPv6 and its extension headers. RFC 8200.

use super::walk::IpHeader;
use super::{Address, HeaderError, be16, be32};

const HEADER_BYTES: usize = 40;
const PAYLOAD_LENGTH: usize = 4;
const NEXT_HEADER: usize = 6;
const HOP_LIMIT: usize = 7;
const SOURCE: usize = 8;
const DESTINATION: usize = 24;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

/// Fragment header, §4.5.
const FRAGMENT_OFFSET: usize = 2;
const MORE_FRAGMENTS: u16 = 1;
const IDENTIFICATION: usize = 4;

/// What an IPv6 header leads to, through its extension headers.
pub fn internet(data: &[u8]) -> Result<IpHeader<'_>, HeaderError> {
    let header = data.first_chunk::<HEADER_BYTES>().ok_or(HeaderError::Truncated)?;
    if header[0] >> 4 != 6 {
        return Err(HeaderError::Malformed);
    }
    let payload_length = be16(header, PAYLOAD_LENGTH);
    let mut internet = IpHeader {
        ip_version: 6,
        source: address(header, SOURCE),
        destination: address(header, DESTINATION),
        protocol: header[NEXT_HEADER],
        // Zero: a jumbogram (RFC 2675), or left to segmentation offload.
        ip_bytes: (payload_length != 0).then_some(u32::from(payload_length) + HEADER_BYTES as u32),
        header_bytes: 0,
        hops: header[HOP_LIMIT],
        bad_header: false,
        identification: 0,
        fragment_offset: 0,
        more_fragments: false,
        rest: &data[HEADER_BYTES..],
    };
    pass_extensions(&mut internet)?;
    internet.header_bytes = (data.len() - internet.rest.len()) as u32;
    Ok(internet)
}

/// Goes on behind the extension headers; of a fragment only as far as all fragments have them in common.
pub fn pass_extensions(internet: &mut IpHeader<'_>) -> Result<(), HeaderError> {
    // Each turn takes eight bytes or more, so the packet's length bounds the loop.
    while internet.fragment_offset == 0 && !internet.more_fragments {
        let length = || internet.rest.get(1).map(|&length| usize::from(length)).ok_or(HeaderError::Truncated);
        let bytes = match internet.protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | HIP | SHIM6 => (length()? + 1) * 8,
            AUTHENTICATION => (length()? + 2) * 4,
            FRAGMENT => 8,
            _ => break,
        };
        let (extension, behind) = internet.rest.split_at_checked(bytes).ok_or(HeaderError::Truncated)?;
        if internet.protocol == FRAGMENT {
            let offset = be16(extension, FRAGMENT_OFFSET);
            internet.fragment_offset = u32::from(offset & 0xfff8);
            internet.more_fragments = offset & MORE_FRAGMENTS != 0;
            internet.identification = be32(extension, IDENTIFICATION);
        }
        internet.protocol = extension[0];
        internet.rest = behind;
    }
    Ok(())
}

/// Next header and what follows an Authentication Header, which IPv4 has as well. RFC 4302 §2.
pub fn behind_authentication(data: &[u8]) -> Result<(u8, &[u8]), HeaderError> {
    let header = data.first_chunk::<2>().ok_or(HeaderError::Truncated)?;
    Ok((header[0], data.get((usize::from(header[1]) + 2) * 4..).ok_or(HeaderError::Truncated)?))
}

#[inline]
fn address(header: &[u8; HEADER_BYTES], at: usize) -> Address {
    Address::from_be_bytes(std::array::from_fn(|i| header[at + i]))
}
