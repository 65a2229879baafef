//! Joins fragments whose datagram lies across a cut with its header in another piece of the capture.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use arrow_array::RecordBatch;

use super::fragments::LIFETIME_NS;
use super::{Idle, Key, Meter, Options, Remnant};
use crate::wire::Unmetered;

/// Result for the orphan fragments of one piece.
pub struct Found {
    /// Flows of the fragments whose header is in another piece.
    pub rows: RecordBatch,
    /// Reasons of the fragments whose datagram has no ports, as another piece shows.
    pub unmetered: Vec<Unmetered>,
}

/// Returns, for each piece, its orphan fragments joined with headers from the other pieces.
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
        // The latest header before the fragment, else the earliest after it.
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
