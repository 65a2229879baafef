//! The time bins of active flows.

use super::{BASE_NS, Bins, Counts, level};
use crate::table::FlowRecord;

const NONE: u32 = u32::MAX;

/// Totals of a flow at the moment when it left a bin.
struct Entry {
    /// The flow's previous entry, or [`NONE`].
    before: u32,
    /// Packets that came out of order, outside the bin of the row's last packet.
    apart: bool,
    /// A time within the bin.
    time_ns: i64,
    counts: Counts,
}

/// Time bins that flows have left, by the flow's place. The bin of a flow's last packet is still open.
///
/// Flows lie far apart in memory. Leaving a bin only appends an entry, and reads none.
pub struct Tracks {
    /// Latest entry of each place, or [`NONE`].
    of_place: Vec<u32>,
    entries: Vec<Entry>,
    vacant: Vec<u32>,
    /// Level of all bins at present; it follows from the span of the capture so far.
    level: u32,
    span_ns: Option<(i64, i64)>,
    /// Bin of the latest packet.
    bin_ns: (i64, i64),
    /// Bins returned last.
    asked: Bins,
}

/// The track of a finished flow.
#[derive(Clone, Copy)]
pub struct Ended {
    /// Its latest entry, or [`NONE`].
    latest: u32,
    /// Level of the bins when the flow ended.
    level: u32,
}

impl Default for Ended {
    fn default() -> Self {
        Self { latest: NONE, level: 0 }
    }
}

impl Default for Tracks {
    fn default() -> Self {
        Self {
            of_place: Vec::new(),
            entries: Vec::new(),
            vacant: Vec::new(),
            level: 0,
            span_ns: None,
            bin_ns: (0, -1),
            asked: Bins::default(),
        }
    }
}

impl Tracks {
    /// Returns whether a packet falls into the bin of the row's last packet.
    #[inline]
    pub fn stays(&mut self, row: &FlowRecord, time_ns: i64) -> bool {
        self.now(time_ns);
        (self.bin_ns.0..=self.bin_ns.1).contains(&row.last_seen_ns)
    }

    /// Records the time of a packet.
    #[inline]
    pub fn now(&mut self, time_ns: i64) {
        if !(self.bin_ns.0..=self.bin_ns.1).contains(&time_ns) {
            self.enter(time_ns);
        }
    }

    /// Enters another bin, widening all bins as the span of the capture requires.
    #[cold]
    fn enter(&mut self, time_ns: i64) {
        let (first, last) = self.span_ns.unwrap_or((time_ns, time_ns));
        let (first, last) = (first.min(time_ns), last.max(time_ns));
        self.span_ns = Some((first, last));
        self.level = level(first, last);
        let width_ns = BASE_NS << self.level;
        let start_ns = super::number(time_ns, self.level).saturating_mul(width_ns);
        self.bin_ns = (start_ns, start_ns.saturating_add(width_ns - 1));
    }

    /// Records a packet outside the flow's current bin, that is, after [`stays`](Self::stays) returned false.
    ///
    /// `counts` are those of the packet alone.
    #[inline]
    pub fn leave(&mut self, place: u32, row: &FlowRecord, time_ns: i64, counts: Counts) {
        if time_ns < row.last_seen_ns {
            self.push(place, true, time_ns, counts);
        } else {
            self.push(place, false, row.last_seen_ns, Counts::of(row));
        }
    }

    #[inline]
    fn push(&mut self, place: u32, apart: bool, time_ns: i64, counts: Counts) {
        let place = place as usize;
        if self.of_place.len() <= place {
            self.of_place.resize(place + 1, NONE);
        }
        let entry = Entry { before: self.of_place[place], apart, time_ns, counts };
        self.of_place[place] = if let Some(number) = self.vacant.pop() {
            self.entries[number as usize] = entry;
            number
        } else {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32
        };
    }

    /// Ends the track of the flow at a place.
    pub fn end(&mut self, place: u32) -> Ended {
        let latest =
            self.of_place.get_mut(place as usize).map_or(NONE, |latest| std::mem::replace(latest, NONE));
        Ended { latest, level: self.level }
    }

    /// Prefetches tracks that are about to be collected, side by side: their entries have long left the cache, and
    /// each one holds the place of the next.
    pub fn fetch<const MOST: usize>(&self, mut tracks: [Ended; MOST]) {
        while tracks.iter().any(|track| track.latest != NONE) {
            for track in &mut tracks {
                track.latest = self.entries.get(track.latest as usize).map_or(NONE, |entry| entry.before);
            }
        }
    }

    /// Returns the bins of a finished flow, as wide as they were when it ended.
    pub fn of_ended(&mut self, track: Ended, row: &FlowRecord) -> &Bins {
        self.collect(track, row, true);
        &self.asked
    }

    /// Returns the bins so far of the active flow at a place, as wide as they are now.
    pub fn of(&mut self, place: u32, row: &FlowRecord) -> &Bins {
        let latest = self.of_place.get(place as usize).copied().unwrap_or(NONE);
        self.collect(Ended { latest, level: self.level }, row, false);
        &self.asked
    }

    fn collect(&mut self, Ended { mut latest, level }: Ended, row: &FlowRecord, free: bool) {
        let mut sums = Counts::of(row);
        let mut time_ns = row.last_seen_ns;
        self.asked.begin(level);
        // Backwards: packets out of order are not in the totals of the bin that was current then.
        while let Some(entry) = self.entries.get(latest as usize) {
            if entry.apart {
                self.asked.add_at(entry.time_ns, &entry.counts);
                sums = sums.since(&entry.counts);
            } else {
                self.asked.add_at(time_ns, &sums.since(&entry.counts));
                (sums, time_ns) = (entry.counts, entry.time_ns);
            }
            if free {
                self.vacant.push(latest);
            }
            latest = entry.before;
        }
        self.asked.add_at(time_ns, &sums);
    }
}
