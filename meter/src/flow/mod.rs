//! From packets to flows: the key, the events, where one flow ends and the next begins.

mod active;
mod ahead;
pub mod bins;
mod boundary;
mod community;
mod duplicates;
mod events;
mod finished;
mod fragments;
mod key;
mod meter;
mod numbers;
mod options;
mod pending;
mod record;
mod settle;
mod stitch;

pub use ahead::{Ahead, Step};
pub use community::community_id;
pub use events::{Event, Events};
pub use key::Key;
pub use meter::{BadChecksums, Meter};
pub use numbers::{Numbers, Span};
pub use options::{Idle, Options};
pub use stitch::{join, stitch};

#[cfg(test)]
pub(crate) mod tests;
