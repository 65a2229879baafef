//! LISP, data packets. RFC 9300 §5.3.

pub const PORT: u16 = 4341;
const HEADER_BYTES: usize = 8;

/// Returns the IP packet.
pub fn next(data: &[u8]) -> Option<&[u8]> {
    let rest = data.get(HEADER_BYTES..)?;
    matches!(rest.first()? >> 4, 4 | 6).then_some(rest)
}
