//! Python interface to captures: `read`.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use super::{
    BATCH_ROWS, Batch, ErrorArgs, MeterError, MeterOptions, Signatures, arrow_error, bad_checksums, counters,
    error_args,
};
use crate::capture::{Capture, CaptureError};
use crate::flow::{
    BLOCK_BYTES, Cores, Counts, Meter, Options, Progress, Sharing, Step, no_rows, remnants_batch,
};
use crate::payload::DnsNames;

/// Packets after which a step ends without a batch, so that progress and Ctrl-C are handled in time.
const STEP_PACKETS: u64 = 1 << 18;
/// Bytes from which on a file is divided among cores; for smaller files, starting threads does not pay. Batches are
/// those of parts even with one thread, so that their order does not depend on the number of threads.
const LARGE_BYTES: u64 = 4 << 20;
/// Rows of a batch of one part.
const PART_BATCH_ROWS: usize = 1 << 12;
/// Frames between checks for the end of a step.
const MAX_FRAMES: usize = 1 << 10;

/// The exception that a Python file raised while the meter read from it.
type Raised = Arc<Mutex<Option<PyErr>>>;

/// A Python binary file as a Rust reader.
struct PyFile {
    object: Py<PyAny>,
    /// `read1` if available, since `read` waits for a full buffer.
    method: &'static str,
    raised: Raised,
}

impl Read for PyFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let data = self.object.bind(py).call_method1(self.method, (buffer.len(),))?;
            let bytes = data.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes();
            let target = buffer
                .get_mut(..bytes.len())
                .ok_or_else(|| PyValueError::new_err("read() returned more bytes than asked for"))?;
            target.copy_from_slice(bytes);
            Ok(bytes.len())
        })
        .map_err(|error: PyErr| {
            let text = error.to_string();
            *locked(&self.raised) = Some(error);
            io::Error::other(text)
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A capture that is metered by the calling thread.
struct Direct {
    capture: Capture,
    meter: Meter,
    /// Names from DNS answers, if requested.
    names: Option<DnsNames>,
    decapsulate: bool,
}

impl Direct {
    /// Meters until there is a batch, or the step ends without one.
    fn step(&mut self) -> Step {
        let until = self.meter.packets() + STEP_PACKETS;
        loop {
            if let Some(batch) = self.meter.next_batch(false) {
                return Step::Batch(batch);
            }
            if self.meter.packets() >= until {
                return Step::Waiting;
            }
            match self.capture.next_frames() {
                Ok(Some(frames)) => {
                    let (names, decapsulate) = (&mut self.names, self.decapsulate);
                    self.meter.frames(frames.take(MAX_FRAMES).inspect(|frame| {
                        if let Some(names) = names {
                            crate::packets::record_names(names, frame, decapsulate);
                        }
                    }));
                }
                Ok(None) => return Step::End(Ok(())),
                Err(error) => return Step::End(Err(error)),
            }
        }
    }
}

/// Metering by the calling thread, or by several threads.
enum Metering {
    Direct(Box<Direct>),
    Cores(Cores),
}

struct State {
    metering: Metering,
    format: &'static str,
    compression: Option<&'static str>,
    /// Checksums are verified.
    verifies: bool,
    problem: Option<CaptureError>,
    /// The capture has been read to its end, or as far as it can be.
    at_end: bool,
}

impl State {
    /// Meters until there is a batch, or the step ends without one.
    fn step(&mut self) -> Step {
        match &mut self.metering {
            Metering::Direct(direct) => direct.step(),
            Metering::Cores(cores) => cores.next(),
        }
    }

    /// Returns the next batch after the end of the capture.
    fn rest(&mut self) -> Option<RecordBatch> {
        match &mut self.metering {
            Metering::Direct(direct) => direct.meter.next_batch(true),
            Metering::Cores(_) => None,
        }
    }

    fn stop(&mut self) {
        match &self.metering {
            Metering::Direct(_) => self.at_end = true,
            Metering::Cores(cores) => cores.stop(),
        }
    }

    fn progress(&self) -> Progress {
        match &self.metering {
            Metering::Direct(direct) => Progress {
                bytes_read: direct.capture.bytes_read(),
                dropped: direct.capture.dropped(),
                totals: *direct.meter.totals(),
            },
            Metering::Cores(cores) => cores.progress(),
        }
    }

    fn counts(&self) -> Counts {
        match &self.metering {
            Metering::Direct(direct) => direct.meter.counts(),
            Metering::Cores(cores) => cores.counts(),
        }
    }

    fn remnants(&self) -> Result<RecordBatch, ArrowError> {
        match &self.metering {
            Metering::Direct(direct) => remnants_batch(direct.meter.remnants()),
            Metering::Cores(cores) => remnants_batch(&cores.remnants()),
        }
    }

    fn names(&self) -> Option<&DnsNames> {
        match &self.metering {
            Metering::Direct(direct) => direct.names.as_ref(),
            Metering::Cores(_) => None,
        }
    }
}

/// Iterator over the record batches of finished flows.
#[pyclass(frozen)]
pub struct Reader {
    state: Mutex<State>,
    raised: Raised,
}

impl Reader {
    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

#[pymethods]
impl Reader {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        py.detach(|| {
            let mut state = self.state();
            if !state.at_end {
                match state.step() {
                    Step::Batch(batch) => return Ok(Some(Batch(batch))),
                    Step::Waiting => return Ok(Some(Batch(no_rows()))),
                    Step::End(end) => {
                        state.at_end = true;
                        if let Some(exception) = locked(&self.raised).take() {
                            return Err(exception);
                        }
                        state.problem = end.err();
                    }
                }
            }
            Ok(state.rest().map(Batch))
        })
    }

    /// Stops reading; the flows of the packets read so far follow.
    fn stop(&self) {
        self.state().stop();
    }

    #[getter]
    fn format(&self) -> &'static str {
        self.state().format
    }

    #[getter]
    fn compression(&self) -> Option<&'static str> {
        self.state().compression
    }

    #[getter]
    fn bytes_read(&self) -> u64 {
        self.state().progress().bytes_read
    }

    #[getter]
    fn packets(&self) -> u64 {
        let state = self.state();
        state.progress().totals.packets + state.counts().unmetered.tallies().more_packets()
    }

    #[getter]
    fn dns_names(&self) -> PyResult<Option<Batch>> {
        let batch = self.state().names().map(DnsNames::batch);
        batch.transpose().map(|batch| batch.map(Batch)).map_err(|error| arrow_error(&error))
    }

    #[getter]
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let state = self.state();
        let progress = state.progress();
        let counts = state.counts();
        let counters = counters(py, &counts, &progress.totals, progress.dropped)?;
        counters.set_item("dns_names_left_out", state.names().map_or(0, DnsNames::left_out))?;
        if state.verifies {
            counters.set_item("bad_checksums", bad_checksums(py, counts.bad_checksums)?)?;
        }
        Ok(counters)
    }

    #[getter]
    fn remnants(&self) -> PyResult<Batch> {
        self.state().remnants().map(Batch).map_err(|error| arrow_error(&error))
    }

    #[getter]
    fn problem(&self) -> Option<ErrorArgs> {
        self.state().problem.as_ref().map(error_args)
    }
}

