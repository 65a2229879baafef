//! Python interface to signatures.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::payload::{self, Rule};

/// Compiled signatures, shared by readers.
#[pyclass(frozen)]
pub struct Signatures(pub(super) Arc<payload::Signatures>);

/// A rule as Python passes it: transports, ports, patterns, conditions, precedence, what to extract, and whether it
/// identifies the protocol.
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
