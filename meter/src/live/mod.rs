//! Meters a source that doesn't end, in a thread of its own, and hands out what it knows whenever asked.

mod pcapng_writer;
#[cfg(target_os = "linux")]
pub mod socket;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use arrow_array::RecordBatch;

use self::pcapng_writer::PcapngWriter;
use crate::capture::{Capture, CaptureError, Frame};
use crate::flow::Meter;

/// With so many finished flows waiting the thread waits too: a reader that has stopped asking costs packets,
/// which the capturing system counts, and not memory.
const MOST_WAITING: usize = 1 << 18;

/// A source of frames that may keep its reader waiting.
pub trait Source {
    /// Hands the next frames to `take`; returns whether there may be more.
    ///
    /// # Errors
    /// The source can't be read on.
    fn frames(&mut self, take: &mut dyn FnMut(&Frame<'_>)) -> Result<bool, CaptureError>;

    /// Packets that the capturing system says it lost, where the source itself tells.
    fn dropped(&self) -> u64 {
        0
    }
}

impl Source for Capture {
    fn frames(&mut self, take: &mut dyn FnMut(&Frame<'_>)) -> Result<bool, CaptureError> {
        let frame = self.next_frame()?;
        if let Some(frame) = &frame {
            take(frame);
        }
        Ok(frame.is_some())
    }

    fn dropped(&self) -> u64 {
        Capture::dropped(self)
    }
}

/// A meter at work in a thread.
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Where metered packets are kept as well.
    keep: Option<Mutex<PcapngWriter>>,
    dropped: AtomicU64,
    taken: Condvar,
    /// Set while `state` is locked, so that nobody who is about to wait misses it.
    stopped: AtomicBool,
}

struct State {
    meter: Meter,
    /// The latest packet's time when the last window was taken.
    window_ns: i64,
    end: Option<Result<(), CaptureError>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Meters one frame, once there is room for the flows that it may end.
    fn frame(&self, frame: &Frame<'_>) {
        let mut state = self.state();
        while state.meter.finished_rows() >= MOST_WAITING && !self.stopped() {
            state = self.taken.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if self.stopped() {
            return;
        }
        state.meter.frame(frame);
        // Under the lock: what `stop` finds metered is also kept.
        self.keep(|keep| keep.frame(frame));
    }

    fn keep<T>(&self, act: impl FnOnce(&mut PcapngWriter) -> T) -> Option<T> {
        let keep = self.keep.as_ref()?;
        Some(act(&mut keep.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Session {
    /// Starts to meter, and to write the packets to the file `keep`. `open` is called in the thread, since
    /// opening may wait for the first bytes.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start<S: Source>(
        meter: Meter,
        keep: Option<File>,
        open: impl FnOnce() -> Result<S, CaptureError> + Send + 'static,
    ) -> io::Result<Self> {
        let state = State { meter, window_ns: i64::MIN, end: None };
        let shared = Shared {
            state: Mutex::new(state),
            keep: keep.map(|file| Mutex::new(PcapngWriter::new(file))),
            dropped: AtomicU64::new(0),
            taken: Condvar::new(),
            stopped: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let session = Self { shared: Arc::clone(&shared) };
        thread::Builder::new().name("live-meter".to_owned()).spawn(move || {
            let end = open().and_then(|source| run(source, &shared));
            shared.state().end = Some(end);
        })?;
        Ok(session)
    }

    /// The flows that have ended since the last call, and a copy of those active ones that have had a packet
    /// since.
    #[must_use]
    pub fn window(&self) -> (RecordBatch, RecordBatch) {
        self.shared.keep(PcapngWriter::flush);
        let mut state = self.shared.state();
        let since_ns = state.window_ns;
        state.window_ns = state.meter.span_ns().map_or(since_ns, |(_, last_ns)| last_ns);
        let active = state.meter.active(since_ns);
        let window = (state.meter.take(), active);
        drop(state);
        self.shared.taken.notify_one();
        window
    }

    /// The next flows of those that are still active, as if they had ended, and whether they are the last.
    ///
    /// Call it after `stop`, until it says so.
    #[must_use]
    pub fn finish(&self, most: usize) -> (RecordBatch, bool) {
        let mut state = self.shared.state();
        let last = state.meter.finish(most);
        (state.meter.take(), last)
    }

    /// Takes in no more frames.
    pub fn stop(&self) {
        let state = self.shared.state();
        self.shared.stopped.store(true, Ordering::Relaxed);
        drop(state);
        self.shared.taken.notify_one();
        self.shared.keep(PcapngWriter::flush);
    }

    /// Why packets are no longer kept.
    #[must_use]
    pub fn keep_problem(&self) -> Option<String> {
        self.shared.keep(|keep| keep.problem().map(str::to_owned))?
    }

    /// Packets that the capturing system says it lost, where the source itself tells.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// How the source ended, if it did.
    #[must_use]
    pub fn end(&self) -> Option<Result<(), CaptureError>> {
        self.shared.state().end.clone()
    }

    /// Looks at the meter's counters.
    pub fn look<T>(&self, at: impl FnOnce(&Meter) -> T) -> T {
        at(&self.shared.state().meter)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(mut source: impl Source, shared: &Shared) -> Result<(), CaptureError> {
    loop {
        let more = source.frames(&mut |frame| shared.frame(frame));
        shared.dropped.store(source.dropped(), Ordering::Relaxed);
        if !more? || shared.stopped() {
            return Ok(());
        }
    }
}
