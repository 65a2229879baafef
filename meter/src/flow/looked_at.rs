//! Payloads on their way to the observer: copied, for a frame's bytes are gone when its flow is known.

use crate::payload::MOST_SEEN_BYTES;

/// So many ends of flows are remembered of which nothing more is looked at. They are a shortcut: one that was
/// pushed out by another is looked up in its flow.
const REMEMBERED: usize = 1 << 14;

/// The payloads of the waiting packets, and of which ends no more are needed.
pub struct LookedAt {
    bytes: Vec<u8>,
    /// Tags of ends; 0: nobody.
    settled: Box<[u64]>,
}

/// Where a waiting packet's payload is.
#[derive(Clone, Copy, Default)]
pub struct Place {
    start: u32,
    length: u32,
}

/// An end of a flow for a while: no flow ends by idling between two packets of the same while.
#[derive(Clone, Copy)]
pub struct End {
    place: usize,
    tag: u64,
}

impl End {
    /// `hash` is that of the flow's key.
    #[inline]
    pub fn new(hash: u64, from_a: bool, time_ns: i64, idle_ns: u64) -> Self {
        // The largest power of two that is no longer than the idle time; less than a nanosecond can't be told.
        let while_bits = idle_ns.max(1).ilog2().min(62);
        let number = u64::from_ne_bytes((time_ns >> while_bits).to_ne_bytes());
        // All the bits of the hash: two ends that share them are not met. Never 0.
        let tag = hash ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(from_a) | 1 << 63;
        Self { place: Self::place(hash, from_a), tag }
    }

    fn place(hash: u64, from_a: bool) -> usize {
        (hash as usize ^ usize::from(from_a)) % REMEMBERED
    }
}

impl Default for LookedAt {
    fn default() -> Self {
        Self { bytes: Vec::new(), settled: vec![0; REMEMBERED].into() }
    }
}

impl LookedAt {
    /// Keeps a payload, unless its end is settled.
    #[inline]
    pub fn keep(&mut self, payload: &[u8], end: End) -> Place {
        if payload.is_empty() || self.settled[end.place] == end.tag {
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
    pub fn settle(&mut self, end: End) {
        self.settled[end.place] = end.tag;
    }

    /// Notes that a new flow begins under a key, or may begin.
    pub fn begin(&mut self, hash: u64) {
        for from_a in [false, true] {
            self.settled[End::place(hash, from_a)] = 0;
        }
    }

    /// The waiting packets have been taken in.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}
