//! Packets on their way from a frame into their flow.

use ahash::RandomState;

use super::counts::UnmeteredCounts;
use super::{Key, Options};
use crate::capture::Frame;
use crate::payload::MOST_SEEN_BYTES;
use crate::wire::{
    self, BadChecksums, Content, Fragment, Identity, NotAFlowPacket, Packet, Quoted, Unmetered,
};

/// A packet on its way into its flow.
#[derive(Clone, Copy, Debug)]
pub struct DecodedPacket<P> {
    pub key: Key,
    pub content: Content,
    pub from_a: bool,
    /// Part of the key space.
    part: u8,
    /// Number of the interface that captured it.
    pub interface: u8,
    /// VXLAN, Geneve or NVGRE network id; 0 outside of them.
    pub network_id: u32,
    /// Of the key.
    pub hash: u64,
    pub time_ns: i64,
    pub identity: Identity,
    pub bad_checksums: BadChecksums,
    /// What of its payload is looked at.
    pub payload: P,
}

impl<P> DecodedPacket<P> {
    /// The part of the key space that it is in.
    #[inline]
    pub fn part(&self) -> usize {
        usize::from(self.part)
    }

    /// The same packet with its payload put in another way.
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

/// What needs other frames to be understood.
pub enum Left<'a> {
    /// Its ports may be in another one.
    Fragment(Fragment<'a>),
    /// It is about a packet of another one.
    IcmpError(Quoted),
}

/// From frames to pending packets. It keeps nothing of a frame, so that it can run in a thread of its own.
#[derive(Clone)]
pub struct Decoder {
    options: Options,
    /// Seeded at random: keys are chosen by strangers.
    hasher: RandomState,
    /// Payloads are looked at.
    looks: bool,
}

impl Decoder {
    pub fn new(options: Options, looks: bool) -> Self {
        Self { options, hasher: RandomState::new(), looks }
    }

    #[inline]
    pub fn hash(&self, key: &Key) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The packet in a frame, or what is there instead.
    #[inline]
    pub fn decode<'f>(&self, frame: &Frame<'f>) -> Result<DecodedPacket<&'f [u8]>, NotAFlowPacket<'f>> {
        let decode = if self.options.verify_checksums { wire::decode_verified } else { wire::decode };
        decode(frame.link_type, frame.data, frame.wire_bytes, self.options.decapsulate).map(|packet| {
            DecodedPacket { interface: frame.interface, ..self.pending(&packet, frame.time_ns) }
        })
    }

    /// Counts what isn't a plain packet, hands on the packets in it, and returns what needs other frames.
    ///
    /// Of several packets in one frame, fragments and ICMP errors are only counted.
    #[cold]
    pub fn settle<'f>(
        &self,
        aside: NotAFlowPacket<'f>,
        frame: &Frame<'f>,
        counts: &mut UnmeteredCounts,
        mut packet: impl FnMut(DecodedPacket<&'f [u8]>),
    ) -> Option<Left<'f>> {
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
                        // There is no 802.11 in LLC.
                        Err(NotAFlowPacket::Aggregate(_)) => counts.add(Unmetered::TooDeep, 1),
                    }
                }
                counts.tallies_mut().aggregate(number);
            }
            NotAFlowPacket::Fragment(fragment) => return Some(Left::Fragment(fragment)),
            NotAFlowPacket::IcmpError(quoted) => {
                counts.add(Unmetered::Icmp, 1);
                return Some(Left::IcmpError(quoted));
            }
        }
        None
    }

    #[inline]
    pub fn pending<'f>(&self, packet: &Packet<'f>, time_ns: i64) -> DecodedPacket<&'f [u8]> {
        let (key, from_a) = Key::of(&packet.ends);
        // What a RST carries is a diagnosis for people (RFC 9293 §3.5.3).
        let unseen = !self.looks || packet.content.segment.is_some_and(|segment| segment.flags.rst());
        let payload = if unseen { &[] } else { &packet.payload[..packet.payload.len().min(MOST_SEEN_BYTES)] };
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

/// What frames come to, whatever is in them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire, link headers included.
    pub wire_bytes: u64,
    /// Time of the earliest and of the latest.
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
