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
mod options;
mod pending;
mod record;
mod stitch;
mod tallies;

pub use ahead::{Ahead, Step};
pub use community::community_id;
pub use events::{Event, Events};
pub use key::Key;
pub use meter::{BadChecksums, Meter};
pub use options::{Idle, Options};
pub use stitch::stitch;
pub use tallies::Tallies;

#[cfg(test)]
pub(crate) mod tests;
