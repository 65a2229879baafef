//! The flows of one part of the key space.
//!
//! A part is independent of the packets of other parts: parts can be metered by any number of threads with the same
//! rows.

use std::sync::Arc;

use super::bins::{self, Tracks};
use super::boundary::{self, Fit};
use super::counts::Counts;
use super::decoded_packet::{DecodedPacket, Decoder};
use super::duplicates::{Duplicate, Duplicates};
use super::finished::{Ended, Finished, TOGETHER};
use super::flow_table::{FlowTable, MAX_OF_KEY};
use super::{Key, Options};
use crate::payload::{PayloadInspector, Seen, Signatures};
use crate::table::FlowRecord;
use crate::wire::{Quoted, Unmetered};

/// Number of parts of the key space: a constant, so that no result depends on the number of threads.
pub const PARTS: usize = 16;

/// Old flows that the sweep visits for each new flow: enough to hold at most a third more flows than are active.
const SWEPT_PER_NEW: u32 = 4;

impl Key {
    /// Returns the part of the key space of this key: from transport, addresses and ports only, the same in each run.
    #[inline]
    #[must_use]
    pub fn part(&self) -> usize {
        const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
        let fold = |address: [u8; 16]| {
            let address = u128::from_le_bytes(address);
            (address >> 64) as u64 ^ address as u64
        };
        let ports = u64::from(self.port_a) << 32 | u64::from(self.port_b) << 8 | u64::from(self.proto);
        let addresses = (fold(self.addr_a) ^ fold(self.addr_b).rotate_left(17)).wrapping_mul(MIX);
        let mixed = (addresses ^ addresses >> 32 ^ ports).wrapping_mul(MIX);
        (mixed >> 32) as usize % PARTS
    }
}

/// The active flows of a part, and finished ones that wait to be collected.
pub struct Part {
    options: Options,
    decoder: Decoder,
    active: FlowTable,
    /// The time bins that flows have left.
    tracks: Tracks,
    inspector: PayloadInspector,
    duplicates: Duplicates,
    ended: Vec<Ended>,
    /// Number of places whose flows `finish` has ended.
    finished_places: u32,
    counts: Counts,
}

impl Part {
    /// Creates a part without flows.
    pub fn new(options: Options, signatures: Arc<Signatures>, decoder: Decoder) -> Self {
        Self {
            options,
            decoder,
            active: FlowTable::new(options.most_flows.div_ceil(PARTS)),
            tracks: Tracks::default(),
            inspector: PayloadInspector::new(signatures),
            duplicates: Duplicates::default(),
            ended: Vec::new(),
            finished_places: 0,
            counts: Counts::default(),
        }
    }

    /// Returns the probable place of a packet's flow: see [`FlowTable::confirmed`].
    #[inline]
    pub fn look_up(&self, hash: u64) -> Option<u32> {
        self.active.look_up(hash)
    }

    /// Prefetches what a packet will change; its flow was looked up at `place`.
    #[inline]
    pub fn fetch<P>(&self, packet: &DecodedPacket<P>, place: Option<u32>) {
        self.duplicates.fetch(packet);
        if let Some(place) = place {
            let row = &self.active[place];
            std::hint::black_box((row.key.proto, row.packets_ab, row.hits_a.0));
        }
    }

    /// Meters a packet; its flow was looked up at `place`.
    #[inline]
    pub fn packet<P>(&mut self, packet: &DecodedPacket<P>, payload: &[u8], place: Option<u32>) {
        let duplicate = self.duplicates.check(packet);
        if duplicate != Duplicate::No {
            self.counts.duplicates += 1;
            if self.options.dedup {
                self.counts.unmetered.add(Unmetered::Duplicate, 1);
                return;
            }
        }
        self.counts.bad_checksums.add(packet.bad_checksums);
        let place = self.active.confirmed(place, packet);
        self.meter(packet, payload, duplicate, place);
    }

