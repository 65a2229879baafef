//! Fragments of datagrams astride a cut find their header in another piece of the capture.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use arrow_array::RecordBatch;

use super::fragments::LIFETIME_NS;
use super::{Idle, Key, Meter, Options, Remnant};
use crate::wire::Unmetered;

/// What became of a piece's fragments that waited.
pub struct Found {
    /// The rows of those whose header was in another piece.
    pub rows: RecordBatch,
    /// Those that another piece shows to have no ports, by reason.
    pub unmetered: Vec<Unmetered>,
}

/// Finds the headers of the fragments that waited in vain, piece by piece, in the other pieces.
#[must_use]
pub fn join_remnants(pieces: &[Vec<Remnant>], idle: Idle) -> Vec<Found> {
    type Headers<'r> = HashMap<(Key, u32, u32), Vec<(usize, &'r Remnant)>, RandomState>;
    let mut headers = Headers::default();
    for (piece, remnants) in pieces.iter().enumerate() {
        for remnant in remnants.iter().filter(|remnant| remnant.is_header()) {
            headers.entry(remnant.datagram()).or_default().push((piece, remnant));
        }
    }
    let header = |piece: usize, waiting: &Remnant| {
        let near = headers.get(&waiting.datagram()).into_iter().flatten().filter(|(other, header)| {
            *other != piece && header.time_ns().abs_diff(waiting.time_ns()) <= LIFETIME_NS
        });
        // The latest before it, else the earliest after.
        near.min_by_key(|(other, header)| {
            (header.time_ns() > waiting.time_ns(), header.time_ns().abs_diff(waiting.time_ns()), *other)
        })
    };
    let found = |(piece, remnants): (usize, &Vec<Remnant>)| {
        let options = Options {
            idle,
            most_flows: usize::MAX,
            decapsulate: true,
            dedup: false,
            verify_checksums: false,
        };
        let (mut meter, mut unmetered) = (Meter::new(options, Arc::default()), Vec::new());
        for waiting in remnants.iter().filter(|remnant| !remnant.is_header()) {
            match header(piece, waiting).map(|(_, header)| header.header()) {
                Some(Ok(header)) => meter.fragment(header, &waiting.waiting()),
                Some(Err(reason)) => unmetered.push(reason),
                None => {}
            }
        }
        meter.finish(usize::MAX);
        Found { rows: meter.take(), unmetered }
    };
    pieces.iter().enumerate().map(found).collect()
}
