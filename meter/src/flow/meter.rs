//! Meters packets into flows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;

use super::active::{Active, LOOKED_UP, MOST_OF_KEY};
use super::ahead::Batch;
use super::bins::{Counts, Tracks};
use super::boundary::{self, Fit};
use super::duplicates::{Copied, Duplicates};
use super::finished::Finished;
use super::fragments::{Attributed, Fragments};
use super::pending::{Decoder, Pending, Totals};
use super::{Key, Options};
use crate::capture::Frame;
use crate::payload::{Observer, Seen, Signatures};
use crate::table::Row;
use crate::wire::{self, Aside, Quoted, Unmetered};

/// For each new flow the sweep looks at so many old ones, so that the flows held are at most a third
/// more than those that are active.
const SWEPT_PER_NEW: u32 = 4;

/// Packets in flows whose checksum is wrong: that says nothing against them, for a capture on the machine
/// that sends has them before the network card fills checksums in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadChecksums {
    /// Of IPv4 headers.
    pub ipv4_header: u64,
    /// Of TCP and UDP.
    pub transport: u64,
}

/// Active flows, and the finished ones that nobody has taken yet.
pub struct Meter {
    options: Options,
    decoder: Decoder,
    active: Active,
    /// The time bins that flows have left.
    tracks: Tracks,
    /// So many places were ended by `finish`.
    ended: u32,
    observer: Observer,
    fragments: Fragments,
    copies: Duplicates,
    finished: Finished,
    totals: Totals,
    evicted: u64,
    duplicates: u64,
    bad_checksums: BadChecksums,
    unread_link_types: BTreeMap<u16, u64>,
    unmetered: [u64; Unmetered::ALL.len()],
}

impl Meter {
    /// An empty meter, which looks for these signatures.
    #[must_use]
    pub fn new(options: Options, signatures: Arc<Signatures>) -> Self {
        let observer = Observer::new(signatures);
        Self {
            options,
            decoder: Decoder::new(options, !observer.is_idle()),
            active: Active::new(options.most_flows),
            tracks: Tracks::default(),
            ended: 0,
            observer,
            fragments: Fragments::default(),
            copies: Duplicates::default(),
            finished: Finished::default(),
            totals: Totals::default(),
            evicted: 0,
            duplicates: 0,
            bad_checksums: BadChecksums::default(),
            unread_link_types: BTreeMap::new(),
            unmetered: [0; Unmetered::ALL.len()],
        }
    }

