//! Payloads on their way to the observer: copied, for a frame's bytes are gone when its flow is known.

use crate::payload::MOST_SEEN_BYTES;

/// So many ends of flows are remembered of which nothing more is looked at. They are a shortcut: one that was
/// pushed out by another is looked up in its flow.
const REMEMBERED: usize = 1 << 14;

/// The payloads of the waiting packets, and of which ends no more are needed.
pub struct LookedAt {
    bytes: Vec<u8>,
    settled: Box<[Settled]>,
}

/// An end of a flow of which no more payloads are needed.
#[derive(Clone, Copy, Default)]
struct Settled {
    /// All the bits of the hash: two keys that share them are not met. 0: nobody.
    tag: u64,
    /// A packet of the flow had this time.
    time_ns: i64,
}

/// Where a waiting packet's payload is.
#[derive(Clone, Copy, Default)]
pub struct Place {
    start: u32,
    length: u32,
}

impl Default for LookedAt {
    fn default() -> Self {
        Self { bytes: Vec::new(), settled: vec![Settled::default(); REMEMBERED].into() }
    }
}

impl LookedAt {
    /// Keeps a payload, unless its end is settled. `hash` is that of the flow's key.
    ///
    /// Whether the packet belongs to that flow, or begins a new one, isn't known yet: it does if no more than the
    /// idle time lies between, and it is no SYN.
    #[inline]
    pub fn keep(&mut self, payload: &[u8], hash: u64, from_a: bool, time_ns: i64, idle_ns: u64) -> Place {
        if payload.is_empty() {
            return Place::default();
        }
        let settled = &mut self.settled[Self::at(hash, from_a)];
        if settled.tag == Self::tag(hash, from_a) && time_ns.abs_diff(settled.time_ns) <= idle_ns {
            settled.time_ns = time_ns;
            return Place::default();
        }
        let kept = &payload[..payload.len().min(MOST_SEEN_BYTES)];
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(kept);
        Place { start, length: kept.len() as u32 }
    }

    /// A payload that was kept; empty if there is none.
    #[inline]
    pub fn payload(&self, place: Place) -> &[u8] {
        &self.bytes[place.start as usize..(place.start + place.length) as usize]
    }

    /// Notes that no more payloads of this end are needed.
    pub fn settle(&mut self, hash: u64, from_a: bool, time_ns: i64) {
        self.settled[Self::at(hash, from_a)] = Settled { tag: Self::tag(hash, from_a), time_ns };
    }

    /// Notes that a new flow begins under this key, or may begin.
    pub fn begin(&mut self, hash: u64) {
        for from_a in [false, true] {
            let settled = &mut self.settled[Self::at(hash, from_a)];
            if settled.tag == Self::tag(hash, from_a) {
                settled.tag = 0;
            }
        }
    }

    /// The waiting packets have been taken in.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    fn at(hash: u64, from_a: bool) -> usize {
        (hash as usize ^ usize::from(from_a)) % REMEMBERED
    }

    /// Never 0.
    fn tag(hash: u64, from_a: bool) -> u64 {
        hash ^ u64::from(from_a) | 1 << 63
    }
}
