//! lz4 files: any number of frames. `lz4_flex` reads one frame, and reports a truncated one as ended.

use std::io::{self, ErrorKind, Read};

use lz4_flex::frame::FrameDecoder;

use super::{LZ4, skip_skippable};
use crate::capture::input::Input;

/// Decompressed content of all frames, concatenated.
pub(super) struct Frames {
    decoder: FrameDecoder<Packed>,
    inside_frame: bool,
}

/// The compressed bytes, and whether the decoder has read past their end.
struct Packed {
    input: Input,
    exhausted: bool,
}

impl Read for Packed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(into)?;
        self.exhausted |= count == 0 && !into.is_empty();
        Ok(count)
    }
}

impl Frames {
    pub fn new(input: Input) -> Self {
        Self { decoder: FrameDecoder::new(Packed { input, exhausted: false }), inside_frame: false }
    }

    /// Starts the next frame; returns false at the end of the file.
    fn begin_frame(&mut self) -> io::Result<bool> {
        let input = &mut self.decoder.get_mut().input;
        skip_skippable(input).map_err(|error| io::Error::new(ErrorKind::UnexpectedEof, error))?;
        let start = input.fill(LZ4.len());
        if start.is_empty() {
            // Read once more, to distinguish a failure from the end.
            return input.read(&mut [0]).map(|_| false);
        }
        if start != LZ4 {
            let cut = start.len() < LZ4.len();
            let kind = if cut { ErrorKind::UnexpectedEof } else { ErrorKind::InvalidData };
            return Err(io::Error::new(kind, "data after the last frame"));
        }
        Ok(true)
    }
}

impl Read for Frames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !into.is_empty() {
            if !self.inside_frame && !self.begin_frame()? {
                break;
            }
            self.inside_frame = true;
            let count = self.decoder.read(into)?;
            if count > 0 {
                return Ok(count);
            }
            // A complete frame has an end mark, and its decoder never reads past that.
            if self.decoder.get_ref().exhausted {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.inside_frame = false;
        }
        Ok(0)
    }
}
