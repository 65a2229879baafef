//! Reads ahead in a thread of its own, so that reading and unpacking go on while packets are metered.

use std::io::{self, ErrorKind, Read};
use std::ops::{Deref, DerefMut};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::input::BUFFER_BYTES;

/// In front of each block there is room for the packet that the block before it ends in.
pub(super) const HEADROOM: usize = 16 * 1024;
/// Blocks under way at a time.
const BLOCKS: usize = 6;

/// A buffer with bytes of the stream in `HEADROOM..end`; none at the end of the stream.
struct Block {
    buffer: Vec<u8>,
    end: usize,
}

/// The receiving side. When it is dropped, the thread ends with its next block.
pub(super) struct Ahead {
    filled: Receiver<io::Result<Block>>,
    empty: SyncSender<Vec<u8>>,
}

/// Bytes of a stream. The reading thread gets the memory back for its next block when they are dropped, whatever
/// its length has become: without buffers the thread stands still.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    home: Option<SyncSender<Vec<u8>>>,
}

impl Buffer {
    /// Bytes of which no thread waits for the memory.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, home: None }
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
        if let Some(home) = &self.home {
            let _ = home.try_send(std::mem::take(&mut self.bytes)); // there is room for all, or the thread has ended
        }
    }
}

impl Ahead {
    /// Starts to read.
    pub fn start(mut reader: Box<dyn Read + Send>) -> io::Result<Self> {
        let (fill, filled) = sync_channel(BLOCKS);
        let (empty, to_fill) = sync_channel::<Vec<u8>>(BLOCKS);
        for _ in 0..BLOCKS {
            let _ = empty.send(vec![0; HEADROOM + BUFFER_BYTES]); // the channel has room for all
        }
        thread::Builder::new().name("read-ahead".to_owned()).spawn(move || {
            while let Ok(buffer) = to_fill.recv() {
                let (block, failure) = read_block(reader.as_mut(), buffer);
                let empty = block.end == HEADROOM;
                // An empty block says that the stream ends; a failure says so itself.
                if !(empty && failure.is_some()) && fill.send(Ok(block)).is_err() {
                    return; // nobody wants more
                }
                if let Some(failure) = failure {
                    let _ = fill.send(Err(failure));
                    return;
                }
                if empty {
                    return;
                }
            }
        })?;
        Ok(Self { filled, empty })
    }

    /// The next block, and where in it the stream's bytes end.
    pub fn next(&self) -> io::Result<(Buffer, usize)> {
        let Block { buffer, end } =
            self.filled.recv().unwrap_or_else(|_| Err(io::Error::other("the reading thread has ended")))?;
        Ok((Buffer { bytes: buffer, home: Some(self.empty.clone()) }, end))
    }
}

/// Fills a buffer as far as the stream goes; what was read before a failure counts.
fn read_block(reader: &mut dyn Read, mut buffer: Vec<u8>) -> (Block, Option<io::Error>) {
    buffer.resize(HEADROOM + BUFFER_BYTES, 0);
    let mut end = HEADROOM;
    let mut failure = None;
    while end < buffer.len() {
        match reader.read(&mut buffer[end..]) {
            Ok(0) => break,
            Ok(bytes) => end = buffer.len().min(end + bytes),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    (Block { buffer, end }, failure)
}
