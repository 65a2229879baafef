//! A flow's packets and bytes over time, in a bounded number of bins.
//!
//! The width of a bin is a power of two times [`BASE_NS`], and bins are aligned to the epoch. The width follows from
//! the span of the capture so far: the bins of pieces, widened to the width for the whole span and added, are the
//! bins of the whole.
//!
//! Few packets get here: while a flow stays in one bin, its row holds the counts.

mod columns;
mod track;

use crate::table::FlowRecord;

pub use columns::{Columns, bins_of};
pub use track::{Ended, Tracks};

/// Width of the narrowest bin: 1/64 s.
pub const BASE_NS: i64 = 1_000_000_000 / 64;
/// Maximum bins of a capture.
pub const MAX_BINS: i64 = 128;

/// Packets and bytes within a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets from a to b.
    pub packets_ab: u64,
    /// Packets from b to a.
    pub packets_ba: u64,
    /// IP bytes from a to b.
    pub bytes_ab: u64,
    /// IP bytes from b to a.
    pub bytes_ba: u64,
}

impl Counts {
    fn of(row: &FlowRecord) -> Self {
        let FlowRecord { packets_ab, packets_ba, bytes_ab, bytes_ba, .. } = *row;
        Self { packets_ab, packets_ba, bytes_ab, bytes_ba }
    }

    fn add(&mut self, other: &Self) {
        self.packets_ab = self.packets_ab.saturating_add(other.packets_ab);
        self.packets_ba = self.packets_ba.saturating_add(other.packets_ba);
        self.bytes_ab = self.bytes_ab.saturating_add(other.bytes_ab);
        self.bytes_ba = self.bytes_ba.saturating_add(other.bytes_ba);
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            packets_ab: self.packets_ab.saturating_sub(before.packets_ab),
            packets_ba: self.packets_ba.saturating_sub(before.packets_ba),
            bytes_ab: self.bytes_ab.saturating_sub(before.bytes_ab),
            bytes_ba: self.bytes_ba.saturating_sub(before.bytes_ba),
        }
    }
}

/// Returns how often the width of bins is doubled so that [`MAX_BINS`] suffice.
#[inline]
fn level(first_ns: i64, last_ns: i64) -> u32 {
    let (first, last) = (first_ns.div_euclid(BASE_NS), last_ns.div_euclid(BASE_NS));
    let level = u64::BITS - ((last - first) / MAX_BINS).unsigned_abs().leading_zeros();
    // Up to this many bins may span one more boundary.
    level + u32::from((last >> level) - (first >> level) >= MAX_BINS)
}

/// Returns the number of the bin that contains a time.
#[inline]
fn number(time_ns: i64, level: u32) -> i64 {
    time_ns.div_euclid(BASE_NS) >> level
}

/// The time bins of a finished flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bins {
    level: u32,
    /// Non-empty bins, latest first.
    filled: Vec<(i64, Counts)>,
}

impl Bins {
    fn new(level: u32) -> Self {
        Self { level, filled: Vec::new() }
    }

    /// Clears the bins but keeps their memory.
    fn begin(&mut self, level: u32) {
        self.level = level;
        self.filled.clear();
    }

    /// Adds packets and bytes to the bin that contains a time.
    fn add_at(&mut self, time_ns: i64, counts: &Counts) {
        if *counts != Counts::default() {
            self.add(number(time_ns, self.level), counts);
        }
    }

    fn add(&mut self, number: i64, counts: &Counts) {
        // Usually in order.
        if self.filled.last().is_none_or(|last| number < last.0) {
            self.filled.push((number, *counts));
            return;
        }
        match self.filled.binary_search_by(|bin| number.cmp(&bin.0)) {
            Ok(place) => self.filled[place].1.add(counts),
            Err(place) => self.filled.insert(place, (number, *counts)),
        }
    }

    fn widen(&mut self, level: u32) {
        if level > self.level {
            let doubled = level - self.level;
            self.level = level;
            for (number, counts) in std::mem::take(&mut self.filled) {
                self.add(number >> doubled, &counts);
            }
        }
    }

    /// Adds the bins of another piece of the same flow.
    fn absorb(&mut self, mut other: Self) {
        let level = self.level.max(other.level);
        self.widen(level);
        other.widen(level);
        for (number, counts) in other.filled {
            self.add(number, &counts);
        }
    }
}

/// Returns the bins of `most` joined rows, given the bins of their pieces and the row that each piece went into.
#[must_use]
pub fn joined(pieces: Vec<Bins>, groups: &[u32], most: usize) -> Vec<Bins> {
    let mut joined = vec![Bins::default(); most];
    for (bins, &group) in pieces.into_iter().zip(groups) {
        joined[group as usize].absorb(bins);
    }
    joined
}
