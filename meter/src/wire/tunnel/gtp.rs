//! GTP-U, the user plane of mobile networks. 3GPP TS 29.281 §5.

pub const PORT: u16 = 2152;
const HEADER_BYTES: usize = 8;
const FLAGS: usize = 0;
const MESSAGE_TYPE: usize = 1;
const G_PDU: u8 = 255;
/// Version 1, protocol type GTP.
const VERSION_1: u8 = 0x30;
const VERSION_MASK: u8 = 0xf0;
const EXTENSION_FOLLOWS: u8 = 0x04;
const ANY_OPTIONAL: u8 = 0x07;
const OPTIONAL_BYTES: usize = 4;

/// Returns the user packet, if this message carries one.
pub fn next(data: &[u8]) -> Option<&[u8]> {
    let (header, mut rest) = data.split_first_chunk::<HEADER_BYTES>()?;
    if header[FLAGS] & VERSION_MASK != VERSION_1 || header[MESSAGE_TYPE] != G_PDU {
        return None;
    }
    if header[FLAGS] & ANY_OPTIONAL != 0 {
        let (optional, inner) = rest.split_first_chunk::<OPTIONAL_BYTES>()?;
        rest = inner;
        let mut extension = if header[FLAGS] & EXTENSION_FOLLOWS != 0 { optional[3] } else { 0 };
        while extension != 0 {
            let bytes = usize::from(*rest.first()?) * 4;
            extension = *rest.get(bytes.checked_sub(1)?)?; // length 0: an endless loop
            rest = rest.get(bytes..)?;
        }
    }
    Some(rest)
}
