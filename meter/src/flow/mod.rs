//! From packets to flows: the key, the events, and the boundaries between flows.

mod astride;
pub mod bins;
mod boundary;
mod community;
mod cores;
mod counts;
mod decoded_packet;
mod duplicates;
mod events;
mod finished;
mod flow_table;
mod fragments;
mod key;
mod meter;
mod numbers;
mod options;
mod part;
mod record;
mod remnants;
mod settle;
mod stitch;
mod tallies;

pub use astride::join_remnants;
pub use community::community_id;
pub use cores::{BLOCK_BYTES, Cores, Progress, Sharing, Step};
pub use counts::{BadChecksums, Counts, UnmeteredCounts};
pub use decoded_packet::Totals;
pub use duplicates::Sensors;
pub use events::{Event, Events};
pub use finished::no_rows;
pub use key::Key;
pub use meter::Meter;
pub use numbers::Numbers;
pub use options::{Idle, Options};
pub use part::PARTS;
pub use remnants::{Remnant, batch as remnants_batch, remnants_of};
pub use stitch::{join, stitch};
pub use tallies::Tallies;

#[cfg(test)]
pub(crate) mod tests;
