//! Packets in, rows out: the meter, its boundaries, and the law of stitching.

mod bins;
mod boundary;
mod duplicates;
mod fragments;
mod law;
mod meter;
pub mod packets;
mod settle;
mod stitch;
pub mod stories;
mod table;
