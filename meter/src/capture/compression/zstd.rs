//! zstd files: any number of frames. RFC 8878.
//!
//! The decoder gets the bytes that it asks for and no more, at most one block per call: on an error it discards
//! what it decompressed in that call, which may be the whole of a small file.

use std::io::{self, BufRead, ErrorKind, Read};

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge as WINDOW_TOO_LARGE;
use zstd::zstd_safe::{DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, get_error_name};

use crate::capture::input::Input;

/// Base-2 logarithm of the largest window, in bytes: 128 MiB, the default limit of the `zstd` tool.
const WINDOW_LOG: u32 = 27;

/// Bytes of the next block's header, which the decoder asks for together with a block. It may be damaged. §3.1.1.2.
const NEXT_BLOCK_HEADER: usize = 3;

/// Decompressed content of all frames, concatenated.
pub(super) struct Frames {
    input: Input,
    decoder: DCtx<'static>,
    /// Bytes that the decoder asks for; 0 between frames.
    wanted: usize,
    /// The last output buffer was filled, so the decoder may hold more output.
    full: bool,
}

impl Frames {
    pub fn new(input: Input) -> io::Result<Self> {
        let mut decoder = DCtx::try_create().ok_or(ErrorKind::OutOfMemory)?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(io_error)?;
        Ok(Self { input, decoder, wanted: 0, full: false })
    }
}

/// Converts an error of the decoder; a window above the limit becomes `OutOfMemory`.
fn io_error(code: ErrorCode) -> io::Error {
    // The library returns error N as -N.
    let kind = if code.wrapping_neg() == WINDOW_TOO_LARGE as usize {
        ErrorKind::OutOfMemory
    } else {
        ErrorKind::InvalidData
    };
    io::Error::new(kind, get_error_name(code))
}

impl Read for Frames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !into.is_empty() {
            let compressed = if self.full { &[] } else { self.input.fill_buf()? };
            if compressed.is_empty() && !self.full {
                return if self.wanted == 0 { Ok(0) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
            let asked =
                if self.wanted > NEXT_BLOCK_HEADER { self.wanted - NEXT_BLOCK_HEADER } else { self.wanted };
            let mut source = InBuffer::around(&compressed[..compressed.len().min(asked.max(1))]);
            let mut target = OutBuffer::around(&mut *into);
            self.wanted = self.decoder.decompress_stream(&mut target, &mut source).map_err(io_error)?;
            let (consumed, count) = (source.pos(), target.pos());
            // Between frames nothing is held back, and another call would begin the next frame.
            self.full = count == into.len() && self.wanted > 0;
            self.input.consume(consumed);
            if count > 0 {
                return Ok(count);
            }
        }
        Ok(0)
    }
}
