//! Packets in, rows out: the meter, its boundaries, and the law of stitching.

mod ahead;
mod bins;
mod boundary;
mod duplicates;
mod fragments;
mod law;
mod meter;
pub mod packets;
mod settle;
mod stitch;
mod stories;
mod table;