#[pyfunction]
pub fn read(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    signatures: &Bound<'_, Signatures>,
    options: MeterOptions,
) -> PyResult<Reader> {
    let MeterOptions { decapsulate, dns_names, threads, block_bytes, .. } = options;
    let raised = Raised::default();
    let mut is_large = block_bytes.is_some();
    let source: Box<dyn Read + Send> = if let Ok(path) = source.cast::<PyString>() {
        let file = File::open(path.to_str()?)?;
        is_large |= file.metadata().is_ok_and(|of| of.is_file() && of.len() >= LARGE_BYTES);
        Box::new(file)
    } else {
        // It may block, so it is read by this thread, which Ctrl-C can interrupt.
        is_large = false;
        let method = if source.hasattr("read1")? { "read1" } else { "read" };
        Box::new(PyFile { object: source.clone().unbind(), method, raised: Arc::clone(&raised) })
    };
    let capture = py
        .detach(|| Capture::open(source))
        .map_err(|error| locked(&raised).take().unwrap_or_else(|| MeterError::new_err(error_args(&error))))?;
    let options = Options::from(options);
    let signatures = Arc::clone(&signatures.get().0);
    let (format, compression) = (capture.format(), capture.compression());
    let metering = if is_large && threads.get() > 1 && !dns_names {
        let block_bytes = block_bytes.unwrap_or(BLOCK_BYTES);
        let sharing = Sharing { threads, block_bytes, batch_rows: PART_BATCH_ROWS };
        Metering::Cores(Cores::start(capture, options, signatures, sharing)?)
    } else {
        let meter = if is_large {
            Meter::by_part(options, signatures, PART_BATCH_ROWS)
        } else {
            Meter::together(options, signatures, BATCH_ROWS)
        };
        let names = dns_names.then(DnsNames::default);
        Metering::Direct(Box::new(Direct { capture, meter, names, decapsulate }))
    };
    let verifies = options.verify_checksums;
    let state = State { metering, format, compression, verifies, problem: None, at_end: false };
    Ok(Reader { state: Mutex::new(state), raised })
}
