//! The read buffer: returns contiguous bytes without copying them again.
//!
//! Large buffered reads instead of a memory map: no `unsafe`, no SIGBUS on a file that shrinks, and one path for
//! files, pipes and decompressors.

use std::fmt::Display;
use std::io::{self, BufRead, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::blocks::{Blocks, Buffer, HEADROOM};
use super::error::{CaptureError, CaptureErrorKind};

/// Bytes of the read buffer: small enough that packets and flows stay in the second-level cache. With 1 MiB, reading
/// alone is about 10% faster and decompression slower.
pub(super) const BUFFER_BYTES: usize = 256 * 1024;

/// The source as a decompressor sees it: counts bytes, and records whether *it* failed, so that a disk error is not
/// reported as damaged data.
pub(super) struct Source {
    reader: Box<dyn Read + Send>,
    state: Arc<SourceState>,
}

#[derive(Default)]
struct SourceState {
    bytes: AtomicU64,
    failed: AtomicBool,
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let result = self.reader.read(into);
        match &result {
            Ok(bytes) => {
                self.state.bytes.fetch_add(*bytes as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.state.failed.store(true, Ordering::Relaxed),
        }
        result
    }
}

/// Origin of the bytes.
enum Supply {
    /// Read when needed.
    Direct(Box<dyn Read + Send>),
    /// Read in blocks whose buffers can be kept.
    Blocks(Blocks),
    /// None, while being replaced.
    Nothing,
}

/// A buffered stream of bytes.
///
/// A failed read loses nothing: bytes read before it are returned first, and the failure is reported by
/// `clean_end` or `shortfall` at the end of the bytes.
pub(super) struct Input {
    supply: Supply,
    compression: Option<&'static str>,
    source: Arc<SourceState>,
    buffer: Buffer,
    /// The buffer before `buffer`, if the stream is read in blocks.
    left: Option<Buffer>,
    /// `buffer[start..end]` is read from the stream and not yet consumed.
    start: usize,
    end: usize,
    /// Bytes of the stream read into the buffer so far.
    received: u64,
    ended: bool,
    failure: Option<io::Error>,
}

impl Input {
    /// Reads the bytes of `reader`.
    pub fn new(reader: Box<dyn Read + Send>) -> Self {
        let state = Arc::new(SourceState::default());
        let source = Source { reader, state: Arc::clone(&state) };
        Self::over(Box::new(source), None, state)
    }

    /// Reads the same source through a decompressor.
    pub fn decompressed<R: Read + Send + 'static>(
        self,
        compression: &'static str,
        decompressor: impl FnOnce(Self) -> io::Result<R>,
    ) -> io::Result<Self> {
        let source = Arc::clone(&self.source);
        Ok(Self::over(Box::new(decompressor(self)?), Some(compression), source))
    }

    fn over(
        reader: Box<dyn Read + Send>,
        compression: Option<&'static str>,
        source: Arc<SourceState>,
    ) -> Self {
        Self {
            supply: Supply::Direct(reader),
            compression,
            source,
            buffer: Buffer::of(vec![0; BUFFER_BYTES]),
            left: None,
            start: 0,
            end: 0,
            received: 0,
            ended: false,
            failure: None,
        }
    }

    /// Reads in blocks of `block_bytes` from now on, and keeps each previous buffer for [`take_left`](Self::take_left).
    pub fn read_blocks(&mut self, block_bytes: usize) {
        if let Supply::Direct(reader) = std::mem::replace(&mut self.supply, Supply::Nothing) {
            self.supply = Supply::Blocks(Blocks::new(reader, block_bytes));
        }
    }

    /// Returns the compression of the stream, if any.
    pub fn compression(&self) -> Option<&'static str> {
        self.compression
    }

    /// Returns the (compressed) bytes read from the source so far.
    pub fn source_bytes(&self) -> u64 {
        self.source.bytes.load(Ordering::Relaxed)
    }

    /// Returns the offset in the (uncompressed) stream of the next byte.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.received - (self.end - self.start) as u64
    }

    /// Returns the next `wanted` bytes without consuming them; fewer only at the end of the stream.
    ///
    /// Callers bound `wanted`: the buffer grows to that size, but only as fast as bytes arrive.
    #[inline]
    pub fn fill(&mut self, wanted: usize) -> &[u8] {
        if self.end - self.start < wanted {
            self.refill(wanted);
        }
        &self.buffer[self.start..self.end.min(self.start + wanted)]
    }

    /// Consumes and returns `count` bytes, which `fill` has returned before.
    #[inline]
    pub fn next_bytes(&mut self, count: usize) -> &[u8] {
        let start = self.start;
        self.start += count;
        debug_assert!(self.start <= self.end, "next_bytes() without fill()");
        &self.buffer[start..self.start]
    }

    /// Returns all buffered bytes, and their position in the buffer, which the caller raises to consume them.
    pub fn buffered(&mut self) -> (&[u8], &mut usize) {
        (&self.buffer[self.start..self.end], &mut self.start)
    }

    /// Returns the first previous buffer since the last call, if there is one.
    pub fn take_left(&mut self) -> Option<Buffer> {
        self.left.take()
    }

    /// Returns the buffer of the last frames, at the end of the stream.
    pub fn take_last(&mut self) -> Buffer {
        self.left.take().unwrap_or_else(|| std::mem::take(&mut self.buffer))
    }

    /// Skips `count` bytes without buffering them all. Returns false if the stream has fewer.
    pub fn skip(&mut self, mut count: u64) -> bool {
        loop {
            let available = self.end - self.start;
            if count <= available as u64 {
                self.start += count as usize;
                return true;
            }
            count -= available as u64;
            self.start = self.end;
            if self.fill(1).is_empty() {
                return false;
            }
        }
    }

    #[cold]
    fn refill(&mut self, wanted: usize) {
        while self.end - self.start < wanted && !self.ended {
            let before = self.end - self.start;
            let result = match self.supply {
                Supply::Direct(_) => self.read_more(wanted),
                Supply::Blocks(_) => self.next_block(),
                Supply::Nothing => Ok(()),
            };
            if let Err(error) = result {
                if error.kind() == ErrorKind::Interrupted {
                    continue;
                }
                self.failure = Some(error);
            }
            let arrived = self.end - self.start - before;
            self.received += arrived as u64;
            self.ended = arrived == 0;
        }
    }

    /// Makes room after the buffered bytes, and reads.
    fn read_more(&mut self, wanted: usize) -> io::Result<()> {
        let Supply::Direct(reader) = &mut self.supply else { return Ok(()) };
        // Fewer than `wanted` bytes remain, one packet at most: cheap to move.
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            // `wanted` comes from the file: grow only as bytes arrive.
            let doubled = 2 * self.buffer.len();
            self.buffer.resize(wanted.min(doubled), 0);
        }
        let bytes = reader.read(&mut self.buffer[self.end..])?;
        self.end = self.buffer.len().min(self.end + bytes);
        Ok(())
    }

    /// Continues in the next block, with the remaining bytes copied before it.
    fn next_block(&mut self) -> io::Result<()> {
        let Supply::Blocks(blocks) = &mut self.supply else { return Ok(()) };
        let (mut block, end) = blocks.next()?;
        let rest = &self.buffer[self.start..self.end];
        if let Some(start) = HEADROOM.checked_sub(rest.len()) {
            block[start..HEADROOM].copy_from_slice(rest);
            (self.start, self.end) = (start, end);
            self.replace_buffer(block);
        } else {
            // A packet larger than the headroom: rare, so it is copied.
            if self.left.is_none() {
                self.replace_buffer(Buffer::of(rest.to_vec()));
            } else {
                self.buffer.truncate(self.end);
                self.buffer.drain(..self.start);
            }
            self.buffer.extend_from_slice(&block[HEADROOM..end]);
            (self.start, self.end) = (0, self.buffer.len());
        }
        Ok(())
    }

    fn replace_buffer(&mut self, buffer: Buffer) {
        let left = std::mem::replace(&mut self.buffer, buffer);
        self.left.get_or_insert(left);
    }

    /// Returns the read failure, where the stream may end otherwise.
    pub fn clean_end(&mut self, place: impl Display) -> Result<(), CaptureError> {
        match self.failure.take() {
            None => Ok(()),
            Some(failure) => Err(self.failed(&failure, self.offset(), place)),
        }
    }

    /// Returns the error where the stream must not end: `place` ("packet 7") begins at `at` and needs `needs`
    /// bytes.
    pub fn shortfall(&mut self, at: u64, needs: u64, place: impl Display) -> CaptureError {
        if let Some(failure) = self.failure.take() {
            return self.failed(&failure, at, place);
        }
        let has = self.offset() - at + (self.end - self.start) as u64;
        let message = format!(
            "the file ends inside {place} (needs {needs} bytes, has {has}); \
             everything before it was read"
        );
        CaptureError::new(CaptureErrorKind::Cut, at, message)
    }

    fn failed(&self, failure: &io::Error, at: u64, place: impl Display) -> CaptureError {
        let (kind, message) = match self.compression {
            Some(compression) if !self.source.failed.load(Ordering::Relaxed) => {
                if failure.kind() == ErrorKind::UnexpectedEof {
                    let what = format!(
                        "the {compression} data are truncated at {place}; everything before it was read"
                    );
                    (CaptureErrorKind::Cut, what)
                } else if failure.kind() == ErrorKind::OutOfMemory {
                    let what = format!(
                        "the {compression} data need a window of more than 128 MiB; \
                         decompress it first: zstd -d --long=31 FILE"
                    );
                    (CaptureErrorKind::Unsupported, what)
                } else {
                    let what = format!(
                        "the {compression} data are damaged at {place} ({failure}); \
                         everything before it was read (test the file with: {compression} -t FILE)"
                    );
                    (CaptureErrorKind::Damaged, what)
                }
            }
            _ => (
                CaptureErrorKind::Io,
                format!("cannot continue reading at {place}: {failure}; try again, or copy the file first"),
            ),
        };
        CaptureError::new(kind, at, message)
    }
}

/// Input of a decompressor.
impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.fill(1).is_empty() {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }
}

/// Input of a decompressor.
impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        into[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}
