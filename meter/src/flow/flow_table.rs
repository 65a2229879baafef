//! The active flows, found by key.

use std::ops::{Index, IndexMut};

use hashbrown::HashTable;

use super::Key;
use super::decoded_packet::{DecodedPacket, Decoder};
use crate::table::FlowRecord;

/// Packets looked up together: their flows lie far apart in memory, and the processor fetches them in parallel.
pub const LOOKED_UP: usize = 32;

/// Candidates for eviction beyond the cap on flows; the longest idle of them is ended.
const CANDIDATES: usize = 16;

/// Number of flows from which on memory for all possible ones is reserved, up to [`MAX_RESERVED`]: untouched memory
/// costs nothing, whereas growing copies everything and needs twice the memory.
const MANY: usize = 256;
const MAX_RESERVED: usize = 1 << 14;

/// Maximum rows of one key at a time, in other VLANs or of other connections. Beyond this the oldest is ended; later
/// packets of it are joined with it when rows are stitched.
pub const MAX_OF_KEY: usize = 8;

/// No place.
const NONE: u32 = u32::MAX;

/// Index entry: the place of a key's newest row.
#[derive(Clone, Copy)]
struct Slot {
    place: u32,
    /// Bits of the key's hash: they exclude nearly all other keys without reading their rows.
    tag: u32,
}

impl Slot {
    fn tag(hash: u64) -> u32 {
        (hash >> 24) as u32
    }
}

/// The rows of active flows, each at a fixed place.
pub struct FlowTable {
    index: HashTable<Slot>,
    /// A vacant place is listed in `vacant` and has no packets.
    rows: Vec<FlowRecord>,
    /// For each place, the place of the next older row of the same key, or [`NONE`].
    older: Vec<u32>,
    /// Number of rows that have an older one of the same key.
    chained: usize,
    vacant: Vec<u32>,
    swept: u32,
    /// Maximum number of flows.
    most: usize,
}

impl FlowTable {
    /// Creates a table without flows, for at most `most`.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        let (rows, older, vacant) = (Vec::new(), Vec::new(), Vec::new());
        Self { index: HashTable::new(), rows, older, chained: 0, vacant, swept: 0, most }
    }

    /// Returns the number of flows.
    pub fn len(&self) -> usize {
        self.rows.len() - self.vacant.len()
    }

    /// Returns the number of places, including vacant ones.
    pub fn places(&self) -> u32 {
        self.rows.len() as u32
    }

    /// Returns whether there is no place for a new flow.
    pub fn is_full(&self) -> bool {
        self.vacant.is_empty() && self.rows.len() >= self.most
    }

    /// Returns the place of the newest flow with a key.
    #[inline]
    pub fn find(&self, key: &Key, hash: u64) -> Option<u32> {
        let tag = Slot::tag(hash);
        self.index.find(hash, |slot| slot.tag == tag && self[slot.place].key == *key).map(|slot| slot.place)
    }

    /// Returns the probable place of the flow with a hash: see [`confirmed`](Self::confirmed).
    #[inline]
    pub fn look_up(&self, hash: u64) -> Option<u32> {
        let tag = Slot::tag(hash);
        self.index.find(hash, |slot| slot.tag == tag).map(|slot| slot.place)
    }

    /// Returns the place of the newest flow with a packet's key. An earlier packet may have begun or ended that flow
    /// since the lookup.
    #[inline]
    pub fn confirmed<P>(&self, place: Option<u32>, packet: &DecodedPacket<P>) -> Option<u32> {
        place
            .filter(|&place| self.chained == 0 && self[place].holds(&packet.key))
            .or_else(|| self.find(&packet.key, packet.hash))
    }

    /// Returns the place of the next older flow of the same key.
    #[inline]
    pub fn older(&self, place: u32) -> Option<u32> {
        Some(self.older[place as usize]).filter(|&older| older != NONE)
    }

    /// Inserts a new flow, the newest of its key, and returns its place.
    pub fn insert(&mut self, row: &FlowRecord, hash: u64, decoder: &Decoder) -> u32 {
        let place = if let Some(place) = self.vacant.pop() {
            self[place] = *row;
            place
        } else {
            if self.rows.len() == MANY {
                self.rows.reserve(self.most.min(MAX_RESERVED).saturating_sub(MANY));
            }
            self.rows.push(*row);
            self.older.push(NONE);
            self.places() - 1
        };
        let (rows, tag) = (&self.rows, Slot::tag(hash));
        let newest =
            self.index.find_mut(hash, |slot| slot.tag == tag && rows[slot.place as usize].key == row.key);
        if let Some(slot) = newest {
            self.older[place as usize] = std::mem::replace(&mut slot.place, place);
            self.chained += 1;
            return place;
        }
        self.older[place as usize] = NONE;
        self.index.insert_unique(hash, Slot { place, tag: Slot::tag(hash) }, |slot| {
            decoder.hash(&rows[slot.place as usize].key)
        });
        place
    }

    /// Vacates a place.
    pub fn remove(&mut self, place: u32, decoder: &Decoder) {
        let key = self[place].key;
        let (hash, older) = (decoder.hash(&key), self.older[place as usize]);
        if let Some(newest) = self.find(&key, hash) {
            if newest != place {
                self.unlink(newest, place, older);
                self.chained -= 1;
            } else if let Ok(mut entry) = self.index.find_entry(hash, |slot| slot.place == place) {
                if older == NONE {
                    entry.remove();
                } else {
                    entry.get_mut().place = older;
                    self.chained -= 1;
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

    /// Returns the next place of the sweep, which is cyclic; there must be at least one.
    pub fn sweep(&mut self) -> u32 {
        self.swept = if self.swept + 1 < self.places() { self.swept + 1 } else { 0 };
        self.swept
    }

    /// Returns the flow near the sweep's place that has been idle longest. Only valid while no place is vacant.
    pub fn most_idle(&mut self) -> Option<u32> {
        let places = self.rows.len();
        let candidates = (0..CANDIDATES).map(|step| ((self.swept as usize + step) % places) as u32);
        let place = candidates.min_by_key(|&place| self[place].last_seen_ns);
        self.swept = ((self.swept as usize + CANDIDATES) % places) as u32;
        place
    }
}

impl Index<u32> for FlowTable {
    type Output = FlowRecord;

    #[inline]
    fn index(&self, place: u32) -> &FlowRecord {
        &self.rows[place as usize]
    }
}

impl IndexMut<u32> for FlowTable {
    #[inline]
    fn index_mut(&mut self, place: u32) -> &mut FlowRecord {
        &mut self.rows[place as usize]
    }
}
