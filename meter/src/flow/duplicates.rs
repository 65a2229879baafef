//! Copies of a packet that was captured more than once, told from what was sent twice.
//!
//! A packet is a copy if one with the same identity came shortly before; [`Proof`] says what that takes.
//! Where the sequence number alone shows it, the original must be the sender's last such packet of the flow:
//! a retransmission has others between, or waits for an answer. What proves nothing by itself, an
//! acknowledgement without an identification, is a copy in a flow that has others.
//!
//! Two sensors whose captures were merged have clocks of their own: a packet that another interface saw is a
//! copy within seconds.

use super::decoded_packet::DecodedPacket;
use crate::wire::Proof;

/// Packets of a part of the key space that are remembered, at places that follow from what they are: newer ones take
/// them over.
const PLACES: usize = 1 << 10;
/// For each of these so many more where there are several interfaces.
const PLACES_MORE: usize = 1 << 6;
/// Flows remembered that have copies.
const FLOWS: usize = 1 << 7;
/// Mirrored copies come within milliseconds. By then no sender has used up all identifications.
const WINDOW_NS: u64 = 50_000_000;
/// No retransmission follows its original that soon (RFC 6298 §2: a second; Linux: 200 ms, tail loss probe 10).
const SEQUENCE_WINDOW_NS: u64 = 1_000_000;
/// Clocks of two sensors may be apart by this: what came from both is a copy.
const SENSOR_WINDOW_NS: u64 = 2_000_000_000;
/// If they are apart by at most this, that is known, and no more.
const SENSORS_APART_NS: u64 = 3_600_000_000_000;
/// A flow has copies as long as the latest is not older.
const FLOW_WINDOW_NS: u64 = 60_000_000_000;

/// Parts of a mark: the hop limit in the lowest byte, then interface, then VLAN and virtual network.
const HOPS: u64 = 0xff;
const INTERFACE: u64 = 0xff << 8;
const LANE: u64 = 0xfff << 16;
const REST: u64 = !(HOPS | INTERFACE | LANE);
/// An odd number without a pattern: the fraction of the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a packet is to those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copied {
    /// Nobody's copy.
    #[default]
    No,
    /// A copy of one from the same VLAN and virtual network.
    Within,
    /// A copy of one from another.
    Across,
}

/// Packets that two interfaces captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sensors {
    /// How many; those of clocks too far apart to be copies too.
    pub packets: u64,
    /// By how much later the interface with the higher number captured them, all together.
    pub later_ns: i128,
}

impl Sensors {
    /// Adds those of another part.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.packets += other.packets;
        self.later_ns += other.later_ns;
    }
}

#[derive(Clone, Copy, Default)]
struct Seen {
    mark: u64,
    time_ns: i64,
}

/// The packets seen lately; no places before the first.
#[derive(Default)]
pub struct Duplicates {
    seen: Vec<Seen>,
    /// Where there are several interfaces: by identity, the first that saw it.
    of_interfaces: Vec<Seen>,
    /// Flows that have copies, by direction.
    flows: Vec<Seen>,
    sensors: Sensors,
}

impl Duplicates {
    /// The place of a packet, if copies of it can be recognised.
    #[inline]
    fn place<P>(DecodedPacket { key, from_a, identity, .. }: &DecodedPacket<P>) -> Option<usize> {
        let place = match identity.proof {
            Proof::None => return None,
            // Not by the hash of the key, which differs from run to run: so would the places taken over.
            Proof::Sequence => {
                let ports = u64::from(key.port_a) << 16 | u64::from(key.port_b);
                ((address(key.addr_a)
                    ^ address(key.addr_b).rotate_left(32)
                    ^ ports
                    ^ u64::from(*from_a) << 32)
                    .wrapping_mul(MULTIPLIER)
                    >> 32) as usize
            }
            Proof::Id | Proof::Hops => identity.digest as usize,
        };
        Some(place % PLACES)
    }

    /// Reads what is at the place of a packet, for the sake of the cache.
    #[inline]
    pub fn fetch<P>(&self, packet: &DecodedPacket<P>) {
        std::hint::black_box(Self::place(packet).and_then(|place| Some(self.seen.get(place)?.mark)));
    }

