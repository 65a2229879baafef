//! From packets to flows: the key, the events, where one flow ends and the next begins.

mod ahead;
pub mod bins;
mod boundary;
mod community;
mod duplicates;
mod events;
mod fragments;
mod key;
mod meter;
mod pending;
mod stitch;

pub use ahead::{Ahead, Step};
pub use community::community_id;
pub use events::{Event, Events};
pub use key::Key;
pub use meter::{BadChecksums, Idle, Meter, Options};
pub use stitch::stitch;

#[cfg(test)]
pub(crate) mod tests;
