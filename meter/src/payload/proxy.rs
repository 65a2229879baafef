//! The header that a proxy sends before its client's data; it describes the original connection. The PROXY protocol,
//! versions 1 and 2, §2.

/// Version 1: maximum length of the line, in bytes.
const MAX_LINE_BYTES: usize = 107;
/// Version 2: bytes of the signature, version and command, families, and the length of the rest.
const FIXED_BYTES: usize = 16;
const LENGTH_AT: usize = 14;

/// Returns the length of the header that a payload begins with; `None` if there is none, or if it isn't complete.
pub fn header_bytes(payload: &[u8]) -> Option<usize> {
    if payload.starts_with(b"PROXY ") {
        let line = &payload[..payload.len().min(MAX_LINE_BYTES)];
        return line.windows(2).position(|two| two == b"\r\n").map(|at| at + 2);
    }
    let length = payload.get(..FIXED_BYTES)?.last_chunk::<{ FIXED_BYTES - LENGTH_AT }>()?;
    Some(FIXED_BYTES + usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_its_line_break() {
        assert_eq!(header_bytes(b"PROXY TCP4 10.0.0.1 10.0.0.2 5 6\r\nGET /"), Some(34));
        assert_eq!(header_bytes(b"PROXY UNKNOWN\r\n"), Some(15));
        assert_eq!(header_bytes(b"PROXY TCP4 10.0.0.1"), None);
        assert_eq!(header_bytes(&[b"PROXY ".as_slice(), &[b'x'; 200], b"\r\n"].concat()), None);
    }

    #[test]
    fn a_binary_header_states_its_length() {
        let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
        assert_eq!(header_bytes(header), Some(28));
        assert_eq!(header_bytes(&header[..15]), None);
    }
}
