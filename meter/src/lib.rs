//! The core of `classifier`: captured packets in, facts about bidirectional flows out.
//!
//! It never decides who is the server, knows no service and no connection state.
//! `capture` turns bytes into frames, `wire` frames into packets, `flow` packets into rows,
//! `payload` looks for signatures that are handed in, `table` turns rows into Arrow; `packets` shows one flow's
//! packets as they are. Only `python` knows Python.

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
