//! A worker thread: reads, decodes and publishes blocks, and meters its parts.

use std::sync::Arc;
use std::thread;

use arrow_array::RecordBatch;

use super::Shared;
use super::block::{Block, Decoded, Rare};
use super::handover::Turn;
use super::sync::lock;
use crate::flow::counts::{Counts, UnmeteredCounts};
use crate::flow::finished::Finished;
use crate::flow::flow_table::LOOKED_UP;
use crate::flow::part::Part;

/// A full batch, and the frame of its block that filled it.
type Full = (u32, RecordBatch);

pub struct Worker {
    number: usize,
    shared: Arc<Shared>,
    /// Its parts, with their numbers.
    parts: Vec<(usize, Part, Finished)>,
    unmetered: UnmeteredCounts,
    /// Blocks to reuse, to save allocations.
    spare: Vec<Block>,
}

/// Reports a panic of its thread to the others, which would otherwise wait for it.
struct Alarm<'s>(&'s Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.handover.fail();
        }
    }
}

impl Worker {
    pub fn new(number: usize, shared: Arc<Shared>, parts: Vec<(usize, Part, Finished)>) -> Self {
        Self { number, shared, parts, unmetered: UnmeteredCounts::default(), spare: Vec::new() }
    }

    pub fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _alarm = Alarm(&shared);
        loop {
            match shared.handover.turn(self.number) {
                Turn::Meter(block) => {
                    let full = self.meter(&block);
                    if let Some(mut block) = shared.handover.metered(self.number, block, full) {
                        block.clear();
                        self.spare.push(block);
                    }
                }
                Turn::Read => self.read(),
                Turn::Finish => return self.finish(),
                Turn::Quit => return,
            }
        }
    }

    /// Reads, decodes and publishes the next block.
    fn read(&mut self) {
        let shared = &self.shared;
        let mut block = self.spare.pop().unwrap_or_default();
        let mut reader = lock(&shared.reader);
        let totals = reader.next(&mut block);
        let is_last = reader.end.is_some();
        let mut progress = lock(&shared.progress);
        progress.bytes_read = reader.bytes_read();
        progress.dropped = reader.dropped();
        progress.totals.absorb(&totals);
        drop((progress, reader));
        let number = shared.handover.read(is_last);
        block.decode(&shared.decoder, &mut self.unmetered);
        shared.handover.decoded(number, block, |block| {
            let (fragments, unmetered) = &mut *lock(&shared.fragments);
            block.attribute(&shared.decoder, fragments, unmetered);
        });
    }

    /// Meters a block's packets for the worker's parts.
    fn meter(&mut self, block: &Block) -> Vec<Full> {
        let mut full = Vec::new();
        for (number, part, finished) in &mut self.parts {
            meter(part, finished, block, *number, &mut full);
        }
        full
    }

    /// Ends the parts.
    fn finish(self) {
        let handover = &self.shared.handover;
        let mut counts = Counts { unmetered: self.unmetered, ..Counts::default() };
        for (number, mut part, mut finished) in self.parts {
            while let Some(batch) = part.last_batch(&mut finished) {
                if !handover.last(number, batch) {
                    return;
                }
            }
            handover.part_ended(number);
            part.add_to(&mut counts);
        }
        if self.number == 0 {
            let (fragments, unmetered) = &mut *lock(&self.shared.fragments);
            for (reason, packets) in fragments.finish().unmetered {
                unmetered.add(reason, packets);
            }
            counts.unmetered.absorb(unmetered);
        }
        lock(&self.shared.counts).absorb(&counts);
        handover.worker_ended();
    }
}

/// Meters a block's packets for one part.
fn meter(part: &mut Part, finished: &mut Finished, block: &Block, number: usize, full: &mut Vec<Full>) {
    let mut rare = block.rare[number].iter().peekable();
    for packets in block.packets.of(number, LOOKED_UP) {
        let mut places = [None; LOOKED_UP];
        for (place, Decoded { packet, .. }) in places.iter_mut().zip(packets.clone()) {
            *place = part.look_up(packet.hash);
        }
        for (place, Decoded { packet, .. }) in places.iter().zip(packets.clone()) {
            part.fetch(packet, *place);
        }
        for (place, Decoded { frame, packet }) in places.into_iter().zip(packets) {
            while let Some((frame, rare)) = rare.next_if(|(before, _)| before < frame) {
                meter_rare(part, rare);
                collect(part, finished, *frame, full);
            }
            part.packet(packet, packet.payload.within(&block.buffer), place);
            collect(part, finished, *frame, full);
        }
    }
    for (frame, rare) in rare {
        meter_rare(part, rare);
        collect(part, finished, *frame, full);
    }
}

#[cold]
fn meter_rare(part: &mut Part, rare: &Rare) {
    match rare {
        Rare::Fragment(packet) => part.packet(packet, &[], part.look_up(packet.hash)),
        Rare::IcmpError(quoted, time_ns) => part.unreachable(quoted, *time_ns),
    }
}

#[inline]
fn collect(part: &mut Part, finished: &mut Finished, frame: u32, full: &mut Vec<Full>) {
    if part.is_to_collect() {
        part.collect(finished);
        full.extend(finished.take_full().map(|batch| (frame, batch)));
    }
}
