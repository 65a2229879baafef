//! The Python door, and the only file that knows Python. `classifier/_meter.pyi` documents it.
//!
//! Whole batches cross the border, never packets, and the GIL is released while metering.

mod live;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::ffi::{self, FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, StructArray, UInt32Array};
use arrow_schema::ArrowError;
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyString};

use crate::capture::{Capture, CaptureError, CaptureErrorKind};
use crate::flow::{self, Ahead, BadChecksums, Idle, Meter, Options, Step, bins};
use crate::packets::Wanted;
use crate::payload::{self, DnsNames, Note, Notes, Rule};
use crate::table::{self, Rows};

/// A step of the reader ends after so many packets, so that progress and Ctrl-C are seen in time …
const STEP_PACKETS: u64 = 1 << 18;
/// … or with so many rows.
const BATCH_ROWS: usize = 1 << 15;
/// So many frames at a time, between looks at whether a step ends.
const MOST_FRAMES: usize = 1 << 10;

create_exception!(_meter, MeterError, PyException);

/// A record batch, handed over by the Arrow `PyCapsule` interface without a copy.
#[pyclass(frozen)]
struct Batch(RecordBatch);

#[pymethods]
impl Batch {
    #[getter]
    fn num_rows(&self) -> usize {
        self.0.num_rows()
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        drop(requested_schema); // the interface allows to hand over what is there
        let data = StructArray::from(self.0.clone()).into_data();
        let schema =
            FFI_ArrowSchema::try_from(self.0.schema().as_ref()).map_err(|error| arrow_error(&error))?;
        Ok((
            PyCapsule::new_with_value(py, schema, c"arrow_schema")?,
            PyCapsule::new_with_value(py, FFI_ArrowArray::new(&data), c"arrow_array")?,
        ))
    }
}

