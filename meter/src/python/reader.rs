//! The door to captures: `read`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use super::{
    BATCH_ROWS, Batch, MeterError, MeterOptions, Signatures, arrow_error, described, irregular,
    unknown_types, unmetered,
};
use crate::capture::{Capture, CaptureError};
use crate::flow::{Ahead, BadChecksums, Meter, Step};
use crate::payload::DnsNames;

/// A step of the reader ends after so many packets, so that progress and Ctrl-C are seen in time; or with [`BATCH_ROWS`].
const STEP_PACKETS: u64 = 1 << 18;
/// So many frames at a time, between looks at whether a step ends.
const MOST_FRAMES: usize = 1 << 10;

/// The exception that a Python file raised while the meter read from it.
type Raised = Arc<Mutex<Option<PyErr>>>;

/// A Python binary file as a Rust reader.
struct PyFile {
    object: Py<PyAny>,
    /// `read1` where there is one: `read` would wait for a whole buffer.
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

/// Where frames come from.
enum Supply {
    /// Decoded when they are needed.
    Direct(Box<Capture>),
    /// Decoded before they are needed, by a thread.
    Ahead(Ahead),
}

/// How far a capture has been read.
#[derive(Clone, Copy, Default)]
struct Progress {
    bytes_read: u64,
    dropped: u64,
}

struct State {
    supply: Supply,
    format: &'static str,
    compression: Option<&'static str>,
    progress: Progress,
    meter: Meter,
    /// What DNS answers say, if that is wanted.
    names: Option<DnsNames>,
    decapsulate: bool,
    problem: Option<CaptureError>,
    /// The capture has been read to its end, or as far as it can be.
    at_end: bool,
    /// The last batch has been handed out.
    done: bool,
}

impl State {
    /// Meters on, until there is a batch worth handing out.
    fn step(&mut self) {
        let until = self.meter.packets() + STEP_PACKETS;
        while !self.at_end && self.meter.packets() < until && self.meter.finished_rows() < BATCH_ROWS {
            if let Err(error) = self.take() {
                self.at_end = true;
                self.problem = Some(error);
            }
        }
    }

    /// Meters the next frames, or sees that there are none.
    fn take(&mut self) -> Result<(), CaptureError> {
        match &mut self.supply {
            Supply::Direct(capture) => {
                let taken = capture.next_frames().map(|frames| match frames {
                    Some(frames) => {
                        let (names, decapsulate) = (&mut self.names, self.decapsulate);
                        self.meter.frames(frames.take(MOST_FRAMES).inspect(|frame| {
                            if let Some(names) = names {
                                crate::packets::note_names(names, frame, decapsulate);
                            }
                        }));
                    }
                    None => self.at_end = true,
                });
                // What was read before an error counts.
                self.progress = Progress { bytes_read: capture.bytes_read(), dropped: capture.dropped() };
                taken
            }
            Supply::Ahead(ahead) => {
                let Step { batch, bytes_read, dropped, end } = ahead.next();
                self.progress = Progress { bytes_read, dropped };
                self.meter.batch(&batch);
                ahead.give_back(batch);
                self.at_end = end.is_some();
                end.unwrap_or(Ok(()))
            }
        }
    }
}

/// Iterates the record batches of finished flows.
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
            if state.done {
                return Ok(None);
            }
            state.step();
            if let Some(exception) = locked(&self.raised).take() {
                state.problem = None;
                return Err(exception);
            }
            state.done = state.at_end && state.meter.finish(BATCH_ROWS);
            Ok(Some(Batch(state.meter.take())))
        })
    }

    /// Reads no further: what follows are the flows of what was read so far.
    fn stop(&self) {
        self.state().at_end = true;
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
        self.state().progress.bytes_read
    }

    #[getter]
    fn dropped(&self) -> u64 {
        self.state().progress.dropped
    }

    #[getter]
    fn packets(&self) -> u64 {
        self.state().meter.packets()
    }

    #[getter]
    fn evicted(&self) -> u64 {
        self.state().meter.evicted()
    }

    #[getter]
    fn duplicates(&self) -> u64 {
        self.state().meter.duplicates()
    }

    #[getter]
    fn bad_checksums(&self) -> (u64, u64) {
        let BadChecksums { ipv4_header, transport } = self.state().meter.bad_checksums();
        (ipv4_header, transport)
    }

    #[getter]
    fn dns_names(&self) -> PyResult<Option<Batch>> {
        let batch = self.state().names.as_ref().map(DnsNames::batch);
        batch.transpose().map(|batch| batch.map(Batch)).map_err(|error| arrow_error(&error))
    }

    #[getter]
    fn dns_names_left_out(&self) -> u64 {
        self.state().names.as_ref().map_or(0, DnsNames::left_out)
    }

    #[getter]
    fn wire_bytes(&self) -> u64 {
        self.state().meter.wire_bytes()
    }

    #[getter]
    fn span_ns(&self) -> Option<(i64, i64)> {
        self.state().meter.span_ns()
    }

    #[getter]
    fn unknown_types(&self) -> BTreeMap<(&'static str, u16), u64> {
        unknown_types(&self.state().meter)
    }

    #[getter]
    fn irregular(&self) -> BTreeMap<(&'static str, u16, u16), u64> {
        irregular(&self.state().meter)
    }

    #[getter]
    fn unmetered<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        unmetered(py, &self.state().meter)
    }

    #[getter]
    fn problem(&self) -> Option<(&'static str, u64, String)> {
        self.state().problem.as_ref().map(described)
    }
}

