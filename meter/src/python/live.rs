//! Python interface to live sessions: `live_stream`, `live_socket`.

use std::fs::File;
#[cfg(unix)]
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{BATCH_ROWS, Batch, ErrorArgs, MeterOptions, Signatures, error_args};
use crate::capture::{Capture, CaptureError};
use crate::flow::Meter;
#[cfg(target_os = "linux")]
use crate::live::socket::PacketSocket;
use crate::live::{Session, Source};

/// A session that meters a live source.
#[pyclass(frozen)]
pub struct Live(Session);

#[pymethods]
impl Live {
    fn window(&self, py: Python<'_>) -> (Batch, Batch) {
        let (finished, active) = py.detach(|| self.0.window());
        (Batch(finished), Batch(active))
    }

    fn finish(&self, py: Python<'_>) -> (Batch, bool) {
        let (finished, last) = py.detach(|| self.0.finish(BATCH_ROWS));
        (Batch(finished), last)
    }

    fn stop(&self) {
        self.0.stop();
    }

    #[getter]
    fn ended(&self) -> bool {
        self.0.end().is_some()
    }

    #[getter]
    fn problem(&self) -> Option<ErrorArgs> {
        self.0.end()?.err().as_ref().map(error_args)
    }

    #[getter]
    fn keep_problem(&self) -> Option<String> {
        self.0.keep_problem()
    }

    #[getter]
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dropped = self.0.dropped();
        self.0.inspect(|meter| super::counters(py, &meter.counts(), meter.totals(), dropped))
    }

    #[getter]
    fn active_flows(&self) -> usize {
        self.0.inspect(Meter::active_flows)
    }
}

fn start<S: Source>(
    signatures: &Signatures,
    options: MeterOptions,
    keep: Option<File>,
    open: impl FnOnce() -> Result<S, CaptureError> + Send + 'static,
) -> PyResult<Live> {
    Ok(Live(Session::start(Meter::new(options.into(), Arc::clone(&signatures.0)), keep, open)?))
}

/// Takes ownership of a file descriptor that Python has detached.
#[cfg(unix)]
#[allow(unsafe_code)]
fn owned(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the caller, `classifier.live`, passes the result of `detach()`: open, with no other owner.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

#[cfg(unix)]
#[pyfunction]
#[pyo3(signature = (descriptor, signatures, options, *, keep = None))]
pub fn live_stream(
    descriptor: RawFd,
    signatures: &Bound<'_, Signatures>,
    options: MeterOptions,
    keep: Option<RawFd>,
) -> PyResult<Live> {
    let keep = keep.map(|keep| File::from(owned(keep)));
    let stream = File::from(owned(descriptor));
    start(signatures.get(), options, keep, move || Capture::open(Box::new(stream)))
}

#[cfg(target_os = "linux")]
#[pyfunction]
#[pyo3(signature = (descriptor, signatures, options, *, link_type, loopback, snap_bytes, keep = None))]
pub fn live_socket(
    descriptor: RawFd,
    signatures: &Bound<'_, Signatures>,
    options: MeterOptions,
    link_type: u16,
    loopback: usize,
    snap_bytes: usize,
    keep: Option<RawFd>,
) -> PyResult<Live> {
    let keep = keep.map(|keep| File::from(owned(keep)));
    let socket = owned(descriptor);
    start(signatures.get(), options, keep, move || {
        Ok(PacketSocket::new(socket, link_type, loopback, snap_bytes))
    })
}
