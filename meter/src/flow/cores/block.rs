//! A block of a capture: its bytes, its frames, and the packets in them by part of the key space.

use crate::capture::{Buffer, Capture, CaptureError, Frame};
use crate::flow::Key;
use crate::flow::counts::UnmeteredCounts;
use crate::flow::decoded_packet::{DecodedPacket, Decoder, Left, Totals};
use crate::flow::fragments::Fragments;
use crate::flow::part::PARTS;
use crate::wire::{NotAFlowPacket, Quoted};

/// Some bytes of a buffer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// That of a part of a buffer which begins at this address.
    #[inline]
    fn of(part: &[u8], begin: usize) -> Self {
        if part.is_empty() {
            return Self::default(); // it may be no part
        }
        Self { start: (part.as_ptr().addr() - begin) as u32, length: part.len() as u32 }
    }

    #[inline]
    pub fn within(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.start as usize..][..self.length as usize]
    }
}

/// Where a frame lies in a block.
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

/// A packet of a part.
pub struct Decoded {
    /// Number of its frame in the block.
    pub frame: u32,
    pub packet: DecodedPacket<Span>,
}

/// What few blocks have for a part.
pub enum Rare {
    /// A fragment whose datagram's ports are known.
    Fragment(DecodedPacket<Span>),
    /// An ICMP error, and when it came.
    IcmpError(Quoted, i64),
}

/// The packets of a block: in one piece, so that it needs no more memory whatever part has many of them.
#[derive(Default)]
pub struct Packets {
    all: Vec<Decoded>,
    /// Places of those of each part.
    of_parts: [Vec<u32>; PARTS],
}

impl Packets {
    fn push(&mut self, frame: u32, packet: DecodedPacket<Span>) {
        self.of_parts[packet.part()].push(self.all.len() as u32);
        self.all.push(Decoded { frame, packet });
    }

    /// Those of a part, some at a time, in the order of frames.
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
    /// Numbers of the frames that hold a fragment: what these mean depends on those before.
    fragments: Vec<u32>,
    pub packets: Packets,
    /// What else there is for each part, with the numbers of the frames, in their order.
    pub rare: [Vec<(u32, Rare)>; PARTS],
}

impl Block {
    /// Forgets everything but the memory for it.
    pub fn clear(&mut self) {
        self.buffer = Buffer::default();
        self.frames.clear();
        self.fragments.clear();
        self.packets.clear();
        self.rare.iter_mut().for_each(Vec::clear);
    }

    /// Decodes the frames into the packets of the parts; fragments stay for [`attribute`](Self::attribute).
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
                    let left = decoder.settle(aside, &frame, unmetered, |packet| {
                        packets.push(number, packet.with(Span::of(packet.payload, begin)));
                    });
                    if let Some(Left::IcmpError(quoted)) = left {
                        let part = Key::of(&quoted.ends).0.part();
                        rare[part].push((number, Rare::IcmpError(quoted, located.time_ns)));
                    }
                }
            }
        }
    }

    /// Puts the fragments to their flows' parts. For one block after the other, in the order of the capture.
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
    /// Frames of the buffer that is being read.
    frames: Vec<Located>,
    totals: Totals,
    /// How the capture ended, once it has.
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

    /// Reads the next block into `block`, which is empty, and returns what its frames come to. With the last one
    /// `end` is set.
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
