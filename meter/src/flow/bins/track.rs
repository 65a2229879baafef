//! The bins of flows while they are metered.

use super::{BASE_NS, Bins, Counts, level};
use crate::table::FlowRecord;

const NONE: u32 = u32::MAX;

/// What a flow had counted when it left a bin.
struct Entry {
    /// The entry before it of the same flow, or [`NONE`].
    before: u32,
    /// The packets of one that came out of order, which are not in the bin of the row's last packet.
    apart: bool,
    /// A time in the bin.
    time_ns: i64,
    counts: Counts,
}

/// The bins that flows have left, by the flow's place; each is still in the bin of its last packet.
///
/// Flows lie far apart in memory. Leaving a bin only adds an entry, and reads none.
pub struct Tracks {
    /// Latest entries, or [`NONE`].
    of_place: Vec<u32>,
    entries: Vec<Entry>,
    vacant: Vec<u32>,
    /// How wide all bins are now; that follows from the span of the capture so far.
    level: u32,
    span_ns: Option<(i64, i64)>,
    /// The bin of the latest packet.
    bin_ns: (i64, i64),
    /// Those that were asked for last.
    asked: Bins,
}

/// The track of a flow that has ended.
#[derive(Clone, Copy)]
pub struct Ended {
    /// Its latest entry, or [`NONE`].
    latest: u32,
    /// How wide the bins were at its end.
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
    /// Whether a packet falls into the bin that the row's last packet was in.
    #[inline]
    pub fn stays(&mut self, row: &FlowRecord, time_ns: i64) -> bool {
        self.now(time_ns);
        (self.bin_ns.0..=self.bin_ns.1).contains(&row.last_seen_ns)
    }

    /// Notes the time of a packet.
    #[inline]
    pub fn now(&mut self, time_ns: i64) {
        if !(self.bin_ns.0..=self.bin_ns.1).contains(&time_ns) {
            self.enter(time_ns);
        }
    }

    /// Enters another bin, of the width that the span of the capture asks for.
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

    /// Notes that a flow leaves the bin of its last packet for one that [`stays`](Self::stays) not.
    ///
    /// `counts` are the packet's own.
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

    /// Reads tracks that are about to be collected, side by side: their entries have long been out of the cache,
    /// and each tells where the next one is.
    pub fn fetch<const MOST: usize>(&self, mut tracks: [Ended; MOST]) {
        while tracks.iter().any(|track| track.latest != NONE) {
            for track in &mut tracks {
                track.latest = self.entries.get(track.latest as usize).map_or(NONE, |entry| entry.before);
            }
        }
    }

    /// The bins of a flow whose track was ended, as wide as they were then.
    pub fn of_ended(&mut self, track: Ended, row: &FlowRecord) -> &Bins {
        self.collect(track, row, true);
        &self.asked
    }

    /// The bins so far of the flow at a place, as wide as they are now.
    pub fn of(&mut self, place: u32, row: &FlowRecord) -> &Bins {
        let latest = self.of_place.get(place as usize).copied().unwrap_or(NONE);
        self.collect(Ended { latest, level: self.level }, row, false);
        &self.asked
    }

    fn collect(&mut self, Ended { mut latest, level }: Ended, row: &FlowRecord, free: bool) {
        let mut sums = Counts::of(row);
        let mut time_ns = row.last_seen_ns;
        self.asked.begin(level);
        // Backwards: what came apart is not in the sums of the bin it was seen in.
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
