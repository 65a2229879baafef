//! Juniper packet mirroring (flow-tap): two ids, then the IP packet.

pub const PORT: u16 = 30030;
/// Bytes of mirror id and session id.
const HEADER_BYTES: usize = 8;

/// Returns the IP packet.
pub fn next(data: &[u8]) -> Option<&[u8]> {
    let rest = data.get(HEADER_BYTES..)?;
    matches!(rest.first()? >> 4, 4 | 6).then_some(rest)
}
