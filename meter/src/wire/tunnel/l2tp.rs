//! L2TP version 2, data messages. RFC 2661 §3.1.

use crate::wire::be16;

pub const PORT: u16 = 1701;
const FLAGS: usize = 0;
const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const VERSION: u16 = 0x000f;

/// Returns the PPP frame, if this is a data message.
pub fn next(data: &[u8]) -> Option<&[u8]> {
    let flags = be16(data.first_chunk::<2>()?, FLAGS);
    if flags & CONTROL != 0 || flags & VERSION != 2 {
        return None;
    }
    let length = if flags & LENGTH != 0 { 2 } else { 0 };
    let sequence = if flags & SEQUENCE != 0 { 4 } else { 0 };
    let header = 2 + length + 4 + sequence; // flags, length, tunnel and session id, sequence
    if flags & OFFSET == 0 {
        return data.get(header..);
    }
    let (offset, rest) = data.get(header..)?.split_first_chunk::<2>()?;
    rest.get(be16(offset, 0).into()..)
}
