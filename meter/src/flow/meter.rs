//! Meters packets into flows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use hashbrown::HashTable;

use super::ahead::Batch;
use super::bins::{self, Counts, Tracks};
use super::duplicates::Duplicates;
use super::fragments::{Attributed, Fragments};
use super::pending::{Decoder, Pending, Totals};
use super::{Key, boundary};
use crate::capture::Frame;
use crate::payload::{Note, Notes, Observer, Seen, Signatures};
use crate::table::{Row, Rows};
use crate::wire::{self, Aside, Content, Quoted, Transport, Unmetered};

/// How long a flow may be silent before its next packet begins a new one, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// For transports with connections.
    pub tcp_ns: u64,
    /// For transports without a connection.
    pub udp_ns: u64,
}

impl Idle {
    #[inline]
    pub(super) fn of(&self, proto: u8) -> u64 {
        if proto == Transport::Udp as u8 || proto == Transport::UdpLite as u8 {
            self.udp_ns
        } else {
            self.tcp_ns
        }
    }
}

/// For each new flow the sweep looks at so many old ones, so that the flows held are at most a third
/// more than those that are active.
const SWEPT_PER_NEW: usize = 4;

/// Past the cap on flows, of so many the one that has been idle the longest is ended.
const CANDIDATES: usize = 16;

/// Room for so many flows is set aside from the start.
const MOST_RESERVED: usize = 1 << 18;

/// So many packets are looked up together: their flows lie far apart in memory, and the processor
/// fetches them side by side instead of one after the other.
const LOOKED_UP: usize = 32;

/// The place of a flow in the index.
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

/// A flow that has ended.
struct Ending {
    row: Row,
    track: bins::Ended,
    note: Option<Note>,
}

/// So many ended flows are handed out together, for the same reason.
const ENDED_TOGETHER: usize = 16;