    /// Records an ICMP error in the flow of the quoted packet, if such a packet was seen.
    pub fn unreachable(&mut self, quoted: &Quoted, time_ns: i64) {
        let (key, from_a) = Key::of(&quoted.ends);
        let hash = self.decoder.hash(&key);
        // It may arrive in another VLAN than the packet.
        let mut next = self.active.find(&key, hash);
        while let Some(place) = next {
            next = self.active.older(place);
            let row = &mut self.active[place];
            let sent = if from_a { row.packets_ab } else { row.packets_ba };
            if sent > 0 && !boundary::is_over(row, time_ns, &self.options.idle) {
                row.events.record_unreachable(!from_a, time_ns);
                return;
            }
        }
    }

    #[inline]
    fn meter<P>(
        &mut self,
        pending: &DecodedPacket<P>,
        payload: &[u8],
        duplicate: Duplicate,
        place: Option<u32>,
    ) {
        let DecodedPacket { content, from_a, network_id, time_ns, .. } = pending;
        let fits = |place: &u32| {
            let row = &self.active[*place];
            boundary::fit(row, content, *network_id, *from_a, *time_ns, &self.options.idle) == Fit::Belongs
        };
        let place = match place {
            Some(newest) => Some(newest).filter(fits).or_else(|| self.among_older(newest, pending)),
            None => None,
        };
        let place = if let Some(place) = place {
            if !self.tracks.stays(&self.active[place], *time_ns) {
                self.leave_bin(place, pending);
            }
            place
        } else {
            self.begin(pending)
        };
        let row = &mut self.active[place];
        row.record(content, *from_a, *time_ns);
        row.duplicates = row.duplicates.saturating_add(u32::from(duplicate != Duplicate::No));
        row.copied_across |= duplicate == Duplicate::Across;
        if !payload.is_empty() {
            self.observe(pending, payload, place);
        }
    }

    /// Returns the place of a packet's flow among the older rows of its key. Ends rows that accept nothing more.
    #[cold]
    fn among_older<P>(&mut self, newest: u32, pending: &DecodedPacket<P>) -> Option<u32> {
        let DecodedPacket { content, from_a, network_id, time_ns, .. } = pending;
        let (mut next, mut seen) = (Some(newest), 0);
        while let Some(place) = next {
            let row = &self.active[place];
            next = self.active.older(place);
            seen += 1;
            match boundary::fit(row, content, *network_id, *from_a, *time_ns, &self.options.idle) {
                Fit::Belongs => return Some(place),
                Fit::Begins => {
                    self.end(place);
                    break;
                }
                Fit::Far | Fit::Apart if seen >= MAX_OF_KEY => self.end(place),
                Fit::Far | Fit::Apart => {}
            }
        }
        None
    }

    /// Begins a new flow with a packet.
    fn begin<P>(&mut self, pending: &DecodedPacket<P>) -> u32 {
        self.tracks.now(pending.time_ns);
        self.sweep(pending.time_ns);
        if self.active.is_full() {
            self.evict();
        }
        let row = FlowRecord::new(pending.key, pending.network_id, pending.time_ns);
        self.active.insert(&row, pending.hash, &self.decoder)
    }

    /// Inspects a packet's payload.
    #[inline]
    fn observe<P>(&mut self, pending: &DecodedPacket<P>, payload: &[u8], place: u32) {
        let row = &mut self.active[place];
        let hits = if pending.from_a { row.hits_a } else { row.hits_b };
        if hits.is_full() && !self.inspector.is_watching(place) {
            return;
        }
        let Key { addr_a, addr_b, port_a, port_b, .. } = row.key;
        let (hits, sender, ports) = if pending.from_a {
            (&mut row.hits_a, addr_a, (port_a, port_b))
        } else {
            (&mut row.hits_b, addr_b, (port_b, port_a))
        };
        let seen = Seen {
            proto: row.key.proto,
            from_a: pending.from_a,
            sender,
            ports,
            sequence: pending.content.segment.map(|segment| segment.sequence),
            payload,
            payload_bytes: pending.content.payload_bytes,
        };
        self.inspector.observe(place, hits, &seen);
    }

