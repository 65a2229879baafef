//! IPv6 and its extension headers. RFC 8200.

use super::ip_protocol::{
    AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HIP, HOP_BY_HOP, MOBILITY, ROUTING, SHIM6,
};
use super::walk::IpHeader;
use super::{Address, HeaderError, be16, be32};

const HEADER_BYTES: usize = 40;
const PAYLOAD_LENGTH: usize = 4;
const NEXT_HEADER: usize = 6;
const HOP_LIMIT: usize = 7;
const SOURCE: usize = 8;
const DESTINATION: usize = 24;

/// Offsets and flag of the fragment header, §4.5.
const FRAGMENT_OFFSET: usize = 2;
const MORE_FRAGMENTS: u16 = 1;
const IDENTIFICATION: usize = 4;

/// Parses an IPv6 header and its extension headers.
pub fn parse(data: &[u8]) -> Result<IpHeader<'_>, HeaderError> {
    let header = data.first_chunk::<HEADER_BYTES>().ok_or(HeaderError::Truncated)?;
    if header[0] >> 4 != 6 {
        return Err(HeaderError::Malformed);
    }
    let payload_length = be16(header, PAYLOAD_LENGTH);
    let mut ip = IpHeader {
        ip_version: 6,
        source: address(header, SOURCE),
        destination: address(header, DESTINATION),
        protocol: header[NEXT_HEADER],
        // 0: a jumbogram (RFC 2675), or captured before segmentation offload.
        ip_bytes: (payload_length != 0).then_some(u32::from(payload_length) + HEADER_BYTES as u32),
        header_bytes: 0,
        hops: header[HOP_LIMIT],
        bad_header: false,
        identification: 0,
        fragment_offset: 0,
        more_fragments: false,
        rest: &data[HEADER_BYTES..],
    };
    pass_extensions(&mut ip)?;
    ip.header_bytes = (data.len() - ip.rest.len()) as u32;
    Ok(ip)
}

/// Skips the extension headers; in a fragment only those before and including the fragment header.
pub fn pass_extensions(ip: &mut IpHeader<'_>) -> Result<(), HeaderError> {
    // Each turn consumes eight bytes or more, so the packet's length bounds the loop.
    while ip.fragment_offset == 0 && !ip.more_fragments {
        let length = || ip.rest.get(1).map(|&length| usize::from(length)).ok_or(HeaderError::Truncated);
        let bytes = match ip.protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | HIP | SHIM6 => (length()? + 1) * 8,
            AUTHENTICATION => (length()? + 2) * 4,
            FRAGMENT => 8,
            _ => break,
        };
        let (extension, rest) = ip.rest.split_at_checked(bytes).ok_or(HeaderError::Truncated)?;
        if ip.protocol == FRAGMENT {
            let offset = be16(extension, FRAGMENT_OFFSET);
            ip.fragment_offset = u32::from(offset & 0xfff8);
            ip.more_fragments = offset & MORE_FRAGMENTS != 0;
            ip.identification = be32(extension, IDENTIFICATION);
        }
        ip.protocol = extension[0];
        ip.rest = rest;
    }
    Ok(())
}

/// Returns next header and rest after an Authentication Header, which IPv4 also has. RFC 4302 §2.
pub fn after_authentication(data: &[u8]) -> Result<(u8, &[u8]), HeaderError> {
    let header = data.first_chunk::<2>().ok_or(HeaderError::Truncated)?;
    Ok((header[0], data.get((usize::from(header[1]) + 2) * 4..).ok_or(HeaderError::Truncated)?))
}

#[inline]
fn address(header: &[u8; HEADER_BYTES], at: usize) -> Address {
    Address::from_be_bytes(std::array::from_fn(|i| header[at + i]))
}