fn arrow_error(error: &ArrowError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// The record batch behind any object with `__arrow_c_array__`.
#[allow(unsafe_code)]
fn import(object: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    let (schema, array): (Bound<'_, PyCapsule>, Bound<'_, PyCapsule>) =
        object.call_method0("__arrow_c_array__")?.extract()?;
    let schema = schema.pointer_checked(Some(c"arrow_schema"))?.cast::<FFI_ArrowSchema>();
    let array = array.pointer_checked(Some(c"arrow_array"))?.cast::<FFI_ArrowArray>();
    // SAFETY: the capsules' names promise these types (Arrow PyCapsule interface), and the structures
    // are moved out, so that the capsules no longer release them.
    let data = unsafe {
        let schema = FFI_ArrowSchema::from_raw(schema.as_ptr());
        ffi::from_ffi(FFI_ArrowArray::from_raw(array.as_ptr()), &schema)
    };
    let data = data.map_err(|error| arrow_error(&error))?;
    if !matches!(data.data_type(), arrow_schema::DataType::Struct(_)) {
        return Err(PyValueError::new_err("a record batch is needed"));
    }
    Ok(RecordBatch::from(StructArray::from(data)))
}

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
    Direct(Capture),
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
                match capture.next_frames()? {
                    Some(frames) => {
                        let (names, decapsulate) = (&mut self.names, self.decapsulate);
                        self.meter.frames(frames.take(MOST_FRAMES).inspect(|frame| {
                            if let Some(names) = names {
                                crate::packets::note_names(names, frame, decapsulate);
                            }
                        }));
                    }
                    None => self.at_end = true,
                }
                self.progress = Progress { bytes_read: capture.bytes_read(), dropped: capture.dropped() };
                Ok(())
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
struct Reader {
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
    fn unread_link_types(&self) -> BTreeMap<u16, u64> {
        self.state().meter.unread_link_types().clone()
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

fn unmetered<'py>(py: Python<'py>, meter: &Meter) -> PyResult<Bound<'py, PyDict>> {
    let reasons = PyDict::new(py);
    for (reason, packets) in meter.unmetered() {
        reasons.set_item(reason.name(), packets)?;
    }
    Ok(reasons)
}

fn described(error: &CaptureError) -> (&'static str, u64, String) {
    let kind = match error.kind {
        CaptureErrorKind::Empty => "empty",
        CaptureErrorKind::NotACapture => "not_a_capture",
        CaptureErrorKind::Unsupported => "unsupported",
        CaptureErrorKind::Cut => "cut",
        CaptureErrorKind::Damaged => "damaged",
        CaptureErrorKind::Io => "io",
    };
    (kind, error.offset, error.message.clone())
}

/// Compiled signatures; readers share them.
#[pyclass(frozen)]
struct Signatures(Arc<payload::Signatures>);

/// A rule as Python hands it over: transports, ports, patterns, conditions, precedence, what to extract, whether it
/// settles what is spoken.
type RuleTuple = (Vec<u8>, Vec<u16>, Vec<String>, Vec<String>, u8, Option<String>, bool);

#[pymethods]
impl Signatures {
    #[new]
    fn new(rules: Vec<RuleTuple>) -> PyResult<Self> {
        let rule = |(transports, ports, patterns, conditions, precedence, extract, settles)| Rule {
            transports,
            ports,
            patterns,
            conditions,
            precedence,
            extract,
            settles,
        };
        let rules: Vec<Rule> = rules.into_iter().map(rule).collect();
        payload::Signatures::new(&rules).map(|found| Self(Arc::new(found))).map_err(PyValueError::new_err)
    }

    #[pyo3(signature = (proto, ports, payload, payload_bytes = None))]
    fn find(&self, proto: u8, ports: (u16, u16), payload: &[u8], payload_bytes: Option<u32>) -> Option<u16> {
        let wire_bytes = payload_bytes.unwrap_or(payload.len() as u32);
        self.0.find(proto, ports, payload, wire_bytes).map(|found| found.number)
    }
}

#[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools)] // named ones, in Python
#[pyfunction]
#[pyo3(signature = (source, signatures, *, tcp_idle_ns, udp_idle_ns, most_flows, decapsulate, dedup, verify_checksums, dns_names = false))]
fn read(
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
    let options = Options {
        idle: Idle { tcp_ns: tcp_idle_ns, udp_ns: udp_idle_ns },
        most_flows,
        decapsulate,
        dedup,
        verify_checksums,
    };
    let meter = Meter::new(options, Arc::clone(&signatures.get().0));
    let names = dns_names.then(DnsNames::default);
    let (format, compression) = (capture.format(), capture.compression());
    let progress = Progress { bytes_read: capture.bytes_read(), dropped: capture.dropped() };
    let supply = if is_file && names.is_none() {
        Supply::Ahead(Ahead::start(capture, &meter).map_err(PyErr::from)?)
    } else {
        Supply::Direct(capture)
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

#[pyfunction]
#[pyo3(signature = (source, flow, *, first_ns, last_ns, most, decapsulate))]
fn packets(
    py: Python<'_>,
    source: &str,
    flow: &Bound<'_, PyAny>,
    first_ns: i64,
    last_ns: i64,
    most: usize,
    decapsulate: bool,
) -> PyResult<Batch> {
    let keys = table::keys_of(&import(flow)?).map_err(|error| arrow_error(&error))?;
    let &[key] = keys.as_slice() else { return Err(PyValueError::new_err("one flow is needed")) };
    let wanted = Wanted { key, first_ns, last_ns, most, decapsulate };
    let file = File::open(source)?;
    py.detach(|| {
        let mut capture =
            Capture::open(Box::new(file)).map_err(|error| MeterError::new_err(described(&error)))?;
        crate::packets::packets(&mut capture, &wanted).map(Batch).map_err(|error| arrow_error(&error))
    })
}

#[pyfunction]
#[pyo3(signature = (batch, *, tcp_idle_ns, udp_idle_ns))]
fn stitch(batch: &Bound<'_, PyAny>, tcp_idle_ns: u64, udp_idle_ns: u64) -> PyResult<(Batch, Batch)> {
    let batch = import(batch)?;
    let rows = table::rows_of(&batch).map_err(|error| arrow_error(&error))?;
    let pieces = bins::bins_of(&batch, &rows).map_err(|error| arrow_error(&error))?;
    let of_rows = payload::notes_of(&batch).map_err(|error| arrow_error(&error))?;
    let (joined, groups) = flow::stitch(rows, &Idle { tcp_ns: tcp_idle_ns, udp_ns: udp_idle_ns });
    let mut of_joined = vec![Note::default(); joined.len()];
    for (note, &group) in of_rows.into_iter().zip(&groups) {
        of_joined[group as usize].absorb(note);
    }
    let (mut table, mut notes, mut columns) = (Rows::default(), Notes::default(), bins::Columns::default());
    let bins = bins::joined(pieces, &groups, joined.len());
    for ((row, note), bins) in joined.iter().zip(&of_joined).zip(&bins) {
        table.push(row);
        notes.push(Some(note));
        columns.push(bins);
    }
    let joined = Batch(columns.beside(&notes.beside(&table.take())));
    Ok((joined, one_column("group", Arc::new(UInt32Array::from(groups)))?))
}

#[pyfunction]
fn community_ids(batch: &Bound<'_, PyAny>) -> PyResult<Batch> {
    let keys = table::keys_of(&import(batch)?).map_err(|error| arrow_error(&error))?;
    one_column(
        "community_id",
        Arc::new(keys.iter().map(|key| Some(flow::community_id(key))).collect::<StringArray>()),
    )
}

fn one_column(name: &str, column: ArrayRef) -> PyResult<Batch> {
    RecordBatch::try_from_iter([(name, column)]).map(Batch).map_err(|error| arrow_error(&error))
}

#[pymodule]
mod _meter {
    #[pymodule_export]
    use super::live::Live;
    #[cfg(target_os = "linux")]
    #[pymodule_export]
    use super::live::live_socket;
    #[cfg(unix)]
    #[pymodule_export]
    use super::live::live_stream;
    #[pymodule_export]
    use super::{Batch, MeterError, Reader, Signatures, community_ids, packets, read, stitch};
}
