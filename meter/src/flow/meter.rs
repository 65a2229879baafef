//! Meters packets into flows.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;

use super::counts::{Counts, UnmeteredCounts};
use super::decoded_packet::{DecodedPacket, Decoder, Deferred, Totals};
use super::finished::Finished;
use super::flow_table::LOOKED_UP;
use super::fragments::{Attributed, Fragments, Header, Waiting};
use super::part::{PARTS, Part};
use super::{Options, Remnant};
use crate::capture::Frame;
use crate::payload::Signatures;
use crate::wire::{NotAFlowPacket, Unmetered};

/// Active flows, and finished ones that haven't been taken yet.
pub struct Meter {
    decoder: Decoder,
    fragments: Fragments,
    parts: Vec<Part>,
    /// Finished flows: of all parts together, or of each part.
    finished: Vec<Finished>,
    /// Full batches, if each part has batches of its own.
    ready: VecDeque<RecordBatch>,
    /// Number of parts that `finish` has ended.
    finished_parts: usize,
    totals: Totals,
    unmetered: UnmeteredCounts,
}

impl Meter {
    /// Creates an empty meter that matches these signatures.
    #[must_use]
    pub fn new(options: Options, signatures: Arc<Signatures>) -> Self {
        Self::together(options, signatures, usize::MAX)
    }

    /// Creates an empty meter with batches of this many rows: see [`next_batch`](Self::next_batch).
    #[must_use]
    pub fn together(options: Options, signatures: Arc<Signatures>, batch_rows: usize) -> Self {
        Self::with(options, signatures, vec![Finished::new(batch_rows)])
    }

    /// Creates an empty meter with separate batches for each part of the key space, in the order of
    /// [`Cores`](super::Cores): see [`next_batch`](Self::next_batch).
    #[must_use]
    pub fn by_part(options: Options, signatures: Arc<Signatures>, batch_rows: usize) -> Self {
        Self::with(options, signatures, (0..PARTS).map(|_| Finished::new(batch_rows)).collect())
    }

    fn with(options: Options, signatures: Arc<Signatures>, finished: Vec<Finished>) -> Self {
        let decoder = Decoder::new(options, !signatures.is_empty());
        let parts = std::iter::repeat_n(signatures, PARTS);
        Self {
            parts: parts.map(|signatures| Part::new(options, signatures, decoder.clone())).collect(),
            decoder,
            fragments: Fragments::default(),
            finished,
            ready: VecDeque::new(),
            finished_parts: 0,
            totals: Totals::default(),
            unmetered: UnmeteredCounts::default(),
        }
    }

