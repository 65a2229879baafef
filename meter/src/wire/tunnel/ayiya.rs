//! AYIYA (Anything In Anything), of tunnel brokers. draft-massar-v6ops-ayiya-02 §3.

use crate::wire::ip_protocol::{IPV4, IPV6};

pub const PORT: u16 = 5072;
const HEADER_BYTES: usize = 8;
/// Offsets: identity length (a power of two) and type, signature length and method, authentication and operation.
const IDENTITY: usize = 0;
const SIGNATURE: usize = 1;
const OPERATION: usize = 2;
const NEXT_HEADER: usize = 3;
const FORWARD: u8 = 1;

/// Returns the IP packet, if this message carries one.
pub fn next(data: &[u8]) -> Option<&[u8]> {
    let header = data.first_chunk::<HEADER_BYTES>()?;
    if header[OPERATION] & 0x0f != FORWARD || !matches!(header[NEXT_HEADER], IPV4 | IPV6) {
        return None;
    }
    let identity_bytes = 1_usize << (header[IDENTITY] >> 4);
    let signature_bytes = usize::from(header[SIGNATURE] >> 4) * 4;
    let rest = data.get(HEADER_BYTES + identity_bytes + signature_bytes..)?;
    matches!(rest.first()? >> 4, 4 | 6).then_some(rest)
}