    /// Takes in one frame: afterwards it is in a flow, or in a count.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.frames(std::iter::once(frame.clone()));
    }

    /// Takes in frames. That is faster than one by one.
    pub fn frames<'f>(&mut self, frames: impl Iterator<Item = Frame<'f>>) {
        let mut pending =
            Vec::with_capacity(frames.size_hint().1.map_or(LOOKED_UP, |most| most.min(LOOKED_UP)));
        for frame in frames {
            self.totals.add(&frame);
            self.decode(&frame, &mut pending);
            if pending.len() >= LOOKED_UP {
                self.meter_pending(&mut pending);
            }
        }
        self.meter_pending(&mut pending);
    }

    /// Takes in frames that were decoded ahead.
    pub fn batch(&mut self, batch: &Batch) {
        self.totals.absorb(batch.totals());
        let mut pending = Vec::with_capacity(LOOKED_UP);
        for frame in batch.frames() {
            match frame {
                Ok(packet) => self.packet(packet, &mut pending),
                Err(frame) => self.decode(&frame, &mut pending),
            }
            if pending.len() >= LOOKED_UP {
                self.meter_pending(&mut pending);
            }
        }
        self.meter_pending(&mut pending);
    }

    #[inline]
    fn decode<'f>(&mut self, frame: &Frame<'f>, pending: &mut Vec<Pending<&'f [u8]>>) {
        match self.decoder.decode(frame) {
            Ok(packet) => self.packet(packet, pending),
            Err(aside) => self.aside(&aside, frame, pending),
        }
    }

    #[inline]
    fn packet<'f>(&mut self, mut packet: Pending<&'f [u8]>, pending: &mut Vec<Pending<&'f [u8]>>) {
        packet.copied = self.copies.copied(&packet);
        if packet.copied != Copied::No {
            self.duplicates += 1;
            if self.options.dedup {
                self.unmetered[Unmetered::Duplicate as usize] += 1;
                return;
            }
        }
        if packet.bad_checksums != wire::BadChecksums::default() {
            self.bad_checksums.ipv4_header += u64::from(packet.bad_checksums.ipv4_header);
            self.bad_checksums.transport += u64::from(packet.bad_checksums.transport);
        }
        pending.push(packet);
    }

    #[cold]
    fn aside(&mut self, aside: &Aside<'_>, frame: &Frame<'_>, pending: &mut Vec<Pending<&[u8]>>) {
        match aside {
            Aside::Unmetered(reason) => {
                self.unmetered[*reason as usize] += 1;
                if *reason == Unmetered::LinkType {
                    *self.unread_link_types.entry(frame.link_type).or_default() += 1;
                }
            }
            Aside::Fragment(fragment) => {
                let attributed = self.fragments.take(fragment, frame.time_ns);
                self.attribute(attributed, pending);
            }
            Aside::IcmpError(quoted) => {
                self.unmetered[Unmetered::Icmp as usize] += 1;
                self.meter_pending(pending);
                self.unreachable(quoted, frame.time_ns);
            }
        }
    }

    fn attribute(&mut self, attributed: Attributed, pending: &mut Vec<Pending<&[u8]>>) {
        for (packet, time_ns) in attributed.packets {
            self.packet(self.decoder.pending(&packet, time_ns), pending);
        }
        for (reason, fragments) in attributed.unmetered {
            self.unmetered[reason as usize] += fragments;
        }
    }

    /// Notes an ICMP error in the flow of the packet that it quotes, if such a packet was seen.
    fn unreachable(&mut self, quoted: &Quoted, time_ns: i64) {
        let (key, from_a) = Key::of(&quoted.ends);
        let hash = self.decoder.hash(&key);
        // It may come in another VLAN than the packet.
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

    /// Takes the waiting packets into their flows.
    fn meter_pending(&mut self, pending: &mut Vec<Pending<&[u8]>>) {
        for pending in pending.chunks(LOOKED_UP) {
            let places = self.active.look_up(pending);
            for (place, packet) in places.into_iter().zip(pending) {
                let place = self.active.confirmed(place, packet);
                self.meter(packet, place);
            }
        }
        pending.clear();
    }

    #[inline]
    fn meter(&mut self, pending: &Pending<&[u8]>, place: Option<u32>) {
        let Pending { content, from_a, copied, network_id, time_ns, payload, .. } = pending;
        let fits = place.is_some_and(|place| {
            let row = &self.active[place];
            boundary::fit(row, content, *network_id, *from_a, *time_ns, &self.options.idle) == Fit::Belongs
        });
        let place = match place {
            Some(place) if fits => Some(place),
            Some(newest) => self.among_older(newest, pending),
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
        row.duplicates += u64::from(*copied != Copied::No);
        row.copied_across |= *copied == Copied::Across;
        if !payload.is_empty() {
            self.observe(pending, place);
        }
    }

    /// The place of a packet's flow where it isn't the newest of its key. Ends those that take nothing more.
    #[cold]
    fn among_older(&mut self, newest: u32, pending: &Pending<&[u8]>) -> Option<u32> {
        let Pending { content, from_a, network_id, time_ns, .. } = pending;
        let is_reset = content.segment.is_some_and(|segment| segment.flags.rst() && !segment.flags.syn());
        let (mut next, mut newest_of_lane, mut seen) = (Some(newest), None, 0);
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
                Fit::Far if newest_of_lane.is_none() => newest_of_lane = Some(place),
                Fit::Far | Fit::Apart if seen >= MOST_OF_KEY => self.end(place),
                Fit::Far | Fit::Apart => {}
            }
        }
        // A RST with numbers of no connection is counted with the newest one.
        newest_of_lane.filter(|_| is_reset)
    }

    /// A new flow, which begins with a packet.
    fn begin(&mut self, pending: &Pending<&[u8]>) -> u32 {
        self.tracks.now(pending.time_ns);
        self.sweep(pending.time_ns);
        if self.active.is_full(self.options.most_flows) {
            self.evict();
        }
        let row = Row::new(pending.key, pending.network_id, pending.time_ns);
        self.active.insert(&row, pending.hash, &self.decoder)
    }

    /// Looks at a packet's payload.
    #[inline]
    fn observe(&mut self, pending: &Pending<&[u8]>, place: u32) {
        let row = &mut self.active[place];
        let hits = if pending.from_a { row.hits_a } else { row.hits_b };
        if hits.is_full() && !self.observer.is_watching(place) {
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
            payload: pending.payload,
            payload_bytes: pending.content.payload_bytes,
        };
        self.observer.observe(place, hits, &seen);
    }

    /// Sets aside what is known of a flow that has ended.
    fn emit(&mut self, place: u32) {
        let (track, note) = (self.tracks.end(place), self.observer.forget(place));
        self.finished.push(&self.active[place], track, note, &mut self.tracks);
    }

    /// Notes that a flow has a packet in another time bin.
    #[inline]
    fn leave_bin(&mut self, place: u32, pending: &Pending<&[u8]>) {
        let (ab, ba) = (u64::from(pending.from_a), u64::from(!pending.from_a));
        let bytes = u64::from(pending.content.ip_bytes);
        let counts = Counts { packets_ab: ab, packets_ba: ba, bytes_ab: ab * bytes, bytes_ba: ba * bytes };
        self.tracks.leave(place, &self.active[place], pending.time_ns, counts);
    }

    /// Ends a flow early to make room.
    fn evict(&mut self) {
        let Some(place) = self.active.most_idle() else { return };
        self.active[place].evicted = true;
        self.evicted += 1;
        self.end(place);
    }

    /// Frees flows that are over by the clock of the capture. That only saves memory: a packet that
    /// still belongs to one, because time ran back, is joined with it when rows are stitched.
    fn sweep(&mut self, now_ns: i64) {
        let shortest_ns = self.options.idle.tcp_ns.min(self.options.idle.udp_ns);
        for _ in 0..SWEPT_PER_NEW.min(self.active.places()) {
            let place = self.active.sweep();
            let row = &self.active[place];
            // Mostly that alone tells, without the key, which is in another cache line.
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

    /// Ends the flows that are still active, until `most` rows wait: the capture is over.
    ///
    /// Returns whether none is left. Nothing may be taken in after the first call.
    pub fn finish(&mut self, most: usize) -> bool {
        let orphans = self.fragments.finish();
        let mut pending = Vec::new();
        self.attribute(orphans, &mut pending);
        self.meter_pending(&mut pending);
        while self.finished_rows() < most {
            if self.ended >= self.active.places() {
                self.active = Active::new(0);
                self.finished.collect(&mut self.tracks);
                self.tracks = Tracks::default();
                return true;
            }
            if !self.active[self.ended].is_vacant() {
                self.emit(self.ended);
            }
            self.ended += 1;
        }
        false
    }

    /// What decodes frames for this meter.
    pub(super) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// How many places for flows are in memory.
    #[cfg(test)]
    pub(super) fn held_rows(&self) -> usize {
        self.active.places() as usize
    }

    /// How many finished flows wait to be taken.
    #[must_use]
    pub fn finished_rows(&self) -> usize {
        self.finished.len()
    }

    /// The flows that have ended since the last call.
    pub fn take(&mut self) -> RecordBatch {
        self.finished.take(&mut self.tracks)
    }

    /// How many flows are active.
    #[must_use]
    pub fn active_flows(&self) -> usize {
        self.active.len()
    }

    /// A copy of the active flows with a packet at `since_ns` or later; those that are over by the clock of
    /// the capture are ended.
    pub fn active(&mut self, since_ns: i64) -> RecordBatch {
        let now_ns = self.totals.span_ns.map_or(i64::MIN, |(_, last_ns)| last_ns);
        let mut copies = Finished::default();
        for place in 0..self.active.places() {
            let row = &self.active[place];
            if row.is_vacant() {
                continue;
            }
            if boundary::is_over(row, now_ns, &self.options.idle) {
                self.end(place);
            } else if row.last_seen_ns >= since_ns {
                copies.copy(row, self.tracks.of(place, row), self.observer.noted(place));
            }
        }
        copies.take(&mut self.tracks)
    }

    /// Packets taken in.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.totals.packets
    }

    /// Flows ended early by the cap.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Packets that are copies of another, in flows or left out of them.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Packets in flows whose checksum is wrong; none unless they are verified.
    #[must_use]
    pub fn bad_checksums(&self) -> BadChecksums {
        self.bad_checksums
    }

    /// Bytes of all frames on the wire, link headers included.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        self.totals.wire_bytes
    }

    /// Packets by each link type that isn't read.
    #[must_use]
    pub fn unread_link_types(&self) -> &BTreeMap<u16, u64> {
        &self.unread_link_types
    }

    /// Packets in no flow, by reason.
    pub fn unmetered(&self) -> impl Iterator<Item = (Unmetered, u64)> + '_ {
        Unmetered::ALL.into_iter().zip(self.unmetered)
    }

    /// Time of the earliest and of the latest packet.
    #[must_use]
    pub fn span_ns(&self) -> Option<(i64, i64)> {
        self.totals.span_ns
    }
}
