//! zstd files: any number of frames. RFC 8878.
//!
//! The decoder is given what it asks for and no more, at most a block at a time: what it unpacked in the
//! same call before damage would be lost, and with it a small file.

use std::io::{self, BufRead, ErrorKind, Read};

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::capture::input::Input;

/// The most memory that a frame may ask for: 2^27 bytes, as the `zstd` tool allows.
const WINDOW_LOG: u32 = 27;

/// With a block the decoder asks for the header of the next one, which can be damaged. §3.1.1.2.
const NEXT_BLOCK_HEADER: usize = 3;

/// The content of all frames, one after another.
pub(super) struct Frames {
    input: Input,
    decoder: Decoder<'static>,
    /// How many bytes the decoder asks for; 0 between frames.
    wanted: usize,
    /// It may hold back bytes for which there was no room.
    full: bool,
}

impl Frames {
    pub fn new(input: Input) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self { input, decoder, wanted: 0, full: false })
    }
}

impl Read for Frames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !into.is_empty() {
            let packed = if self.full { &[] } else { self.input.fill_buf()? };
            if packed.is_empty() && !self.full {
                return if self.wanted == 0 { Ok(0) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
            let asked =
                if self.wanted > NEXT_BLOCK_HEADER { self.wanted - NEXT_BLOCK_HEADER } else { self.wanted };
            let mut source = InBuffer::around(&packed[..packed.len().min(asked.max(1))]);
            let mut target = OutBuffer::around(&mut *into);
            self.wanted = self.decoder.run(&mut source, &mut target)?;
            let (taken, count) = (source.pos(), target.pos());
            // Between frames it holds back nothing; asked then, it would begin another frame.
            self.full = count == into.len() && self.wanted > 0;
            self.input.consume(taken);
            if count > 0 {
                return Ok(count);
            }
        }
        Ok(0)
    }
}
