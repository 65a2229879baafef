//! A flow's packets and bytes over time, in a bounded number of bins.
//!
//! A bin is as wide as a power of two times [`BASE_NS`], and aligned to the epoch; the width follows
//! from the span of the capture so far. So the bins of pieces, made as wide as the span of them all
//! asks for and added, are those of the whole.
//!
//! Few packets come here: while a flow stays in one bin its row counts for it.

mod columns;
mod track;

use crate::table::FlowRecord;

pub use columns::{Columns, bins_of};
pub use track::{Ended, Tracks};

/// The width of the narrowest bin: a 64th of a second.
pub const BASE_NS: i64 = 1_000_000_000 / 64;
/// A capture has at most so many bins.
pub const MOST_BINS: i64 = 128;

/// What was seen within some time.
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

/// How many times bins are doubled in width, so that [`MOST_BINS`] are enough.
#[inline]
fn level(first_ns: i64, last_ns: i64) -> u32 {
    let (first, last) = (first_ns.div_euclid(BASE_NS), last_ns.div_euclid(BASE_NS));
    let level = u64::BITS - ((last - first) / MOST_BINS).unsigned_abs().leading_zeros();
    // As many may lie across one more border.
    level + u32::from((last >> level) - (first >> level) >= MOST_BINS)
}

/// The number of the bin that a time is in.
#[inline]
fn number(time_ns: i64, level: u32) -> i64 {
    time_ns.div_euclid(BASE_NS) >> level
}

/// The bins of a flow that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bins {
    level: u32,
    /// Those with packets, the latest first.
    filled: Vec<(i64, Counts)>,
}

impl Bins {
    fn new(level: u32) -> Self {
        Self { level, filled: Vec::new() }
    }

    /// Forgets all, but not the room for it.
    fn begin(&mut self, level: u32) {
        self.level = level;
        self.filled.clear();
    }

    /// Adds what was seen in the bin of a time.
    fn add_at(&mut self, time_ns: i64, counts: &Counts) {
        if *counts != Counts::default() {
            self.add(number(time_ns, self.level), counts);
        }
    }

    fn add(&mut self, number: i64, counts: &Counts) {
        // Mostly they come in order.
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

/// The bins of so many joined rows, given those of their pieces and into which row each went.
#[must_use]
pub fn joined(pieces: Vec<Bins>, groups: &[u32], most: usize) -> Vec<Bins> {
    let mut joined = vec![Bins::default(); most];
    for (bins, &group) in pieces.into_iter().zip(groups) {
        joined[group as usize].absorb(bins);
    }
    joined
}
