//! ERSPAN, mirrored frames of a switch in GRE. draft-foschiano-erspan-03 §4.

use crate::wire::{HeaderError, skip};

const TYPE_2_BYTES: usize = 8;
const TYPE_3_BYTES: usize = 12;
/// Flag in the last byte of the type III header: a platform-specific subheader follows.
const SUBHEADER_PRESENT: u8 = 0x01;
const SUBHEADER_BYTES: usize = 8;

/// Skips the type II header; type I has no header and no GRE sequence number.
pub fn after_type_1_or_2(rest: &[u8], sequence: bool) -> Result<&[u8], HeaderError> {
    if sequence { skip(rest, TYPE_2_BYTES) } else { Ok(rest) }
}

pub fn after_type_3(rest: &[u8]) -> Result<&[u8], HeaderError> {
    let (header, inner) = rest.split_first_chunk::<TYPE_3_BYTES>().ok_or(HeaderError::Truncated)?;
    if header[TYPE_3_BYTES - 1] & SUBHEADER_PRESENT != 0 { skip(inner, SUBHEADER_BYTES) } else { Ok(inner) }
}
