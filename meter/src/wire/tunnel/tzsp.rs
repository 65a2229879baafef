//! `TaZmen` Sniffer Protocol, with which `MikroTik` routers and sensors stream frames.
//! <https://en.wikipedia.org/wiki/TZSP>

use crate::wire::{HeaderError, Next, NextHeader, be16, link, skip};

pub const PORT: u16 = 37008;
const HEADER_BYTES: usize = 4;
const VERSION: usize = 0;
const TYPE: usize = 1;
const ENCAPSULATION: usize = 2;
/// Packet types: received by the sensor, transmitted by it.
const RECEIVED: u8 = 0;
const TRANSMITTED: u8 = 1;
/// Tagged fields without a length.
const PADDING: u8 = 0;
const END: u8 = 1;

/// Returns the frame, if this message carries one.
pub fn next(data: &[u8]) -> Result<Next<'_>, HeaderError> {
    let (header, mut rest) = data.split_first_chunk::<HEADER_BYTES>().ok_or(HeaderError::Truncated)?;
    if header[VERSION] != 1 || !matches!(header[TYPE], RECEIVED | TRANSMITTED) {
        return Err(HeaderError::Malformed);
    }
    let link_type = match be16(header, ENCAPSULATION) {
        0x01 => link::ETHERNET,
        0x12 => link::IEEE802_11,
        0x77 => link::IEEE802_11_PRISM,
        0x7f => link::IEEE802_11_AVS,
        _ => return Err(HeaderError::Malformed),
    };
    loop {
        let (&tag, field) = rest.split_first().ok_or(HeaderError::Truncated)?;
        rest = match tag {
            PADDING => field,
            END => return Ok((NextHeader::Link(link_type), field)),
            _ => skip(field, 1 + usize::from(*field.first().ok_or(HeaderError::Truncated)?))?,
        };
    }
}
