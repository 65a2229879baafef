//! Python interface, the only module that depends on Python. `classifier/_meter.pyi` documents it.
//!
//! Whole batches cross the border, never packets, and the GIL is released while metering.

mod live;
mod reader;
mod signatures;

use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZero;
use std::sync::Arc;

use arrow_array::ffi::{self, FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, StructArray, UInt32Array};
use arrow_schema::ArrowError;
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};

use crate::capture::{Capture, CaptureError, CaptureErrorKind, Remedy};
use crate::flow::{self, BadChecksums, Counts, Idle, Options, Totals, UnmeteredCounts, bins};
use crate::packets::Wanted;
use crate::payload::{self, PayloadMeta, PayloadMetas};
use crate::table::{self, FlowRecord, FlowRecords};
use crate::wire::{Irregularity, Unmetered};

use signatures::Signatures;

/// Rows of a batch, approximately.
const BATCH_ROWS: usize = 1 << 15;

create_exception!(_meter, MeterError, PyException);

/// A record batch, exported by the Arrow `PyCapsule` interface without a copy.
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
        drop(requested_schema); // the interface allows ignoring it
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

/// Imports the record batch of any object with `__arrow_c_array__`.
#[allow(unsafe_code)]
fn import(object: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    let (schema, array): (Bound<'_, PyCapsule>, Bound<'_, PyCapsule>) =
        object.call_method0("__arrow_c_array__")?.extract()?;
    let schema = schema.pointer_checked(Some(c"arrow_schema"))?.cast::<FFI_ArrowSchema>();
    let array = array.pointer_checked(Some(c"arrow_array"))?.cast::<FFI_ArrowArray>();
    // SAFETY: the capsules' names guarantee these types (Arrow PyCapsule interface), and the structures
    // are moved out, so that the capsules no longer release them.
    let data = unsafe {
        let schema = FFI_ArrowSchema::from_raw(schema.as_ptr());
        ffi::from_ffi(FFI_ArrowArray::from_raw(array.as_ptr()), &schema)
    };
    let data = data.map_err(|error| arrow_error(&error))?;
    if !matches!(data.data_type(), arrow_schema::DataType::Struct(_)) {
        return Err(PyValueError::new_err("expected a record batch"));
    }
    Ok(RecordBatch::from(StructArray::from(data)))
}

/// `MeterOptions` of `classifier/metering/options.py`.
#[derive(Clone, Copy, FromPyObject)]
#[allow(clippy::struct_excessive_bools)] // options of the user
struct MeterOptions {
    tcp_idle_ns: u64,
    udp_idle_ns: u64,
    max_flows: usize,
    decapsulate: bool,
    dedup: bool,
    verify_checksums: bool,
    dns_names: bool,
    threads: NonZero<usize>,
    block_bytes: Option<usize>,
}

impl From<MeterOptions> for Options {
    fn from(options: MeterOptions) -> Self {
        Self {
            idle: Idle { tcp_ns: options.tcp_idle_ns, udp_ns: options.udp_idle_ns },
            most_flows: options.max_flows,
            decapsulate: options.decapsulate,
            dedup: options.dedup,
            verify_checksums: options.verify_checksums,
        }
    }
}

/// Returns the fields of `Counters` of `classifier/metering/counters.py`.
fn counters<'py>(
    py: Python<'py>,
    counts: &Counts,
    totals: &Totals,
    dropped: u64,
) -> PyResult<Bound<'py, PyDict>> {
    let more_packets = counts.unmetered.tallies().more_packets();
    let counters = PyDict::new(py);
    counters.set_item("packets", totals.packets + more_packets)?;
    counters.set_item("wire_bytes", totals.wire_bytes)?;
    counters.set_item("dropped", dropped)?;
    counters.set_item("evicted", counts.evicted)?;
    counters.set_item("duplicates", counts.duplicates)?;
    let sensors = PyDict::new(py);
    if counts.sensors.packets > 0 {
        sensors.set_item("packets", counts.sensors.packets)?;
        sensors.set_item("later_ns", counts.sensors.later_ns)?;
    }
    counters.set_item("sensors", sensors)?;
    counters.set_item("span_ns", totals.span_ns)?;
    counters.set_item("unmetered", unmetered(py, &counts.unmetered)?)?;
    counters.set_item("unknown_types", unknown_types(&counts.unmetered))?;
    counters.set_item("irregular", irregular(&counts.unmetered))?;
    Ok(counters)
}

/// Returns packets in flows with a wrong checksum, by header.
fn bad_checksums(py: Python<'_>, counts: BadChecksums) -> PyResult<Bound<'_, PyDict>> {
    let by_header = PyDict::new(py);
    by_header.set_item("ipv4_header", counts.ipv4_header)?;
    by_header.set_item("transport", counts.transport)?;
    Ok(by_header)
}

fn unmetered<'py>(py: Python<'py>, counts: &UnmeteredCounts) -> PyResult<Bound<'py, PyDict>> {
    let reasons = PyDict::new(py);
    for reason in Unmetered::ALL {
        reasons.set_item(reason.name(), counts.of(reason))?;
    }
    Ok(reasons)
}

/// Returns packets by kind and value of the unknown type number.
fn unknown_types(counts: &UnmeteredCounts) -> BTreeMap<(&'static str, u16), u64> {
    counts.tallies().unknown_types().map(|(number, packets)| (number.parts(), packets)).collect()
}

