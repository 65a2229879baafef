//! The core of `classifier`: reads captured packets and returns facts about bidirectional flows.
//!
//! It makes no decision about the server, and knows neither services nor connection states.
//! `capture` turns bytes into frames, `wire` frames into packets, `flow` packets into rows, `payload` matches the
//! signatures it is given, `table` turns rows into Arrow; `packets` shows the packets of one flow as they are. Only
//! `python` depends on Python.

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
