//! PPP and what carries it. RFC 1661, RFC 1662 (HDLC framing), RFC 2516 (PPPoE).

use super::{Behind, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Flaw, Next, be16};

const ADDRESS_CONTROL: [u8; 2] = [0xff, 0x03];
const PPPOE_BYTES: usize = 6;
const PPPOE_VERSION_TYPE: usize = 0;
const PPPOE_CODE: usize = 1;

/// What the protocol field leads to; address and control may stand before it.
pub fn next(mut data: &[u8]) -> Result<Next<'_>, Flaw> {
    if data.starts_with(&ADDRESS_CONTROL) {
        data = &data[2..];
    } else if data == &ADDRESS_CONTROL[..1] {
        return Err(Flaw::Short);
    }
    // The field may be compressed to one byte, which then is odd. RFC 1661 §6.5.
    let first = *data.first().ok_or(Flaw::Short)?;
    let (protocol, rest) = if first & 1 == 1 {
        (u16::from(first), &data[1..])
    } else {
        let (protocol, rest) = data.split_first_chunk::<2>().ok_or(Flaw::Short)?;
        (be16(protocol, 0), rest)
    };
    let ethertype = match protocol {
        0x0021 => ETHERTYPE_IPV4,
        0x0057 => ETHERTYPE_IPV6,
        0x0281 => 0x8847, // MPLS
        // Encryption (RFC 1968), and what is MPPE (RFC 3078) far more often than compression.
        0x0053 | 0x00fd => return Ok((Behind::Encrypted, rest)),
        _ => return Ok((Behind::Other, rest)),
    };
    Ok((Behind::Ether(ethertype), rest))
}

/// The PPP frame in a PPPoE session packet; in one of discovery there is none.
pub fn behind_pppoe(data: &[u8]) -> Result<Next<'_>, Flaw> {
    let (header, rest) = data.split_first_chunk::<PPPOE_BYTES>().ok_or(Flaw::Short)?;
    if header[PPPOE_VERSION_TYPE] != 0x11 {
        return Err(Flaw::Damaged);
    }
    Ok((if header[PPPOE_CODE] == 0 { Behind::Ppp } else { Behind::Other }, rest))
}