/// How to meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// When flows end.
    pub idle: Idle,
    /// So many flows are active at a time at the most: past that, idle ones are ended early.
    pub most_flows: usize,
    /// Look into tunnels over IP.
    pub decapsulate: bool,
    /// Leave copies of packets out of the flows; otherwise they only are counted there.
    pub dedup: bool,
    /// Verify checksums.
    pub verify_checksums: bool,
}

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
    /// Where in `rows` each flow is.
    index: HashTable<Slot>,
    /// Active flows; a vacant place is listed in `vacant` and has no packets.
    rows: Vec<Row>,
    vacant: Vec<u32>,
    /// The time bins that flows have left.
    tracks: Tracks,
    swept: usize,
    /// So many of `rows` were ended by `finish`.
    ended: usize,
    observer: Observer,
    fragments: Fragments,
    copies: Duplicates,
    ending: Vec<Ending>,
    finished: Rows,
    finished_bins: bins::Columns,
    notes: Notes,
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
            index: HashTable::new(),
            // Memory that isn't touched costs nothing; growing by copies would, twice over.
            rows: Vec::with_capacity(options.most_flows.min(MOST_RESERVED)),
            vacant: Vec::new(),
            tracks: Tracks::default(),
            swept: 0,
            ended: 0,
            observer,
            fragments: Fragments::default(),
            copies: Duplicates::default(),
            ending: Vec::with_capacity(ENDED_TOGETHER),
            finished: Rows::default(),
            finished_bins: bins::Columns::default(),
            notes: Notes::default(),
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
        let mut pending = Vec::with_capacity(LOOKED_UP);
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
        packet.is_copy = self.copies.is_copy(&packet);
        if packet.is_copy {
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
        let Some(place) = self.find(&key, hash) else { return };
        let row = &mut self.rows[place as usize];
        let sent = if from_a { row.packets_ab } else { row.packets_ba };
        if sent > 0 && !boundary::is_over(row, time_ns, &self.options.idle) {
            row.events.record_unreachable(!from_a, time_ns);
        }
    }

    /// Takes the waiting packets into their flows.
    fn meter_pending(&mut self, pending: &mut Vec<Pending<&[u8]>>) {
        for pending in pending.chunks(LOOKED_UP) {
            let mut places = [None; LOOKED_UP];
            for (place, packet) in places.iter_mut().zip(pending) {
                let tag = Slot::tag(packet.hash);
                *place = self.index.find(packet.hash, |slot| slot.tag == tag).map(|slot| slot.place);
            }
            for place in places.iter().flatten() {
                // Read what the packet will change, for the sake of the cache.
                let row = &self.rows[*place as usize];
                std::hint::black_box((row.key.proto, row.packets_ab, row.duplicates));
            }
            for (place, packet) in places.into_iter().zip(pending) {
                // A packet before this one may have begun the flow, or ended it.
                let known = place.filter(|&place| self.rows[place as usize].holds(&packet.key));
                let place = known.or_else(|| self.find(&packet.key, packet.hash));
                self.meter(packet, place);
            }
        }
        pending.clear();
    }

    #[inline]
    fn find(&self, key: &Key, hash: u64) -> Option<u32> {
        let tag = Slot::tag(hash);
        let slot =
            self.index.find(hash, |slot| slot.tag == tag && self.rows[slot.place as usize].key == *key)?;
        Some(slot.place)
    }

    #[inline]
    fn meter(&mut self, pending: &Pending<&[u8]>, place: Option<u32>) {
        let Pending { key, content, from_a, is_copy, hash, time_ns, payload, .. } = pending;
        let place = if let Some(place) = place {
            let row = &self.rows[place as usize];
            if !boundary::belongs(row, content, *from_a, *time_ns, &self.options.idle) {
                self.emit(place);
                self.rows[place as usize] = Row::new(*key, *time_ns);
                self.tracks.now(*time_ns);
            } else if !self.tracks.stays(row, *time_ns) {
                self.leave_bin(place, pending);
            }
            place
        } else {
            self.tracks.now(*time_ns);
            self.place(*key, *hash, *time_ns)
        };
        let row = &mut self.rows[place as usize];
        row.record(content, *from_a, *time_ns);
        row.duplicates += u64::from(*is_copy);
        if !payload.is_empty() {
            self.observe(pending, place);
        }
    }

    /// Looks at a packet's payload.
    #[inline]
    fn observe(&mut self, pending: &Pending<&[u8]>, place: u32) {
        let row = &mut self.rows[place as usize];
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
        let ending = Ending {
            row: self.rows[place as usize],
            track: self.tracks.end(place),
            note: self.observer.forget(place),
        };
        self.ending.push(ending);
        if self.ending.len() == ENDED_TOGETHER {
            self.hand_out();
        }
    }

    /// Hands out the rows of flows that have ended.
    fn hand_out(&mut self) {
        let mut tracks = [bins::Ended::default(); ENDED_TOGETHER];
        for (track, ending) in tracks.iter_mut().zip(&self.ending) {
            *track = ending.track;
        }
        self.tracks.fetch(tracks);
        for Ending { row, track, note } in self.ending.drain(..) {
            self.finished.push(&row);
            self.finished_bins.push(self.tracks.of_ended(track, &row));
            self.notes.push(note.as_ref());
        }
    }

    /// Notes that a flow has a packet in another time bin.
    #[inline]
    fn leave_bin(&mut self, place: u32, pending: &Pending<&[u8]>) {
        let (ab, ba) = (u64::from(pending.from_a), u64::from(!pending.from_a));
        let bytes = u64::from(pending.content.ip_bytes);
        let counts = Counts { packets_ab: ab, packets_ba: ba, bytes_ab: ab * bytes, bytes_ba: ba * bytes };
        self.tracks.leave(place, &self.rows[place as usize], pending.time_ns, counts);
    }

    /// A place for a new flow.
    fn place(&mut self, key: Key, hash: u64, time_ns: i64) -> u32 {
        self.sweep(time_ns);
        if self.vacant.is_empty() && self.rows.len() >= self.options.most_flows.max(1) {
            self.evict();
        }
        let row = Row::new(key, time_ns);
        let place = if let Some(place) = self.vacant.pop() {
            self.rows[place as usize] = row;
            place
        } else {
            self.rows.push(row);
            (self.rows.len() - 1) as u32
        };
        let (rows, decoder) = (&self.rows, &self.decoder);
        self.index.insert_unique(hash, Slot { place, tag: Slot::tag(hash) }, |slot| {
            decoder.hash(&rows[slot.place as usize].key)
        });
        place
    }

    /// Ends a flow early to make room: near the sweep's place, the one that was idle for the longest.
    fn evict(&mut self) {
        let candidates = (0..CANDIDATES).map(|step| (self.swept + step) % self.rows.len());
        let Some(place) = candidates.min_by_key(|&place| self.rows[place].last_seen_ns) else { return };
        self.rows[place].evicted = true;
        self.evicted += 1;
        self.swept = (self.swept + CANDIDATES) % self.rows.len();
        self.end(place);
    }

    /// Frees flows that are over by the clock of the capture. That only saves memory: a packet that
    /// still belongs to one, because time ran back, is joined with it when rows are stitched.
    fn sweep(&mut self, now_ns: i64) {
        let shortest_ns = self.options.idle.tcp_ns.min(self.options.idle.udp_ns);
        for _ in 0..SWEPT_PER_NEW.min(self.rows.len()) {
            self.swept = if self.swept + 1 < self.rows.len() { self.swept + 1 } else { 0 };
            let row = &self.rows[self.swept];
            // Mostly that alone tells, without the key, which is in another cache line.
            let may_be_over = now_ns.abs_diff(row.last_seen_ns) > shortest_ns;
            if may_be_over && !row.is_vacant() && boundary::is_over(row, now_ns, &self.options.idle) {
                self.end(self.swept);
            }
        }
    }

    fn end(&mut self, place: usize) {
        self.emit(place as u32);
        let row = &mut self.rows[place];
        let hash = self.decoder.hash(&row.key);
        if let Ok(entry) = self.index.find_entry(hash, |slot| slot.place as usize == place) {
            entry.remove();
        }
        row.vacate();
        self.vacant.push(place as u32);
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
            let Some(row) = self.rows.get(self.ended) else {
                (self.rows, self.vacant, self.index) = (Vec::new(), Vec::new(), HashTable::new());
                self.hand_out();
                self.tracks = Tracks::default();
                return true;
            };
            if !row.is_vacant() {
                self.emit(self.ended as u32);
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
        self.rows.len()
    }

    /// How many finished flows wait to be taken.
    #[must_use]
    pub fn finished_rows(&self) -> usize {
        self.finished.len() + self.ending.len()
    }

    /// The flows that have ended since the last call.
    pub fn take(&mut self) -> RecordBatch {
        self.hand_out();
        self.finished_bins.beside(&self.notes.beside(&self.finished.take()))
    }

    /// How many flows are active.
    #[must_use]
    pub fn active_flows(&self) -> usize {
        self.index.len()
    }

    /// A copy of the active flows with a packet at `since_ns` or later; those that are over by the clock of
    /// the capture are ended.
    pub fn active(&mut self, since_ns: i64) -> RecordBatch {
        let now_ns = self.totals.span_ns.map_or(i64::MIN, |(_, last_ns)| last_ns);
        let (mut active, mut notes, mut columns) =
            (Rows::default(), Notes::default(), bins::Columns::default());
        for place in 0..self.rows.len() {
            let row = &self.rows[place];
            if row.is_vacant() {
                continue;
            }
            if boundary::is_over(row, now_ns, &self.options.idle) {
                self.end(place);
            } else if row.last_seen_ns >= since_ns {
                active.push(row);
                notes.push(self.observer.noted(place as u32));
                columns.push(self.tracks.of(place as u32, row));
            }
        }
        columns.beside(&notes.beside(&active.take()))
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

/// Five cache lines; see [`Row`].
const _: () = assert!(size_of::<Row>() == 320);

impl Row {
    /// Takes in a packet of this flow.
    #[inline]
    fn record(&mut self, packet: &Content, from_a: bool, time_ns: i64) {
        if self.is_vacant() || time_ns < self.first_seen_ns {
            self.first_seen_ns = time_ns;
            self.first_from_b = !from_a;
        }
        let in_order = time_ns >= self.last_seen_ns;
        self.last_seen_ns = self.last_seen_ns.max(time_ns);
        let (packets, bytes, payload_bytes) = if from_a {
            (&mut self.packets_ab, &mut self.bytes_ab, &mut self.payload_bytes_ab)
        } else {
            (&mut self.packets_ba, &mut self.bytes_ba, &mut self.payload_bytes_ba)
        };
        *packets += 1;
        *bytes += u64::from(packet.ip_bytes);
        *payload_bytes += u64::from(packet.payload_bytes);
        self.vlan = self.vlan.or(packet.vlan);
        self.tunnel = self.tunnel.or(packet.tunnel);
        if let Some(segment) = &packet.segment {
            self.record_numbers(segment, from_a);
        }
        if packet.payload_bytes > 0
            && !packet.segment.is_some_and(|segment| segment.flags.syn() || segment.flags.rst())
        {
            self.last_data_from_b = Some(!from_a);
        }
        self.events.record(packet, from_a, time_ns, in_order);
    }

    /// Initial sequence numbers and acknowledgements.
    #[inline]
    fn record_numbers(&mut self, segment: &wire::Segment, from_a: bool) {
        let flags = segment.flags;
        if flags.syn() {
            let (told_by_sender, told_by_receiver) = (self.sent_isn(from_a), self.sent_isn(!from_a));
            let (sender, receiver) =
                if from_a { (&mut self.isn_a, &mut self.isn_b) } else { (&mut self.isn_b, &mut self.isn_a) };
            if !told_by_sender {
                *sender = Some(segment.sequence);
            }
            if flags.ack() && !told_by_receiver {
                *receiver = receiver.or(Some(segment.acknowledgement.wrapping_sub(1)));
            }
            return;
        }
        self.past_opening = true;
        if flags.ack() && !flags.rst() {
            let (first, moved, window) = if from_a {
                (&mut self.first_ack_a, &mut self.ack_moved_a, &mut self.first_window_a)
            } else {
                (&mut self.first_ack_b, &mut self.ack_moved_b, &mut self.first_window_b)
            };
            window.get_or_insert(segment.window);
            *moved |= *first.get_or_insert(segment.acknowledgement) != segment.acknowledgement;
        }
    }

    fn holds(&self, key: &Key) -> bool {
        self.key == *key && !self.is_vacant()
    }

    fn is_vacant(&self) -> bool {
        self.packets_ab | self.packets_ba == 0
    }

    fn vacate(&mut self) {
        (self.packets_ab, self.packets_ba) = (0, 0);
    }
}
