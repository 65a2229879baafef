//! PPP and its carriers. RFC 1661, RFC 1662 (HDLC), RFC 1990 (multilink), RFC 3518 (bridging), RFC 2516 (PPPoE).

use super::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, HeaderError, Next, NextHeader, be16, ethertype, link, skip};

const MULTILINK: u16 = 0x003d;
const BRIDGING: u16 = 0x0031;
/// Protocols without readable IP: padding, OSI, `DECnet`, `AppleTalk`, IPX, Van Jacobson and other header compression.
const WITHOUT_IP: [u16; 14] = [
    0x0001, 0x0023, 0x0027, 0x0029, 0x002b, 0x002d, 0x002f, 0x0035, 0x0061, 0x0065, 0x0067, 0x004d, 0x0205,
    0x0207,
];
const ADDRESS_CONTROL: [u8; 2] = [0xff, 0x03];
const PPPOE_BYTES: usize = 6;
const PPPOE_VERSION_TYPE: usize = 0;
const PPPOE_CODE: usize = 1;

/// Returns what follows the protocol field; address and control may precede it.
pub fn next(mut data: &[u8]) -> Result<Next<'_>, HeaderError> {
    if data.starts_with(&ADDRESS_CONTROL) {
        data = &data[2..];
    } else if data == &ADDRESS_CONTROL[..1] {
        return Err(HeaderError::Truncated);
    }
    // The field may be compressed to one byte, which is odd. RFC 1661 §6.5.
    let first = *data.first().ok_or(HeaderError::Truncated)?;
    let (protocol, rest) = if first & 1 == 1 {
        (u16::from(first), &data[1..])
    } else {
        let (protocol, rest) = data.split_first_chunk::<2>().ok_or(HeaderError::Truncated)?;
        (be16(protocol, 0), rest)
    };
    let ethertype = match protocol {
        0x0021 => ETHERTYPE_IPV4,
        0x0057 => ETHERTYPE_IPV6,
        0x0281 => ethertype::MPLS,
        // Encryption (RFC 1968); compression, in practice MPPE (RFC 3078).
        0x0053 | 0x00fd => return Ok((NextHeader::Encrypted, rest)),
        MULTILINK => return after_multilink(rest),
        BRIDGING => return after_bridging(rest),
        // A network layer protocol; control protocols have higher numbers.
        number if number < 0x4000 && !WITHOUT_IP.contains(&number) => {
            return Ok((NextHeader::UnknownPpp(number), rest));
        }
        _ => return Ok((NextHeader::Other, rest)),
    };
    Ok((NextHeader::Ether(ethertype), rest))
}

/// Returns the frame of an unsplit packet. Four bytes of flags and sequence number; negotiated short ones are not read.
fn after_multilink(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    const WHOLE: u8 = 0xc0;
    let flags = *rest.first().ok_or(HeaderError::Truncated)?;
    if flags & WHOLE == WHOLE { Ok((NextHeader::Ppp, skip(rest, 4)?)) } else { Ok((NextHeader::Other, rest)) }
}

/// Returns the bridged Ethernet frame after flags and MAC type.
fn after_bridging(rest: &[u8]) -> Result<Next<'_>, HeaderError> {
    const KIND: usize = 1;
    const ETHERNET: u8 = 1;
    let header = rest.first_chunk::<2>().ok_or(HeaderError::Truncated)?;
    Ok(if header[KIND] == ETHERNET {
        (NextHeader::Link(link::ETHERNET), &rest[2..])
    } else {
        (NextHeader::Other, rest)
    })
}

/// Returns the PPP frame in a PPPoE session packet; discovery packets have none.
pub fn after_pppoe(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (header, rest) = data.split_first_chunk::<PPPOE_BYTES>().ok_or(HeaderError::Truncated)?;
    if header[PPPOE_VERSION_TYPE] != 0x11 {
        return Err(HeaderError::Malformed);
    }
    Ok((if header[PPPOE_CODE] == 0 { NextHeader::Ppp } else { NextHeader::Other }, rest))
}
