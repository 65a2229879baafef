//! The active flows, found by key.

use std::ops::{Index, IndexMut};

use hashbrown::HashTable;

use super::Key;
use super::pending::{Decoder, Pending};
use crate::table::Row;

/// So many packets are looked up together: their flows lie far apart in memory, and the processor
/// fetches them side by side instead of one after the other.
pub const LOOKED_UP: usize = 32;

/// Past the cap on flows, of so many the one that has been idle the longest is ended.
const CANDIDATES: usize = 16;

/// Room for so many flows is set aside from the start.
const MOST_RESERVED: usize = 1 << 18;

/// Rows of one key at a time, in other VLANs or of other connections. An older one is ended, and joined with
/// what comes of it later when rows are stitched.
pub const MOST_OF_KEY: usize = 8;

/// No place.
const NONE: u32 = u32::MAX;

/// The place of a key's newest row in the index.
#[derive(Clone, Copy)]
struct Slot {
    place: u32,
    /// Of the key's hash: tells nearly all other keys apart without a look at their rows.
    tag: u32,
}

impl Slot {
    fn tag(hash: u64) -> u32 {
        (hash >> 24) as u32
    }
}

/// The rows of active flows, each at a place that it keeps.
pub struct Active {
    index: HashTable<Slot>,
    /// A vacant place is listed in `vacant` and has no packets.
    rows: Vec<Row>,
    /// For each place that of the next older row of the same key, or [`NONE`].
    older: Vec<u32>,
    vacant: Vec<u32>,
    swept: u32,
    /// Since the last look-up a key has got a newer row.
    newer: bool,
}

impl Active {
    /// None, and room for so many.
    pub fn new(most: usize) -> Self {
        Self {
            index: HashTable::new(),
            // Memory that isn't touched costs nothing; growing by copies would, twice over.
            rows: Vec::with_capacity(most.min(MOST_RESERVED)),
            older: Vec::new(),
            vacant: Vec::new(),
            swept: 0,
            newer: false,
        }
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.rows.len() - self.vacant.len()
    }

    /// All places, vacant ones too.
    pub fn places(&self) -> u32 {
        self.rows.len() as u32
    }

    /// Whether a new flow would take a place more than `most`.
    pub fn is_full(&self, most: usize) -> bool {
        self.vacant.is_empty() && self.rows.len() >= most.max(1)
    }

    /// Where the newest flow with a key is.
    #[inline]
    pub fn find(&self, key: &Key, hash: u64) -> Option<u32> {
        let tag = Slot::tag(hash);
        self.index.find(hash, |slot| slot.tag == tag && self[slot.place].key == *key).map(|slot| slot.place)
    }

    /// Where the flows of at most [`LOOKED_UP`] packets probably are: see [`confirmed`](Self::confirmed).
    pub fn look_up<P>(&mut self, packets: &[Pending<P>]) -> [Option<u32>; LOOKED_UP] {
        self.newer = false;
        let mut places = [None; LOOKED_UP];
        for (place, packet) in places.iter_mut().zip(packets) {
            let tag = Slot::tag(packet.hash);
            *place = self.index.find(packet.hash, |slot| slot.tag == tag).map(|slot| slot.place);
        }
        for place in places.iter().flatten() {
            // Read what the packet will change, for the sake of the cache.
            let row = &self[*place];
            std::hint::black_box((row.key.proto, row.packets_ab, row.duplicates));
        }
        places
    }

    /// Where a packet's flow is. One before it may have begun the flow, or ended it, since it was looked up.
    #[inline]
    pub fn confirmed<P>(&self, place: Option<u32>, packet: &Pending<P>) -> Option<u32> {
        place
            .filter(|&place| !self.newer && self[place].holds(&packet.key))
            .or_else(|| self.find(&packet.key, packet.hash))
    }

    /// Where the next older flow of the same key is.
    #[inline]
    pub fn older(&self, place: u32) -> Option<u32> {
        Some(self.older[place as usize]).filter(|&older| older != NONE)
    }

    /// Finds a place for a new flow, the newest of its key.
    pub fn insert(&mut self, row: &Row, hash: u64, decoder: &Decoder) -> u32 {
        let place = if let Some(place) = self.vacant.pop() {
            self[place] = *row;
            place
        } else {
            self.rows.push(*row);
            self.older.push(NONE);
            self.places() - 1
        };
        let (rows, tag) = (&self.rows, Slot::tag(hash));
        let newest =
            self.index.find_mut(hash, |slot| slot.tag == tag && rows[slot.place as usize].key == row.key);
        if let Some(slot) = newest {
            self.older[place as usize] = std::mem::replace(&mut slot.place, place);
            self.newer = true;
            return place;
        }
        self.older[place as usize] = NONE;
        self.index.insert_unique(hash, Slot { place, tag: Slot::tag(hash) }, |slot| {
            decoder.hash(&rows[slot.place as usize].key)
        });
        place
    }

    /// Leaves a place vacant.
    pub fn remove(&mut self, place: u32, decoder: &Decoder) {
        let key = self[place].key;
        let (hash, older) = (decoder.hash(&key), self.older[place as usize]);
        if let Some(newest) = self.find(&key, hash) {
            if newest != place {
                self.unlink(newest, place, older);
            } else if let Ok(mut entry) = self.index.find_entry(hash, |slot| slot.place == place) {
                if older == NONE {
                    entry.remove();
                } else {
                    entry.get_mut().place = older;
                }
            }
        }
        self[place].vacate();
        self.vacant.push(place);
    }

    fn unlink(&mut self, newest: u32, place: u32, older: u32) {
        let mut newer = newest;
        while self.older[newer as usize] != place {
            newer = self.older[newer as usize];
        }
        self.older[newer as usize] = older;
    }

    /// The next place of the sweep, which goes round and round; there must be one.
    pub fn sweep(&mut self) -> u32 {
        self.swept = if self.swept + 1 < self.places() { self.swept + 1 } else { 0 };
        self.swept
    }

    /// Near the sweep's place, the flow that was idle for the longest. For when none is vacant.
    pub fn most_idle(&mut self) -> Option<u32> {
        let places = self.rows.len();
        let candidates = (0..CANDIDATES).map(|step| ((self.swept as usize + step) % places) as u32);
        let place = candidates.min_by_key(|&place| self[place].last_seen_ns);
        self.swept = ((self.swept as usize + CANDIDATES) % places) as u32;
        place
    }
}

impl Index<u32> for Active {
    type Output = Row;

    #[inline]
    fn index(&self, place: u32) -> &Row {
        &self.rows[place as usize]
    }
}

impl IndexMut<u32> for Active {
    #[inline]
    fn index_mut(&mut self, place: u32) -> &mut Row {
        &mut self.rows[place as usize]
    }
}