    /// Meters one frame: afterwards it is in a flow, or in a count.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.frames(std::iter::once(frame.clone()));
    }

    /// Meters frames; faster than one by one.
    pub fn frames<'f>(&mut self, frames: impl Iterator<Item = Frame<'f>>) {
        let mut pending =
            Vec::with_capacity(frames.size_hint().1.map_or(LOOKED_UP, |most| most.min(LOOKED_UP)));
        for frame in frames {
            self.totals.add(&frame);
            match self.decoder.decode(&frame) {
                Ok(packet) => pending.push(packet),
                Err(aside) => self.exceptional(aside, &frame, &mut pending),
            }
            if pending.len() >= LOOKED_UP {
                self.meter_pending(&mut pending);
            }
        }
        self.meter_pending(&mut pending);
    }

    #[cold]
    fn exceptional<'f>(
        &mut self,
        aside: NotAFlowPacket<'f>,
        frame: &Frame<'f>,
        pending: &mut Vec<DecodedPacket<&'f [u8]>>,
    ) {
        let left =
            self.decoder.count_exceptional(aside, frame, &mut self.unmetered, |packet| pending.push(packet));
        match left {
            Some(Deferred::Fragment(fragment)) => {
                let attributed = self.fragments.take(&fragment, frame.time_ns);
                self.attribute(attributed, pending);
            }
            Some(Deferred::IcmpError(quoted)) => {
                self.meter_pending(pending);
                let part = super::Key::of(&quoted.ends).0.part();
                self.parts[part].unreachable(&quoted, frame.time_ns);
            }
            None => {}
        }
    }

    fn attribute(&mut self, attributed: Attributed, pending: &mut Vec<DecodedPacket<&[u8]>>) {
        for (packet, time_ns) in attributed.packets {
            pending.push(self.decoder.pending(&packet, time_ns));
        }
        for (reason, fragments) in attributed.unmetered {
            self.unmetered.add(reason, fragments);
        }
    }

    /// Meters the decoded packets.
    fn meter_pending(&mut self, pending: &mut Vec<DecodedPacket<&[u8]>>) {
        for pending in pending.chunks(LOOKED_UP) {
            let mut places = [None; LOOKED_UP];
            for (place, packet) in places.iter_mut().zip(pending) {
                *place = self.parts[packet.part()].look_up(packet.hash);
            }
            for (place, packet) in places.iter().zip(pending) {
                self.parts[packet.part()].fetch(packet, *place);
            }
            for (place, packet) in places.into_iter().zip(pending) {
                let part = &mut self.parts[packet.part()];
                part.packet(packet, packet.payload, place);
                if part.is_to_collect() {
                    self.collect(packet.part());
                }
            }
        }
        pending.clear();
    }

    fn collect(&mut self, part: usize) {
        let finished = if self.finished.len() == 1 { 0 } else { part };
        let finished = &mut self.finished[finished];
        self.parts[part].collect(finished);
        self.ready.extend(finished.take_full());
    }

    /// Ends the flows that are still active, until `most` rows wait: the capture has ended.
    ///
    /// Returns whether none is left. No frame may follow the first call.
    pub fn finish(&mut self, most: usize) -> bool {
        self.give_up_fragments();
        while let Some(part) = self.parts.get_mut(self.finished_parts) {
            let waiting = self.finished[0].len();
            if waiting >= most {
                return false;
            }
            let is_over = part.finish(most - waiting);
            part.collect(&mut self.finished[0]);
            self.finished_parts += usize::from(is_over);
        }
        true
    }

    fn give_up_fragments(&mut self) {
        let orphans = self.fragments.finish();
        let mut pending = Vec::new();
        self.attribute(orphans, &mut pending);
        self.meter_pending(&mut pending);
    }

    /// Meters a fragment whose datagram's header is known from elsewhere.
    pub(super) fn fragment(&mut self, header: Header, fragment: &Waiting) {
        let (packet, time_ns) = header.packet(fragment);
        self.meter_pending(&mut vec![self.decoder.pending(&packet, time_ns)]);
    }

    /// Returns headers that fragments of other pieces may need, and orphan fragments; complete at the end.
    #[must_use]
    pub fn remnants(&self) -> &[Remnant] {
        self.fragments.remnants()
    }

    /// Returns the next full batch, if there is one; at the end of the capture, also that of the remaining flows.
    pub fn next_batch(&mut self, at_end: bool) -> Option<RecordBatch> {
        if at_end && self.ready.is_empty() {
            self.end_batch();
        }
        self.ready.pop_front()
    }

    fn end_batch(&mut self) {
        if let [finished] = &self.finished[..] {
            self.finish(finished.batch_rows());
            let finished = &mut self.finished[0];
            self.ready.extend((finished.len() > 0).then(|| finished.take()));
            return;
        }
        self.give_up_fragments();
        while let (None, Some(part)) = (self.ready.front(), self.parts.get_mut(self.finished_parts)) {
            let batch = part.last_batch(&mut self.finished[self.finished_parts]);
            self.finished_parts += usize::from(batch.is_none());
            self.ready.extend(batch);
        }
    }

    /// Returns the number of places for flows in memory.
    #[cfg(test)]
    pub(super) fn held_rows(&self) -> usize {
        self.parts.iter().map(Part::held_rows).sum()
    }

    /// Returns the number of finished flows not taken yet.
    #[must_use]
    pub fn finished_rows(&self) -> usize {
        self.finished[0].len() + self.parts.iter().map(Part::ended_flows).sum::<usize>()
    }

    /// Returns the flows that have ended since the last call.
    pub fn take(&mut self) -> RecordBatch {
        for part in &mut self.parts {
            part.collect(&mut self.finished[0]);
        }
        self.finished[0].take()
    }

    /// Returns the number of active flows.
    #[must_use]
    pub fn active_flows(&self) -> usize {
        self.parts.iter().map(Part::active_flows).sum()
    }

    /// Returns a copy of the active flows with a packet at `since_ns` or later; ends those that are over by the clock
    /// of the capture.
    pub fn active(&mut self, since_ns: i64) -> RecordBatch {
        let now_ns = self.totals.span_ns.map_or(i64::MIN, |(_, last_ns)| last_ns);
        let mut copies = Finished::new(usize::MAX);
        for part in &mut self.parts {
            part.copy_active(since_ns, now_ns, &mut copies);
        }
        copies.take()
    }

    /// Returns the number of packets metered.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.totals.packets + self.unmetered.tallies().more_packets()
    }

    /// Returns the totals over frames, whatever they contain.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Returns the counts beside the flows.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { unmetered: self.unmetered.clone(), ..Counts::default() };
        self.parts.iter().for_each(|part| part.add_to(&mut counts));
        counts
    }

    /// Returns the number of flows ended early by the cap.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.counts().evicted
    }

    /// Returns the number of duplicate packets, in flows or excluded from them.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.counts().duplicates
    }

    /// Returns the bytes of all frames on the wire, link headers included.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        self.totals.wire_bytes
    }

    /// Returns packets in no flow, by reason.
    pub fn unmetered(&self) -> impl Iterator<Item = (Unmetered, u64)> + use<> {
        let counts = self.counts();
        Unmetered::ALL.into_iter().map(move |reason| (reason, counts.unmetered.of(reason)))
    }

    /// Returns the times of the earliest and the latest packet.
    #[must_use]
    pub fn span_ns(&self) -> Option<(i64, i64)> {
        self.totals.span_ns
    }
}
