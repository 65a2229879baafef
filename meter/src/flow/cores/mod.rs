//! Meters one capture on several cores, with the same rows and batches as a single thread.
//!
//! All threads do the same work. The one that needs a block of the capture reads it, decodes its packets into one
//! list for each part of the key space, and publishes it. Blocks are published in the order of the capture; fragments
//! are assigned to their flows then. Each thread meters the lists of its own parts, block by block.
//!
//! A part depends on its own packets alone, and the number of parts is a constant: no result depends on the number of
//! threads.

mod block;
mod handover;
mod sync;
#[cfg(test)]
mod tests;
mod worker;

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arrow_array::RecordBatch;

use self::block::{Block, BlockReader};
use self::handover::{Handover, Next};
use self::sync::{Mutex, lock};
use self::worker::Worker;
use super::counts::{Counts, UnmeteredCounts};
use super::decoded_packet::{Decoder, Totals};
use super::finished::Finished;
use super::fragments::Fragments;
use super::part::{PARTS, Part};
use super::{Options, Remnant};
use crate::capture::{Capture, CaptureError, CaptureErrorKind};
use crate::payload::Signatures;

/// Bytes of a block. Small enough that the blocks under way stay in the second-level caches until their packets are
/// metered.
pub const BLOCK_BYTES: usize = 128 * 1024;
/// Maximum time between two reports of progress to the consumer.
const MAX_WAIT: Duration = Duration::from_millis(100);

/// How the work is divided.
#[derive(Clone, Copy, Debug)]
pub struct Sharing {
    /// Threads; no more than [`PARTS`] are started.
    pub threads: NonZero<usize>,
    /// Bytes of a block.
    pub block_bytes: usize,
    /// Rows of a batch; a batch may have a few more.
    pub batch_rows: usize,
}

/// Progress in reading a capture.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// [`Capture::bytes_read`].
    pub bytes_read: u64,
    /// [`Capture::dropped`].
    pub dropped: u64,
    /// Totals of the frames read.
    pub totals: Totals,
}

/// A step of metering.
#[derive(Debug)]
pub enum Step {
    /// Finished flows.
    Batch(RecordBatch),
    /// None yet: metering continues.
    Waiting,
    /// The capture has ended, regularly or with an error.
    End(Result<(), CaptureError>),
}

/// State shared by the threads.
struct Shared {
    handover: Handover<Block, RecordBatch>,
    decoder: Decoder,
    reader: Mutex<BlockReader>,
    progress: Mutex<Progress>,
    /// Used by the thread that publishes.
    fragments: Mutex<(Fragments, UnmeteredCounts)>,
    /// Counts of the workers that have ended.
    counts: Mutex<Counts>,
}

/// A capture that is being metered. Dropping it ends its threads after their current block.
pub struct Cores {
    shared: Arc<Shared>,
}

impl Cores {
    /// Starts the threads.
    ///
    /// # Errors
    /// A thread can't be started.
    pub fn start(
        capture: Capture,
        options: Options,
        signatures: Arc<Signatures>,
        sharing: Sharing,
    ) -> io::Result<Self> {
        let threads = sharing.threads.get().min(PARTS);
        let decoder = Decoder::new(options, !signatures.is_empty());
        let progress = Progress { bytes_read: capture.bytes_read(), ..Progress::default() };
        let most_blocks = 4 * threads as u64 + 4;
        let shared = Arc::new(Shared {
            handover: Handover::new(threads, PARTS, most_blocks),
            decoder: decoder.clone(),
            reader: Mutex::new(BlockReader::new(capture, sharing.block_bytes)),
            progress: Mutex::new(progress),
            fragments: Mutex::default(),
            counts: Mutex::default(),
        });
        let cores = Self { shared: Arc::clone(&shared) };
        let parts = std::iter::repeat_n(signatures, PARTS)
            .map(|signatures| Part::new(options, signatures, decoder.clone()));
        let mut of_threads: Vec<Vec<(usize, Part, Finished)>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, part) in parts.enumerate() {
            of_threads[number % threads].push((number, part, Finished::new(sharing.batch_rows)));
        }
        for (number, parts) in of_threads.into_iter().enumerate() {
            let worker = Worker::new(number, Arc::clone(&shared), parts);
            thread::Builder::new().name(format!("meter-{number}")).spawn(move || worker.run())?;
        }
        Ok(cores)
    }

    /// Returns the next finished flows; waits for them for a short time.
    #[must_use]
    pub fn next(&self) -> Step {
        match self.shared.handover.next(MAX_WAIT) {
            Next::Result(batch) => Step::Batch(batch),
            Next::Waiting => Step::Waiting,
            Next::End => Step::End(lock(&self.shared.reader).end.clone().unwrap_or(Ok(()))),
            Next::Failed => {
                let message = "a thread that metered it has failed".to_owned();
                Step::End(Err(CaptureError::new(CaptureErrorKind::Io, 0, message)))
            }
        }
    }

    /// Stops reading; the flows of packets already read follow.
    pub fn stop(&self) {
        self.shared.handover.stop();
    }

    /// Returns the progress in reading the capture.
    #[must_use]
    pub fn progress(&self) -> Progress {
        *lock(&self.shared.progress)
    }

    /// As [`Meter::remnants`](super::Meter::remnants).
    #[must_use]
    pub fn remnants(&self) -> Vec<Remnant> {
        lock(&self.shared.fragments).0.remnants().to_vec()
    }

    /// Returns the counts beside the flows; complete at the end.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.shared.counts).clone()
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        self.shared.handover.quit();
    }
}
