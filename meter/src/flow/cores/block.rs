//! A block of a capture: its bytes, its frames, and their packets by part of the key space.

use crate::capture::{Buffer, Capture, CaptureError, Frame};
use crate::flow::Key;
use crate::flow::counts::UnmeteredCounts;
use crate::flow::decoded_packet::{DecodedPacket, Decoder, Deferred, Totals};
use crate::flow::fragments::Fragments;
use crate::flow::part::PARTS;
use crate::wire::{NotAFlowPacket, Quoted};

/// A range of bytes of a buffer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// Returns the range of a part of the buffer that begins at address `begin`.
    #[inline]
    fn of(part: &[u8], begin: usize) -> Self {
        if part.is_empty() {
            return Self::default(); // possibly not a part of the buffer
        }
        Self { start: (part.as_ptr().addr() - begin) as u32, length: part.len() as u32 }
    }

    #[inline]
    pub fn within(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.start as usize..][..self.length as usize]
    }
}

/// Position of a frame in a block.
#[derive(Clone, Copy)]
struct Located {
    time_ns: i64,
    data: Span,
    wire_bytes: u32,
    link_type: u16,
    interface: u8,
}

impl Located {
    #[inline]
    fn frame(self, buffer: &[u8]) -> Frame<'_> {
        let Self { time_ns, data, wire_bytes, link_type, interface } = self;
        Frame { interface, link_type, time_ns, wire_bytes, data: data.within(buffer) }
    }
}

/// A packet of one part of the key space.
pub struct Decoded {
    /// Number of its frame within the block.
    pub frame: u32,
    pub packet: DecodedPacket<Span>,
}

/// Input for a part that few blocks have.
pub enum Rare {
    /// A fragment of a datagram whose ports are known.
    Fragment(DecodedPacket<Span>),
    /// An ICMP error and its time.
    IcmpError(Quoted, i64),
}

/// The packets of a block, in one allocation: memory doesn't grow if one part has most of them.
#[derive(Default)]
pub struct Packets {
    all: Vec<Decoded>,
    /// Indices of each part's packets.
    of_parts: [Vec<u32>; PARTS],
}

impl Packets {
    fn push(&mut self, frame: u32, packet: DecodedPacket<Span>) {
        self.of_parts[packet.part()].push(self.all.len() as u32);
        self.all.push(Decoded { frame, packet });
    }

    /// Yields a part's packets in groups, in the order of frames.
    pub fn of(
        &self,
        part: usize,
        together: usize,
    ) -> impl Iterator<Item = impl Iterator<Item = &Decoded> + Clone> {
        self.of_parts[part]
            .chunks(together)
            .map(|places| places.iter().map(|&place| &self.all[place as usize]))
    }

    fn clear(&mut self) {
        self.all.clear();
        self.of_parts.iter_mut().for_each(Vec::clear);
    }
}

/// A block of a capture.
#[derive(Default)]
pub struct Block {
    pub buffer: Buffer,
    frames: Vec<Located>,
    /// Numbers of the frames that hold a fragment: their meaning depends on earlier frames.
    fragments: Vec<u32>,
    pub packets: Packets,
    /// Everything else for each part, with the numbers of the frames, in their order.
    pub rare: [Vec<(u32, Rare)>; PARTS],
}

impl Block {
    /// Clears the block but keeps its memory.
    pub fn clear(&mut self) {
        self.buffer = Buffer::default();
        self.frames.clear();
        self.fragments.clear();
        self.packets.clear();
        self.rare.iter_mut().for_each(Vec::clear);
    }

    /// Decodes the frames into the packets of the parts; fragments wait for [`attribute`](Self::attribute).
    pub fn decode(&mut self, decoder: &Decoder, unmetered: &mut UnmeteredCounts) {
        let Self { buffer, frames, fragments, packets, rare } = self;
        let begin = buffer.as_ptr().addr();
        for (number, located) in frames.iter().enumerate() {
            let number = number as u32;
            match decoder.decode(&located.frame(buffer)) {
                Ok(packet) => packets.push(number, packet.with(Span::of(packet.payload, begin))),
                Err(NotAFlowPacket::Fragment(_)) => fragments.push(number),
                Err(aside) => {
                    let frame = located.frame(buffer);
                    let left = decoder.count_exceptional(aside, &frame, unmetered, |packet| {
                        packets.push(number, packet.with(Span::of(packet.payload, begin)));
                    });
                    if let Some(Deferred::IcmpError(quoted)) = left {
                        let part = Key::of(&quoted.ends).0.part();
                        rare[part].push((number, Rare::IcmpError(quoted, located.time_ns)));
                    }
                }
            }
        }
    }

    /// Assigns the fragments to the parts of their flows. Blocks must come in the order of the capture.
    pub fn attribute(&mut self, decoder: &Decoder, known: &mut Fragments, unmetered: &mut UnmeteredCounts) {
        for &number in &self.fragments {
            let frame = self.frames[number as usize].frame(&self.buffer);
            let Err(NotAFlowPacket::Fragment(fragment)) = decoder.decode(&frame) else { continue };
            let attributed = known.take(&fragment, frame.time_ns);
            for (packet, time_ns) in attributed.packets {
                let packet = decoder.pending(&packet, time_ns).with(Span::default());
                let rare = &mut self.rare[packet.part()];
                let place = rare.partition_point(|(frame, _)| *frame <= number);
                rare.insert(place, (number, Rare::Fragment(packet)));
            }
            for (reason, packets) in attributed.unmetered {
                unmetered.add(reason, packets);
            }
        }
    }
}

/// Reads a capture block by block.
pub struct BlockReader {
    capture: Capture,
    /// Frames of the buffer being read.
    frames: Vec<Located>,
    totals: Totals,
    /// Result of the capture, once it has ended.
    pub end: Option<Result<(), CaptureError>>,
}

impl BlockReader {
    pub fn new(capture: Capture, block_bytes: usize) -> Self {
        let capture = capture.read_blocks(block_bytes);
        Self { capture, frames: Vec::new(), totals: Totals::default(), end: None }
    }

    pub fn bytes_read(&self) -> u64 {
        self.capture.bytes_read()
    }

    pub fn dropped(&self) -> u64 {
        self.capture.dropped()
    }

    /// Reads the next block into the empty `block`, and returns the totals of its frames. Sets `end` with the last
    /// block.
    pub fn next(&mut self, block: &mut Block) -> Totals {
        let left = loop {
            match self.capture.next_frames() {
                Ok(Some(mut frames)) => {
                    let left = frames.left.take();
                    let totals = self.totals;
                    if left.is_some() {
                        self.totals = Totals::default();
                        std::mem::swap(&mut block.frames, &mut self.frames);
                    }
                    let (bytes, start) = frames.bytes();
                    let begin = bytes.as_ptr().addr() - start;
                    for frame in frames {
                        self.totals.add(&frame);
                        let Frame { interface, link_type, time_ns, wire_bytes, data } = frame;
                        self.frames.push(Located {
                            time_ns,
                            data: Span::of(data, begin),
                            wire_bytes,
                            link_type,
                            interface,
                        });
                    }
                    if let Some(left) = left {
                        block.buffer = left;
                        return totals;
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.end = Some(left);
        std::mem::swap(&mut block.frames, &mut self.frames);
        block.buffer = self.capture.take_last_buffer();
        std::mem::take(&mut self.totals)
    }
}