/// Returns packets by kind of irregularity, declared link type, and link type used to decode them.
fn irregular(counts: &UnmeteredCounts) -> BTreeMap<(&'static str, u16, u16), u64> {
    let mut found = BTreeMap::new();
    for (irregularity, declared, packets) in counts.tallies().irregularities() {
        let key = match irregularity {
            Irregularity::ReadAs(link_type) => ("link_type", declared, link_type),
            Irregularity::IpVersion => ("ip_version", 0, 0),
            Irregularity::CutTransport => ("cut_transport", 0, 0),
        };
        *found.entry(key).or_default() += packets;
    }
    if counts.tallies().more_packets() > 0 {
        found.insert(("aggregate", 0, 0), counts.tallies().more_packets());
    }
    found
}

type ErrorArgs = (&'static str, u64, String, Option<&'static str>);

/// Returns `MeterError.args`.
fn error_args(error: &CaptureError) -> ErrorArgs {
    let kind = match error.kind {
        CaptureErrorKind::Empty => "empty",
        CaptureErrorKind::NotACapture => "not_a_capture",
        CaptureErrorKind::Unsupported => "unsupported",
        CaptureErrorKind::Cut => "cut",
        CaptureErrorKind::Damaged => "damaged",
        CaptureErrorKind::Io => "io",
    };
    let remedy = error.remedy.map(|remedy| match remedy {
        Remedy::UseTshark => "use_tshark",
        Remedy::TryTshark => "try_tshark",
    });
    (kind, error.offset, error.message.clone(), remedy)
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
    let rows = table::rows_of(&import(flow)?).map_err(|error| arrow_error(&error))?;
    let [row] = rows.as_slice() else { return Err(PyValueError::new_err("expected one flow")) };
    let lane = (!row.across).then(|| row.lane());
    let wanted = Wanted { key: row.key, lane, first_ns, last_ns, most, decapsulate };
    let file = File::open(source)?;
    py.detach(|| {
        let mut capture =
            Capture::open(Box::new(file)).map_err(|error| MeterError::new_err(error_args(&error)))?;
        crate::packets::packets(&mut capture, &wanted).map(Batch).map_err(|error| arrow_error(&error))
    })
}

#[pyfunction]
#[pyo3(signature = (batch, *, tcp_idle_ns, udp_idle_ns, past_idle = true))]
fn stitch(
    batch: &Bound<'_, PyAny>,
    tcp_idle_ns: u64,
    udp_idle_ns: u64,
    past_idle: bool,
) -> PyResult<(Batch, Batch)> {
    let idle = Idle { tcp_ns: tcp_idle_ns, udp_ns: udp_idle_ns };
    joined(batch, |rows| flow::stitch(rows, &idle, past_idle))
}

#[pyfunction]
#[pyo3(signature = (batch, *, tcp_idle_ns, udp_idle_ns))]
fn join(batch: &Bound<'_, PyAny>, tcp_idle_ns: u64, udp_idle_ns: u64) -> PyResult<(Batch, Batch)> {
    joined(batch, |rows| flow::join(rows, &Idle { tcp_ns: tcp_idle_ns, udp_ns: udp_idle_ns }))
}

fn joined(
    batch: &Bound<'_, PyAny>,
    join: impl FnOnce(Vec<FlowRecord>) -> (Vec<FlowRecord>, Vec<u32>),
) -> PyResult<(Batch, Batch)> {
    let batch = import(batch)?;
    let rows = table::rows_of(&batch).map_err(|error| arrow_error(&error))?;
    let pieces = bins::bins_of(&batch, &rows).map_err(|error| arrow_error(&error))?;
    let of_rows = payload::notes_of(&batch).map_err(|error| arrow_error(&error))?;
    let (joined, groups) = join(rows);
    let mut of_joined = vec![PayloadMeta::default(); joined.len()];
    for (note, &group) in of_rows.into_iter().zip(&groups) {
        of_joined[group as usize].absorb(note);
    }
    let (mut table, mut notes, mut columns) =
        (FlowRecords::default(), PayloadMetas::default(), bins::Columns::default());
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
#[pyo3(signature = (remnants, *, tcp_idle_ns, udp_idle_ns))]
fn join_remnants(
    remnants: Vec<Bound<'_, PyAny>>,
    tcp_idle_ns: u64,
    udp_idle_ns: u64,
) -> PyResult<Vec<(Batch, Vec<&'static str>)>> {
    let pieces = remnants
        .into_iter()
        .map(|batch| flow::remnants_of(&import(&batch)?).map_err(|error| arrow_error(&error)))
        .collect::<PyResult<Vec<_>>>()?;
    let found = flow::join_remnants(&pieces, Idle { tcp_ns: tcp_idle_ns, udp_ns: udp_idle_ns });
    let named = |reasons: Vec<Unmetered>| reasons.into_iter().map(Unmetered::name).collect();
    Ok(found.into_iter().map(|found| (Batch(found.rows), named(found.unmetered))).collect())
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
    use super::reader::{Reader, read};
    #[pymodule_export]
    use super::signatures::Signatures;
    #[pymodule_export]
    use super::{Batch, MeterError, community_ids, join, join_remnants, packets, stitch};
}
