//! Reads a stream in blocks, each in its own buffer: one can be decoded while the next is read.

use std::io::{self, ErrorKind, Read};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes kept free before each block, for the start of a packet that spans two blocks.
pub(super) const HEADROOM: usize = 16 * 1024;

/// Buffers for reuse.
type Pool = Arc<Mutex<Vec<Vec<u8>>>>;

/// A stream that is read block by block.
pub(super) struct Blocks {
    reader: Box<dyn Read + Send>,
    block_bytes: usize,
    pool: Pool,
    /// A failure after the last block.
    failure: Option<io::Error>,
}

/// Bytes of a stream. Their memory is reused for another block when they are dropped.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    pool: Option<Pool>,
}

impl Buffer {
    /// Wraps bytes whose memory is not reused.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, pool: None }
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            let bytes = std::mem::take(&mut self.bytes);
            pool.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

impl Blocks {
    pub fn new(reader: Box<dyn Read + Send>, block_bytes: usize) -> Self {
        Self { reader, block_bytes: block_bytes.max(1), pool: Pool::default(), failure: None }
    }

    /// Returns the next block, in `HEADROOM..end` of the buffer; it is empty at the end of the stream. Bytes read
    /// before a failure are returned first.
    pub fn next(&mut self) -> io::Result<(Buffer, usize)> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let spare = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer = Buffer { bytes: spare.unwrap_or_default(), pool: Some(Arc::clone(&self.pool)) };
        buffer.resize(HEADROOM + self.block_bytes, 0);
        let mut end = HEADROOM;
        while end < buffer.len() {
            match self.reader.read(&mut buffer[end..]) {
                Ok(0) => break,
                Ok(bytes) => end = buffer.len().min(end + bytes),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(failure) if end == HEADROOM => return Err(failure),
                Err(failure) => {
                    self.failure = Some(failure);
                    break;
                }
            }
        }
        Ok((buffer, end))
    }
}
