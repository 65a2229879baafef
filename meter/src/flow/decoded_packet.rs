//! Decoded packets, between their frame and their flow.

use ahash::RandomState;

use super::counts::UnmeteredCounts;
use super::{Key, Options};
use crate::capture::Frame;
use crate::payload::MAX_SEEN_BYTES;
use crate::wire::{
    self, BadChecksums, Content, Fragment, Identity, NotAFlowPacket, Packet, Quoted, Unmetered,
};

/// A decoded packet that isn't in its flow yet.
#[derive(Clone, Copy, Debug)]
pub struct DecodedPacket<P> {
    pub key: Key,
    pub content: Content,
    pub from_a: bool,
    /// Part of the key space.
    part: u8,
    /// Number of the capturing interface.
    pub interface: u8,
    /// VXLAN, Geneve or NVGRE network id; 0 outside of them.
    pub network_id: u32,
    /// Hash of the key.
    pub hash: u64,
    pub time_ns: i64,
    pub identity: Identity,
    pub bad_checksums: BadChecksums,
    /// The part of its payload to inspect.
    pub payload: P,
}

impl<P> DecodedPacket<P> {
    /// Returns the part of the key space that it belongs to.
    #[inline]
    pub fn part(&self) -> usize {
        usize::from(self.part)
    }

    /// Returns the same packet with another representation of its payload.
    #[inline]
    pub fn with<Q>(&self, payload: Q) -> DecodedPacket<Q> {
        let Self { key, content, from_a, part, interface, network_id, hash, time_ns, .. } = *self;
        let Self { identity, bad_checksums, .. } = *self;
        DecodedPacket {
            key,
            content,
            from_a,
            part,
            interface,
            network_id,
            hash,
            time_ns,
            identity,
            bad_checksums,
            payload,
        }
    }
}

/// A packet that can only be interpreted with the help of other frames.
pub enum Deferred<'a> {
    /// A fragment, whose ports may be in another frame.
    Fragment(Fragment<'a>),
    /// An ICMP error about a packet in another frame.
    IcmpError(Quoted),
}

/// Decodes frames into packets. It keeps no state of a frame, so that it can run in a thread of its own.
#[derive(Clone)]
pub struct Decoder {
    options: Options,
    /// Randomly seeded, as strangers choose the keys.
    hasher: RandomState,
    /// Whether payloads are inspected.
    inspects: bool,
}

impl Decoder {
    pub fn new(options: Options, inspects: bool) -> Self {
        Self { options, hasher: RandomState::new(), inspects }
    }

    #[inline]
    pub fn hash(&self, key: &Key) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Returns the packet in a frame, or the reason why there is none.
    #[inline]
    pub fn decode<'f>(&self, frame: &Frame<'f>) -> Result<DecodedPacket<&'f [u8]>, NotAFlowPacket<'f>> {
        let decode = if self.options.verify_checksums { wire::decode_verified } else { wire::decode };
        decode(frame.link_type, frame.data, frame.wire_bytes, self.options.decapsulate).map(|packet| {
            DecodedPacket { interface: frame.interface, ..self.pending(&packet, frame.time_ns) }
        })
    }

    /// Counts an exceptional frame, passes on the packets in it, and returns what needs other frames.
    ///
    /// Of several packets in one frame, fragments and ICMP errors are only counted.
    #[cold]
    pub fn count_exceptional<'f>(
        &self,
        aside: NotAFlowPacket<'f>,
        frame: &Frame<'f>,
        counts: &mut UnmeteredCounts,
        mut packet: impl FnMut(DecodedPacket<&'f [u8]>),
    ) -> Option<Deferred<'f>> {
        match aside {
            NotAFlowPacket::Unmetered(reason) => counts.add(reason, 1),
            NotAFlowPacket::UnknownType(number) => {
                counts.add(number.reason(), 1);
                counts.tallies_mut().unknown(number);
            }
            NotAFlowPacket::Irregular(irregular, how) => {
                counts.tallies_mut().irregular(how, frame.link_type);
                packet(self.pending(&irregular, frame.time_ns));
            }
            NotAFlowPacket::Aggregate(packets) => {
                let mut number = 0;
                for one in packets {
                    number += 1;
                    match one {
                        Ok(one) => packet(self.pending(&one, frame.time_ns)),
                        Err(NotAFlowPacket::Irregular(irregular, how)) => {
                            counts.tallies_mut().irregular(how, frame.link_type);
                            packet(self.pending(&irregular, frame.time_ns));
                        }
                        Err(NotAFlowPacket::UnknownType(unknown)) => {
                            counts.add(unknown.reason(), 1);
                            counts.tallies_mut().unknown(unknown);
                        }
                        Err(NotAFlowPacket::Unmetered(reason)) => counts.add(reason, 1),
                        Err(NotAFlowPacket::Fragment(_)) => counts.add(Unmetered::LaterFragment, 1),
                        Err(NotAFlowPacket::IcmpError(_)) => counts.add(Unmetered::Icmp, 1),
                        // 802.11 can't be inside LLC.
                        Err(NotAFlowPacket::Aggregate(_)) => counts.add(Unmetered::TooDeep, 1),
                    }
                }
                counts.tallies_mut().aggregate(number);
            }
            NotAFlowPacket::Fragment(fragment) => return Some(Deferred::Fragment(fragment)),
            NotAFlowPacket::IcmpError(quoted) => {
                counts.add(Unmetered::Icmp, 1);
                return Some(Deferred::IcmpError(quoted));
            }
        }
        None
    }

    #[inline]
    pub fn pending<'f>(&self, packet: &Packet<'f>, time_ns: i64) -> DecodedPacket<&'f [u8]> {
        let (key, from_a) = Key::of(&packet.ends);
        // The payload of a RST is a diagnostic text for people (RFC 9293 §3.5.3).
        let unseen = !self.inspects || packet.content.segment.is_some_and(|segment| segment.flags.rst());
        let payload = if unseen { &[] } else { &packet.payload[..packet.payload.len().min(MAX_SEEN_BYTES)] };
        DecodedPacket {
            key,
            content: packet.content,
            from_a,
            part: key.part() as u8,
            interface: 0,
            network_id: packet.ends.network_id,
            hash: self.hash(&key),
            time_ns,
            identity: packet.identity,
            bad_checksums: packet.bad_checksums,
            payload,
        }
    }
}

/// Totals over frames, whatever they contain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire, link headers included.
    pub wire_bytes: u64,
    /// Times of the earliest and the latest frame.
    pub span_ns: Option<(i64, i64)>,
}

impl Totals {
    #[inline]
    pub(super) fn add(&mut self, frame: &Frame<'_>) {
        let span_ns = Some((frame.time_ns, frame.time_ns));
        self.absorb(&Self { packets: 1, wire_bytes: u64::from(frame.wire_bytes), span_ns });
    }

    #[inline]
    pub(super) fn absorb(&mut self, other: &Self) {
        self.packets += other.packets;
        self.wire_bytes += other.wire_bytes;
        if let Some((first, last)) = other.span_ns {
            let (known_first, known_last) = self.span_ns.unwrap_or((first, last));
            self.span_ns = Some((known_first.min(first), known_last.max(last)));
        }
    }
}
