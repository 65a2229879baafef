//! The core of `classifier`: meters captured packets into bidirectional flows.
//!
//! It does not infer the server, and knows neither services nor connection states.
//! `capture` reads bytes into frames, `wire` decodes frames into packets, `flow` aggregates packets into rows,
//! `payload` matches the given signatures, `table` converts rows to Arrow, `packets` returns the packets of one flow.
//! Only `python` depends on Python.

#[forbid(unsafe_code)]
pub mod capture;
#[forbid(unsafe_code)]
pub mod flow;
#[forbid(unsafe_code)]
pub mod live;
#[forbid(unsafe_code)]
pub mod packets;
#[forbid(unsafe_code)]
pub mod payload;
#[cfg(feature = "python")]
mod python;
#[forbid(unsafe_code)]
pub mod table;
#[forbid(unsafe_code)]
pub mod wire;
