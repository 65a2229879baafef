//! The door to sessions: `live_stream`, `live_socket`.

#[cfg(unix)]
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{BATCH_ROWS, Batch, described};
use crate::capture::{Capture, CaptureError};
use crate::flow::{Idle, Meter, Options};
use crate::live::{Session, Source};

/// A session of metering a source that doesn't end.
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
    fn problem(&self) -> Option<(&'static str, u64, String)> {
        self.0.end()?.err().as_ref().map(described)
    }

    #[getter]
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.0.look(|meter| {
            let counts = PyDict::new(py);
            counts.set_item("packets", meter.packets())?;
            counts.set_item("wire_bytes", meter.wire_bytes())?;
            counts.set_item("evicted", meter.evicted())?;
            counts.set_item("span_ns", meter.span_ns())?;
            counts.set_item("unmetered", super::unmetered(py, meter)?)?;
            counts.set_item("unread_link_types", meter.unread_link_types().clone())?;
            Ok(counts)
        })
    }
}

fn start<S: Source>(
    options: Options,
    open: impl FnOnce() -> Result<S, CaptureError> + Send + 'static,
) -> PyResult<Live> {
    Ok(Live(Session::start(Meter::new(options), open)?))
}

/// Takes over a file descriptor that Python has let go of.
#[cfg(unix)]
#[allow(unsafe_code)]
fn taken_over(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the caller, `classifier.live`, passes what `detach()` returned: open, and nobody else's.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

#[cfg(unix)]
#[pyfunction]
#[pyo3(signature = (descriptor, *, tcp_idle_ns, udp_idle_ns, most_flows, decapsulate))]
pub fn live_stream(
    descriptor: RawFd,
    tcp_idle_ns: u64,
    udp_idle_ns: u64,
    most_flows: usize,
    decapsulate: bool,
) -> PyResult<Live> {
    let idle = Idle { tcp_ns: tcp_idle_ns, udp_ns: udp_idle_ns };
    let stream = std::fs::File::from(taken_over(descriptor));
    start(Options { idle, most_flows, decapsulate }, move || Capture::open(Box::new(stream)))
}

#[cfg(target_os = "linux")]
#[pyfunction]
#[pyo3(signature = (
    descriptor, *, link_type, incoming_only, snap_bytes, tcp_idle_ns, udp_idle_ns, most_flows, decapsulate
))]
#[allow(clippy::too_many_arguments)] // Python's keywords
pub fn live_socket(
    descriptor: RawFd,
    link_type: u16,
    incoming_only: bool,
    snap_bytes: usize,
    tcp_idle_ns: u64,
    udp_idle_ns: u64,
    most_flows: usize,
    decapsulate: bool,
) -> PyResult<Live> {
    use crate::live::socket::PacketSocket;
    let idle = Idle { tcp_ns: tcp_idle_ns, udp_ns: udp_idle_ns };
    let socket = taken_over(descriptor);
    start(Options { idle, most_flows, decapsulate }, move || {
        Ok(PacketSocket::new(socket, link_type, incoming_only, snap_bytes))
    })
}
