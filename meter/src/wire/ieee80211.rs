//! Wi-Fi data frames and the headers of monitor mode. IEEE 802.11 §9.

use super::{HeaderError, Next, NextHeader, be16, be32, le16, skip};

const FRAME_CONTROL: usize = 0;
const VERSION: u8 = 0x03;
const TYPE_DATA: u8 = 0x08;
const TYPE_MASK: u8 = 0x0c;
const SUBTYPE_NO_DATA: u8 = 0x40;
const SUBTYPE_QOS: u8 = 0x80;
/// Flags in the second byte of the frame control field.
const TO_DS_FROM_DS: u8 = 0x03;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
const HEADER_BYTES: usize = 24;
const ADDRESS_BYTES: usize = 6;
/// A-MSDU flag in the first byte of the QoS control field.
const AGGREGATE: u8 = 0x80;

/// Body of an 802.11 frame.
pub enum Body<'a> {
    /// At most one packet.
    One(Next<'a>),
    /// An A-MSDU. IEEE 802.11 §9.3.2.2.
    Aggregate(&'a [u8]),
}

/// Returns the body of an 802.11 frame.
pub fn next(data: &[u8], padded: bool) -> Result<Body<'_>, HeaderError> {
    let control = data.first_chunk::<2>().ok_or(HeaderError::Truncated)?;
    let (mut kind, mut flags) = (control[FRAME_CONTROL], control[1]);
    // The version is 0; some access points swap the two bytes in frames tunnelled to their controller.
    if kind & VERSION != 0 {
        (kind, flags) = (flags, kind);
    }
    if kind & TYPE_MASK != TYPE_DATA || kind & SUBTYPE_NO_DATA != 0 {
        return Ok(Body::One((NextHeader::Other, data)));
    }
    if flags & PROTECTED != 0 {
        return Ok(Body::One((NextHeader::Encrypted, data)));
    }
    let mut header = HEADER_BYTES;
    if flags & TO_DS_FROM_DS == TO_DS_FROM_DS {
        header += ADDRESS_BYTES;
    }
    let mut is_aggregate = false;
    if kind & SUBTYPE_QOS != 0 {
        is_aggregate = data.get(header).ok_or(HeaderError::Truncated)? & AGGREGATE != 0;
        header += 2;
        if flags & ORDER != 0 {
            header += 4; // HT control
        }
    }
    if padded {
        header = header.next_multiple_of(4);
    }
    let body = skip(data, header)?;
    Ok(if is_aggregate { Body::Aggregate(body) } else { Body::One((NextHeader::Llc, body)) })
}

/// Returns length and bytes of the first subframe of an A-MSDU, and the remaining subframes.
pub fn first_subframe(data: &[u8]) -> Result<(u32, &[u8], &[u8]), HeaderError> {
    const HEADER_BYTES: usize = 14;
    const LENGTH: usize = 12;
    let (header, rest) = data.split_first_chunk::<HEADER_BYTES>().ok_or(HeaderError::Truncated)?;
    let length = usize::from(be16(header, LENGTH));
    let next = (HEADER_BYTES + length).next_multiple_of(4);
    Ok((length as u32, &rest[..rest.len().min(length)], data.get(next..).unwrap_or_default()))
}

/// Returns the frame after a radiotap header, and whether its 802.11 header is padded to four bytes.
/// <https://www.radiotap.org>
pub fn after_radiotap(data: &[u8]) -> Result<(&[u8], bool), HeaderError> {
    const PRESENT: usize = 4;
    const HAS_TSFT: u32 = 1;
    const HAS_FLAGS: u32 = 1 << 1;
    const MORE_PRESENT: u32 = 1 << 31;
    const FLAG_PADDED: u8 = 0x20;
    let header = data.first_chunk::<8>().ok_or(HeaderError::Truncated)?;
    let frame = skip(data, le16(header, 2).into())?;
    let present = be32(header, PRESENT).swap_bytes();
    if present & HAS_FLAGS == 0 {
        return Ok((frame, false));
    }
    let mut field = 8;
    let mut word = present;
    while word & MORE_PRESENT != 0 {
        word = be32(data.get(field..field + 4).ok_or(HeaderError::Truncated)?, 0).swap_bytes();
        field += 4;
    }
    if present & HAS_TSFT != 0 {
        field = field.next_multiple_of(8) + 8;
    }
    Ok((frame, data.get(field).ok_or(HeaderError::Truncated)? & FLAG_PADDED != 0))
}

/// Returns the frame after a Prism header, or after an AVS header of the same link type.
pub fn after_prism(data: &[u8]) -> Result<&[u8], HeaderError> {
    const PRISM_BYTES: usize = 144;
    const AVS_VERSION: u32 = 0x8021_1000;
    let header = data.first_chunk::<4>().ok_or(HeaderError::Truncated)?;
    if be32(header, 0) & 0xffff_f000 == AVS_VERSION { after_avs(data) } else { skip(data, PRISM_BYTES) }
}

/// Returns the frame after an AVS header.
pub fn after_avs(data: &[u8]) -> Result<&[u8], HeaderError> {
    let header = data.first_chunk::<8>().ok_or(HeaderError::Truncated)?;
    skip(data, be32(header, 4) as usize)
}

/// Returns link type and frame after a PPI header. CACE "Per-Packet Information Header Specification" §3.1.
pub fn after_ppi(data: &[u8]) -> Result<(u16, &[u8]), HeaderError> {
    let header = data.first_chunk::<8>().ok_or(HeaderError::Truncated)?;
    Ok((le16(header, 4), skip(data, le16(header, 2).into())?))
}
