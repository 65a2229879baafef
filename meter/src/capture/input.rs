//! The read buffer: hands out contiguous bytes without copying them again.
//!
//! Large buffered reads rather than a memory map: no `unsafe`, no SIGBUS on a file that shrinks, and one
//! path for files, pipes and decompressors.

use std::fmt::Display;
use std::io::{self, BufRead, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::blocks::{Blocks, Buffer, HEADROOM};
use super::error::{CaptureError, CaptureErrorKind};

/// Small enough to stay in the processor's second-level cache, where the packets are read next, and to
/// leave room there for flows. With 1 MiB the mere reading is about 10 % faster, unpacking slower.
pub(super) const BUFFER_BYTES: usize = 256 * 1024;

/// The program's source as a decompressor sees it: counts bytes and remembers whether *it* failed, so that
/// a disk error is not reported as a damaged archive.
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

/// Where the bytes come from.
enum Supply {
    /// Read when they are needed.
    Direct(Box<dyn Read + Send>),
    /// Read in blocks, whose buffers can be kept.
    Blocks(Blocks),
    /// Being replaced.
    Nothing,
}

/// A stream of bytes, buffered.
///
/// A failed read takes nothing away: what was read before it is handed out first, and the failure comes up
/// in `clean_end` or `shortfall` once the bytes run out.
pub(super) struct Input {
    supply: Supply,
    compression: Option<&'static str>,
    source: Arc<SourceState>,
    buffer: Buffer,
    /// The buffer that the bytes at hand were in before `buffer`, if these are read in blocks.
    left: Option<Buffer>,
    /// `buffer[start..end]` is read from the stream, but not yet taken.
    start: usize,
    end: usize,
    /// Bytes of the stream that came into the buffer so far.
    received: u64,
    ended: bool,
    failure: Option<io::Error>,
}

impl Input {
    /// Bytes as they come from outside.
    pub fn new(reader: Box<dyn Read + Send>) -> Self {
        let state = Arc::new(SourceState::default());
        let source = Source { reader, state: Arc::clone(&state) };
        Self::over(Box::new(source), None, state)
    }

    /// The same source, seen through a decompressor.
    pub fn unpacked<R: Read + Send + 'static>(
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

    /// From now on it is read in blocks of so many bytes, and a buffer that is left stays until it is asked for.
    pub fn read_blocks(&mut self, block_bytes: usize) {
        if let Supply::Direct(reader) = std::mem::replace(&mut self.supply, Supply::Nothing) {
            self.supply = Supply::Blocks(Blocks::new(reader, block_bytes));
        }
    }

    /// How the stream was packed, if it was.
    pub fn compression(&self) -> Option<&'static str> {
        self.compression
    }

    /// Bytes taken from the source so far, packed as they were.
    pub fn source_bytes(&self) -> u64 {
        self.source.bytes.load(Ordering::Relaxed)
    }

    /// Position in the (unpacked) stream of the next byte to take.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.received - (self.end - self.start) as u64
    }

    /// The next `wanted` bytes without taking them; fewer only if the stream has no more.
    /// Callers bound `wanted`: the buffer grows to it, but only as fast as bytes really arrive.
    #[inline]
    pub fn fill(&mut self, wanted: usize) -> &[u8] {
        if self.end - self.start < wanted {
            self.refill(wanted);
        }
        &self.buffer[self.start..self.end.min(self.start + wanted)]
    }

    /// Takes `count` bytes; they must have been filled before.
    #[inline]
    pub fn take(&mut self, count: usize) -> &[u8] {
        let start = self.start;
        self.start += count;
        debug_assert!(self.start <= self.end, "take() without fill()");
        &self.buffer[start..self.start]
    }

    /// All bytes that are at hand, and the number of those taken before them: raise it to take more.
    pub fn at_hand(&mut self) -> (&[u8], &mut usize) {
        (&self.buffer[self.start..self.end], &mut self.start)
    }

    /// The buffer that was left first since the last call, if any was.
    pub fn take_left(&mut self) -> Option<Buffer> {
        self.left.take()
    }

    /// The buffer of the last frames, at the end of the stream.
    pub fn take_last(&mut self) -> Buffer {
        self.left.take().unwrap_or_else(|| std::mem::take(&mut self.buffer))
    }

    /// Throws `count` bytes away, however many, without keeping them. False if the stream has fewer.
    pub fn skip(&mut self, mut count: u64) -> bool {
        loop {
            let buffered = self.end - self.start;
            if count <= buffered as u64 {
                self.start += count as usize;
                return true;
            }
            count -= buffered as u64;
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

    /// Makes room behind the bytes at hand, and reads.
    fn read_more(&mut self, wanted: usize) -> io::Result<()> {
        let Supply::Direct(reader) = &mut self.supply else { return Ok(()) };
        // Less than `wanted` bytes are left over, one packet at most: cheap to move.
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            // `wanted` comes from the file: believe it only step by step.
            let doubled = 2 * self.buffer.len();
            self.buffer.resize(wanted.min(doubled), 0);
        }
        let bytes = reader.read(&mut self.buffer[self.end..])?;
        self.end = self.buffer.len().min(self.end + bytes);
        Ok(())
    }

    /// Goes on in the next block, with what is left over put in front of it.
    fn next_block(&mut self) -> io::Result<()> {
        let Supply::Blocks(blocks) = &mut self.supply else { return Ok(()) };
        let (mut block, end) = blocks.next()?;
        let rest = &self.buffer[self.start..self.end];
        if let Some(start) = HEADROOM.checked_sub(rest.len()) {
            block[start..HEADROOM].copy_from_slice(rest);
            (self.start, self.end) = (start, end);
            self.leave_for(block);
        } else {
            // A packet larger than the room: rare, so it may be copied.
            if self.left.is_none() {
                self.leave_for(Buffer::of(rest.to_vec()));
            } else {
                self.buffer.truncate(self.end);
                self.buffer.drain(..self.start);
            }
            self.buffer.extend_from_slice(&block[HEADROOM..end]);
            (self.start, self.end) = (0, self.buffer.len());
        }
        Ok(())
    }

    fn leave_for(&mut self, buffer: Buffer) {
        let left = std::mem::replace(&mut self.buffer, buffer);
        self.left.get_or_insert(left);
    }

    /// For where the stream may end: is this a real end, and not a failure to read on?
    pub fn clean_end(&mut self, place: impl Display) -> Result<(), CaptureError> {
        match self.failure.take() {
            None => Ok(()),
            Some(failure) => Err(self.failed(&failure, self.offset(), place)),
        }
    }

    /// For where the stream may not end: the error for a thing (`place`: "packet 7") that begins at `at`,
    /// needs `needs` bytes and did not get them.
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
            Some(packed) if !self.source.failed.load(Ordering::Relaxed) => {
                if failure.kind() == ErrorKind::UnexpectedEof {
                    let what =
                        format!("the {packed} data end too early, at {place}; everything before it was read");
                    (CaptureErrorKind::Cut, what)
                } else if failure.kind() == ErrorKind::OutOfMemory {
                    let what = format!(
                        "the {packed} data need a window of more than 128 MiB; \
                         unpack it first: zstd -d --long=31 FILE"
                    );
                    (CaptureErrorKind::Unsupported, what)
                } else {
                    let what = format!(
                        "the {packed} data are damaged at {place} ({failure}); \
                         everything before it was read (test the file with: {packed} -t FILE)"
                    );
                    (CaptureErrorKind::Damaged, what)
                }
            }
            _ => (
                CaptureErrorKind::Io,
                format!("cannot read on at {place}: {failure}; try again, or with a copy of the file"),
            ),
        };
        CaptureError::new(kind, at, message)
    }
}

/// For decompressors.
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

/// For decompressors.
impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        into[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}
