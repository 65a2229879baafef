//! Meters a live source in its own thread, and returns the flows so far on request.

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

/// Finished flows waiting for the reader, at which the thread pauses: a stalled reader costs packets, counted as
/// dropped by the capturing system, and not memory.
const MAX_WAITING_FLOWS: usize = 1 << 18;

/// A source of frames that may block.
pub trait Source {
    /// Passes the next frames to `deliver`; returns whether there may be more.
    ///
    /// # Errors
    /// The source cannot be read further.
    fn frames(&mut self, deliver: &mut dyn FnMut(&Frame<'_>)) -> Result<bool, CaptureError>;

    /// Returns the packets that the source reports as dropped by the capturing system.
    fn dropped(&self) -> u64 {
        0
    }
}

impl Source for Capture {
    fn frames(&mut self, deliver: &mut dyn FnMut(&Frame<'_>)) -> Result<bool, CaptureError> {
        let frame = self.next_frame()?;
        if let Some(frame) = &frame {
            deliver(frame);
        }
        Ok(frame.is_some())
    }

    fn dropped(&self) -> u64 {
        Capture::dropped(self)
    }
}

/// A meter that runs in its own thread.
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Also writes the metered packets.
    keep: Option<Mutex<PcapngWriter>>,
    dropped: AtomicU64,
    drained: Condvar,
    /// Set while `state` is locked, so that a thread about to wait does not miss it.
    stopped: AtomicBool,
}

struct State {
    meter: Meter,
    /// Time of the latest packet at the end of the last window.
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

    /// Meters one frame, once there is room for the flows that it may finish.
    fn frame(&self, frame: &Frame<'_>) {
        let mut state = self.state();
        while state.meter.finished_rows() >= MAX_WAITING_FLOWS && !self.stopped() {
            state = self.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if self.stopped() {
            return;
        }
        state.meter.frame(frame);
        // Under the lock, so that after `stop` every metered packet is written.
        self.keep(|keep| keep.frame(frame));
    }

    fn keep<T>(&self, act: impl FnOnce(&mut PcapngWriter) -> T) -> Option<T> {
        let keep = self.keep.as_ref()?;
        Some(act(&mut keep.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Session {
    /// Starts metering, and writing the packets to the file `keep`. `open` is called in the thread, since it may
    /// block until the first bytes arrive.
    ///
    /// # Errors
    /// The thread cannot be started.
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
            drained: Condvar::new(),
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

    /// Returns the flows finished since the last call, and a copy of the active flows with a packet since then.
    #[must_use]
    pub fn window(&self) -> (RecordBatch, RecordBatch) {
        self.shared.keep(PcapngWriter::flush);
        let mut state = self.shared.state();
        let since_ns = state.window_ns;
        state.window_ns = state.meter.span_ns().map_or(since_ns, |(_, last_ns)| last_ns);
        let active = state.meter.active(since_ns);
        let window = (state.meter.take(), active);
        drop(state);
        self.shared.drained.notify_one();
        window
    }

    /// Finishes and returns the next active flows, and whether they are the last.
    ///
    /// Call it after `stop`, until it returns true.
    #[must_use]
    pub fn finish(&self, most: usize) -> (RecordBatch, bool) {
        let mut state = self.shared.state();
        let last = state.meter.finish(most);
        (state.meter.take(), last)
    }

    /// Stops metering.
    pub fn stop(&self) {
        let state = self.shared.state();
        self.shared.stopped.store(true, Ordering::Relaxed);
        drop(state);
        self.shared.drained.notify_one();
        self.shared.keep(PcapngWriter::flush);
    }

    /// Returns the error after which packets are no longer written, if any.
    #[must_use]
    pub fn keep_problem(&self) -> Option<String> {
        self.shared.keep(|keep| keep.problem().map(str::to_owned))?
    }

    /// Returns the packets that the source reports as dropped by the capturing system.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Returns how the source ended, if it has.
    #[must_use]
    pub fn end(&self) -> Option<Result<(), CaptureError>> {
        self.shared.state().end.clone()
    }

    /// Reads the meter's counters.
    pub fn inspect<T>(&self, read: impl FnOnce(&Meter) -> T) -> T {
        read(&self.shared.state().meter)
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
