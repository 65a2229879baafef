//! Decompresses gzip, zstd and lz4, recognised by content: file names may be wrong, and standard input has none.

mod gzip;
mod lz4;
mod zstd;

use super::error::{CaptureError, CaptureErrorKind};
use super::input::Input;

/// RFC 1952 §2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// RFC 8878 §3.1.1.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// LZ4 Frame Format Description, "General Structure of LZ4 Frame format".
const LZ4: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Magic number of skippable frames, tool metadata in zstd and lz4 files: `5x 2a 4d 18`. RFC 8878 §3.1.2.
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
const SKIPPABLE_HEADER_BYTES: usize = 8;

/// Returns the compression that the first bytes of a stream show.
fn recognise(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(&GZIP) {
        Some("gzip")
    } else if start.starts_with(&ZSTD) {
        Some("zstd")
    } else if start.starts_with(&LZ4) {
        Some("lz4")
    } else {
        None
    }
}

/// Returns the input, decompressed if it is compressed.
pub(super) fn decompress(mut input: Input) -> Result<Input, CaptureError> {
    let skipped = skip_skippable(&mut input)?;
    let Some(compression) = recognise(input.fill(ZSTD.len())) else {
        if skipped {
            return Err(CaptureError::new(
                CaptureErrorKind::NotACapture,
                0,
                "skippable frames of zstd or lz4 without any data; compress the capture again",
            ));
        }
        return Ok(input);
    };
    let decompressed = match compression {
        "gzip" => input.decompressed(compression, |compressed| Ok(gzip::Members::new(compressed))),
        "zstd" => input.decompressed(compression, zstd::Frames::new),
        _ => input.decompressed(compression, |compressed| Ok(lz4::Frames::new(compressed))),
    };
    let mut decompressed = decompressed.map_err(|error| {
        CaptureError::new(
            CaptureErrorKind::Io,
            0,
            format!("cannot set up the {compression} decompressor: {error}"),
        )
    })?;
    let start = decompressed.fill(ZSTD.len());
    if let Some(inner) = recognise(start).or_else(|| is_skippable(start).then_some("zstd or lz4")) {
        return Err(CaptureError::new(
            CaptureErrorKind::Unsupported,
            0,
            format!("compressed twice ({inner} inside {compression}); decompress it once first"),
        ));
    }
    Ok(decompressed)
}

/// Skips skippable frames at the start, common to zstd and lz4. Returns whether there were any.
fn skip_skippable(input: &mut Input) -> Result<bool, CaptureError> {
    let mut skipped = false;
    while is_skippable(input.fill(ZSTD.len())) {
        let at = input.offset();
        let Some(header) = input.fill(SKIPPABLE_HEADER_BYTES).first_chunk::<SKIPPABLE_HEADER_BYTES>() else {
            return Err(input.shortfall(at, SKIPPABLE_HEADER_BYTES as u64, "a skippable frame"));
        };
        let &[.., a, b, c, d] = header;
        let total = SKIPPABLE_HEADER_BYTES as u64 + u64::from(u32::from_le_bytes([a, b, c, d]));
        if !input.skip(total) {
            return Err(input.shortfall(at, total, "a skippable frame"));
        }
        skipped = true;
    }
    Ok(skipped)
}

fn is_skippable(start: &[u8]) -> bool {
    matches!(start, [0x50..=0x5f, magic @ ..] if magic.starts_with(&SKIPPABLE))
}