#[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools)] // named ones, in Python
#[pyfunction]
#[pyo3(signature = (source, signatures, *, tcp_idle_ns, udp_idle_ns, most_flows, decapsulate, dedup, verify_checksums, dns_names = false))]
pub fn read(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    signatures: &Bound<'_, Signatures>,
    tcp_idle_ns: u64,
    udp_idle_ns: u64,
    most_flows: usize,
    decapsulate: bool,
    dedup: bool,
    verify_checksums: bool,
    dns_names: bool,
) -> PyResult<Reader> {
    let raised = Raised::default();
    let path = source.cast::<PyString>().ok();
    let source: Box<dyn Read + Send> = if let Some(path) = path {
        Box::new(File::open(path.to_str()?)?)
    } else {
        let method = if source.hasattr("read1")? { "read1" } else { "read" };
        Box::new(PyFile { object: source.clone().unbind(), method, raised: Arc::clone(&raised) })
    };
    let is_file = path.is_some();
    let open = || {
        let capture = Capture::open(source)?;
        // A Python file may wait for its data: it is read by this thread, which Ctrl-C can interrupt.
        if is_file { capture.read_ahead() } else { Ok(capture) }
    };
    let capture = py
        .detach(open)
        .map_err(|error| locked(&raised).take().unwrap_or_else(|| MeterError::new_err(described(&error))))?;
    let options = MeterOptions { tcp_idle_ns, udp_idle_ns, most_flows, decapsulate, dedup, verify_checksums };
    let meter = Meter::new(options.into(), Arc::clone(&signatures.get().0));
    let names = dns_names.then(DnsNames::default);
    let (format, compression) = (capture.format(), capture.compression());
    let progress = Progress { bytes_read: capture.bytes_read(), dropped: capture.dropped() };
    let supply = if is_file && names.is_none() {
        Supply::Ahead(Ahead::start(capture, &meter).map_err(PyErr::from)?)
    } else {
        Supply::Direct(Box::new(capture))
    };
    let state = State {
        supply,
        format,
        compression,
        progress,
        meter,
        names,
        decapsulate,
        problem: None,
        at_end: false,
        done: false,
    };
    Ok(Reader { state: Mutex::new(state), raised })
}
