//! Properties of any input: checked by the fuzz targets, and over their corpus by `cargo test`.

#![allow(dead_code, unused_imports)] // each target uses a part of them

#[path = "capture.rs"]
mod of_capture;
#[path = "meter.rs"]
mod of_meter;
#[path = "payload.rs"]
mod of_payload;
#[path = "wire.rs"]
mod of_wire;
mod script;
mod traffic;

pub use of_capture::check as capture;
pub use of_meter::check as meter;
pub use of_payload::check as payload;
pub use of_wire::check as wire;