    /// Queues a finished flow for collection.
    fn emit(&mut self, place: u32) {
        let (track, meta) = (self.tracks.end(place), self.inspector.forget(place));
        self.ended.push(Ended { row: self.active[place], track, meta });
    }

    /// Records that a flow has a packet in another time bin.
    #[inline]
    fn leave_bin<P>(&mut self, place: u32, pending: &DecodedPacket<P>) {
        let (ab, ba) = (u64::from(pending.from_a), u64::from(!pending.from_a));
        let bytes = u64::from(pending.content.ip_bytes);
        let counts =
            bins::Counts { packets_ab: ab, packets_ba: ba, bytes_ab: ab * bytes, bytes_ba: ba * bytes };
        self.tracks.leave(place, &self.active[place], pending.time_ns, counts);
    }

    /// Ends a flow early to make room.
    fn evict(&mut self) {
        let Some(place) = self.active.most_idle() else { return };
        self.active[place].evicted = true;
        self.counts.evicted += 1;
        self.end(place);
    }

    /// Frees flows that are over by the clock of the capture. This only saves memory: a packet that still belongs to
    /// one, because time ran back, is joined with it when rows are stitched.
    fn sweep(&mut self, now_ns: i64) {
        let shortest_ns = self.options.idle.tcp_ns.min(self.options.idle.udp_ns);
        for _ in 0..SWEPT_PER_NEW.min(self.active.places()) {
            let place = self.active.sweep();
            let row = &self.active[place];
            // This usually decides, without the key, which is in another cache line.
            let may_be_over = now_ns.abs_diff(row.last_seen_ns) > shortest_ns;
            if may_be_over && !row.is_vacant() && boundary::is_over(row, now_ns, &self.options.idle) {
                self.end(place);
            }
        }
    }

    fn end(&mut self, place: u32) {
        self.emit(place);
        self.active.remove(place, &self.decoder);
    }

    /// Ends the flows that are still active, until `most` more wait to be collected: the capture has ended.
    ///
    /// Returns whether none is left. No packet may follow the first call.
    pub fn finish(&mut self, most: usize) -> bool {
        while self.ended.len() < most {
            if self.finished_places >= self.active.places() {
                return true;
            }
            if !self.active[self.finished_places].is_vacant() {
                self.emit(self.finished_places);
            }
            self.finished_places += 1;
        }
        false
    }

    /// Returns the number of finished flows not collected yet.
    pub fn ended_flows(&self) -> usize {
        self.ended.len()
    }

    /// Returns whether enough flows have ended to collect them.
    #[inline]
    pub fn is_to_collect(&self) -> bool {
        self.ended.len() >= TOGETHER
    }

    /// Puts the finished flows into columns.
    pub fn collect(&mut self, finished: &mut Finished) {
        finished.collect(&mut self.ended, &mut self.tracks);
    }

    /// Returns the next batch of the flows that remain at the end of the capture.
    pub fn last_batch(&mut self, finished: &mut Finished) -> Option<arrow_array::RecordBatch> {
        self.finish(finished.room());
        self.collect(finished);
        (finished.len() > 0).then(|| finished.take())
    }

    /// Copies the active flows with a packet at `since_ns` or later; ends those that are over at `now_ns`.
    pub fn copy_active(&mut self, since_ns: i64, now_ns: i64, copies: &mut Finished) {
        for place in 0..self.active.places() {
            let row = &self.active[place];
            if row.is_vacant() {
                continue;
            }
            if boundary::is_over(row, now_ns, &self.options.idle) {
                self.end(place);
            } else if row.last_seen_ns >= since_ns {
                copies.copy(row, self.tracks.of(place, row), self.inspector.meta(place));
            }
        }
    }

    /// Returns the number of active flows.
    pub fn active_flows(&self) -> usize {
        self.active.len()
    }

    /// Returns the number of places for flows in memory.
    #[cfg(test)]
    pub fn held_rows(&self) -> usize {
        self.active.places() as usize
    }

    /// Adds the counts beside the flows.
    pub fn add_to(&self, counts: &mut Counts) {
        counts.absorb(&self.counts);
        counts.sensors.absorb(self.duplicates.sensors());
    }
}
