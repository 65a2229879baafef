//! Teredo, IPv6 over UDP through NAT. RFC 4380 §5.1.1.

pub const PORT: u16 = 3544;
const AUTHENTICATION: [u8; 2] = [0, 1];
const ORIGIN: [u8; 2] = [0, 0];
const ORIGIN_BYTES: usize = 8;
/// Fixed bytes of the authentication header, besides client id and authentication value (lengths at 2 and 3).
const AUTHENTICATION_BYTES: usize = 13;

/// Returns the IPv6 packet, if there is one.
pub fn next(mut data: &[u8]) -> Option<&[u8]> {
    if data.starts_with(&AUTHENTICATION) {
        data = data.get(AUTHENTICATION_BYTES + usize::from(*data.get(2)?) + usize::from(*data.get(3)?)..)?;
    }
    if data.starts_with(&ORIGIN) {
        data = data.get(ORIGIN_BYTES..)?;
    }
    (data.first()? >> 4 == 6).then_some(data)
}