    /// What a packet is to those before it.
    #[inline]
    pub fn copied<P>(&mut self, packet: &DecodedPacket<P>) -> Copied {
        let Some(place) = Self::place(packet) else { return Copied::No };
        let DecodedPacket { key, hash, from_a, network_id, time_ns, identity, interface, .. } = packet;
        let vlan = packet.content.vlan.unwrap_or(0);
        let lane = if vlan == 0 && *network_id == 0 {
            0
        } else {
            (u64::from(vlan) << 32 | u64::from(*network_id)).wrapping_mul(MULTIPLIER) >> 36 & LANE
        };
        let mark = (hash ^ u64::from(identity.digest) << 32 ^ u64::from(*from_a) << 28) & REST
            | lane
            | u64::from(*interface) << 8
            | u64::from(identity.hops);
        let now = Seen { mark, time_ns: *time_ns };
        if self.seen.is_empty() {
            self.seen.resize(PLACES, Seen::default());
            self.flows.resize(FLOWS, Seen::default());
        }
        if *interface != 0 {
            let copied = self.copied_elsewhere(now, identity.digest);
            if copied != Copied::No {
                return copied;
            }
        }
        let before = std::mem::replace(&mut self.seen[place], now);
        if (before.mark ^ mark) & REST != 0 {
            return Copied::No;
        }
        let apart_ns = before.time_ns.abs_diff(*time_ns);
        let is_copy = match identity.proof {
            Proof::Id => apart_ns <= WINDOW_NS,
            Proof::Hops => {
                apart_ns <= WINDOW_NS && (before.mark ^ mark) & (HOPS | LANE) != 0
                    || apart_ns <= SEQUENCE_WINDOW_NS && self.has_copies(*hash, address(key.addr_a), *time_ns)
            }
            Proof::Sequence | Proof::None => apart_ns <= SEQUENCE_WINDOW_NS,
        };
        if !is_copy {
            return Copied::No;
        }
        self.flows[flow_place(address(key.addr_a))] = Seen { mark: *hash, time_ns: *time_ns };
        if (before.mark ^ mark) & LANE == 0 { Copied::Within } else { Copied::Across }
    }

    /// Packets that two interfaces captured.
    pub fn sensors(&self) -> &Sensors {
        &self.sensors
    }

    /// Whether the flow has had copies lately.
    fn has_copies(&self, hash: u64, address: u64, time_ns: i64) -> bool {
        let flow = self.flows[flow_place(address)];
        flow.mark == hash && flow.time_ns.abs_diff(time_ns) <= FLOW_WINDOW_NS
    }

    /// What a packet is to those of other interfaces.
    #[cold]
    fn copied_elsewhere(&mut self, now: Seen, digest: u32) -> Copied {
        if self.of_interfaces.is_empty() {
            self.of_interfaces = vec![Seen::default(); PLACES * PLACES_MORE];
        }
        let before = &mut self.of_interfaces[more_place(digest as usize % PLACES, now.mark)];
        let apart_ns = before.time_ns.abs_diff(now.time_ns);
        if (before.mark ^ now.mark) & REST == 0
            && (before.mark ^ now.mark) & INTERFACE != 0
            && apart_ns <= SENSORS_APART_NS
        {
            let later_ns = i128::from(now.time_ns) - i128::from(before.time_ns);
            let sign = if now.mark & INTERFACE > before.mark & INTERFACE { 1 } else { -1 };
            self.sensors.absorb(&Sensors { packets: 1, later_ns: sign * later_ns });
            if apart_ns > SENSOR_WINDOW_NS {
                return Copied::No;
            }
            return if (before.mark ^ now.mark) & LANE == 0 { Copied::Within } else { Copied::Across };
        }
        *before = now;
        Copied::No
    }
}

/// The lower half of an address.
fn address(bytes: [u8; 16]) -> u64 {
    u128::from_be_bytes(bytes) as u64
}

fn flow_place(address: u64) -> usize {
    (address.wrapping_mul(MULTIPLIER) >> 54) as usize % FLOWS
}

fn more_place(place: usize, mark: u64) -> usize {
    place * PLACES_MORE + (mark >> 40) as usize % PLACES_MORE
}
