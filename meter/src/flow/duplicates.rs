//! Recognises packets that were captured more than once, and distinguishes them from packets that were sent twice.
//!
//! A packet is a duplicate if one with the same identity came shortly before; [`Proof`] defines what that requires.
//! Where only the sequence number shows it, the original must be the sender's last such packet of the flow: a
//! retransmission follows other packets, or waits for an answer. A packet that proves nothing by itself, an
//! acknowledgement without an identification, is a duplicate in a flow that has others.
//!
//! Sensors whose captures were merged have separate clocks: a packet that another interface saw is a duplicate if it
//! came within seconds.

use super::Key;
use super::decoded_packet::DecodedPacket;
use crate::wire::Proof;

/// Places for remembered packets in one part of the key space. A packet's place follows from its contents; newer
/// packets overwrite older ones.
const PLACES: usize = 1 << 10;
/// Additional places for each of these where there are several interfaces.
const PLACES_MORE: usize = 1 << 6;
/// Remembered flows with duplicates.
const FLOWS: usize = 1 << 7;
/// Mirrored packets arrive within milliseconds. No sender wraps its identifications in that time.
const WINDOW_NS: u64 = 50_000_000;
/// Time after a packet within which it isn't retransmitted (RFC 6298 §2: 1 s; Linux: 200 ms, tail loss probe
/// 10 ms).
const SEQUENCE_WINDOW_NS: u64 = 1_000_000;
/// Maximum clock difference of two sensors: a packet seen by both within this time is a duplicate.
const SENSOR_WINDOW_NS: u64 = 2_000_000_000;
/// Maximum clock difference that is measured; such packets are not counted as duplicates.
const SENSORS_APART_NS: u64 = 3_600_000_000_000;
/// A flow counts as having duplicates for this long after the latest.
const FLOW_WINDOW_NS: u64 = 60_000_000_000;

/// Fields of a mark: the hop limit in the lowest byte, then interface, VLAN, and virtual network.
const HOPS: u64 = 0xff;
const INTERFACE: u64 = 0xff << 8;
const LANE: u64 = 0xfff << 16;
const REST: u64 = !(HOPS | INTERFACE | LANE);
/// Odd multiplier without a pattern: the fraction of the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Whether a packet is a duplicate, and of which kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicate {
    /// Not a duplicate.
    #[default]
    No,
    /// A duplicate from the same VLAN and virtual network.
    Within,
    /// A duplicate from another VLAN or virtual network.
    Across,
}

/// Packets captured on two interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sensors {
    /// Number of packets, including those whose clocks differ too much for a duplicate.
    pub packets: u64,
    /// Total delay of the captures on the interface with the higher number.
    pub later_ns: i128,
}

impl Sensors {
    /// Adds the packets of another part.
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

/// The most recent packets; no places are allocated before the first.
#[derive(Default)]
pub struct Duplicates {
    seen: Vec<Seen>,
    /// The interface that saw each identity first; used where there are several interfaces.
    of_interfaces: Vec<Seen>,
    /// Flows that have duplicates, by direction.
    flows: Vec<Seen>,
    sensors: Sensors,
}

impl Duplicates {
    /// Returns the place of a packet, if duplicates of it can be recognised.
    #[inline]
    fn place<P>(DecodedPacket { key, from_a, identity, .. }: &DecodedPacket<P>) -> Option<usize> {
        let place = match identity.proof {
            Proof::None => return None,
            // Not by the hash of the key: it differs between runs, and so would the places overwritten.
            Proof::Sequence => {
                ((folded(key) ^ u64::from(*from_a) << 32).wrapping_mul(MULTIPLIER) >> 32) as usize
            }
            Proof::Id | Proof::Hops => identity.digest as usize,
        };
        Some(place % PLACES)
    }

    /// Prefetches the place of a packet.
    #[inline]
    pub fn fetch<P>(&self, packet: &DecodedPacket<P>) {
        std::hint::black_box(Self::place(packet).and_then(|place| Some(self.seen.get(place)?.mark)));
    }

    /// Returns whether a packet is a duplicate of an earlier one.
    #[inline]
    pub fn check<P>(&mut self, packet: &DecodedPacket<P>) -> Duplicate {
        let Some(place) = Self::place(packet) else { return Duplicate::No };
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
            let duplicate = self.check_interfaces(now, interfaces_place(key, identity.digest));
            if duplicate != Duplicate::No {
                return duplicate;
            }
        }
        let before = std::mem::replace(&mut self.seen[place], now);
        if (before.mark ^ mark) & REST != 0 {
            return Duplicate::No;
        }
        let apart_ns = before.time_ns.abs_diff(*time_ns);
        let is_copy = match identity.proof {
            Proof::Id => apart_ns <= WINDOW_NS,
            Proof::Hops => {
                apart_ns <= WINDOW_NS && (before.mark ^ mark) & (HOPS | LANE) != 0
                    || apart_ns <= SEQUENCE_WINDOW_NS
                        && self.has_duplicates(*hash, address(key.addr_a), *time_ns)
            }
            Proof::Sequence | Proof::None => apart_ns <= SEQUENCE_WINDOW_NS,
        };
        if !is_copy {
            return Duplicate::No;
        }
        self.flows[flow_place(address(key.addr_a))] = Seen { mark: *hash, time_ns: *time_ns };
        if (before.mark ^ mark) & LANE == 0 { Duplicate::Within } else { Duplicate::Across }
    }

    /// Returns the packets captured on two interfaces.
    pub fn sensors(&self) -> &Sensors {
        &self.sensors
    }

    /// Returns whether the flow has had duplicates recently.
    fn has_duplicates(&self, hash: u64, address: u64, time_ns: i64) -> bool {
        let flow = self.flows[flow_place(address)];
        flow.mark == hash && flow.time_ns.abs_diff(time_ns) <= FLOW_WINDOW_NS
    }

    /// Returns whether a packet is a duplicate of one from another interface.
    #[cold]
    fn check_interfaces(&mut self, now: Seen, place: usize) -> Duplicate {
        if self.of_interfaces.is_empty() {
            self.of_interfaces = vec![Seen::default(); PLACES * PLACES_MORE];
        }
        let before = &mut self.of_interfaces[place];
        let apart_ns = before.time_ns.abs_diff(now.time_ns);
        if (before.mark ^ now.mark) & REST == 0
            && (before.mark ^ now.mark) & INTERFACE != 0
            && apart_ns <= SENSORS_APART_NS
        {
            let later_ns = i128::from(now.time_ns) - i128::from(before.time_ns);
            let sign = if now.mark & INTERFACE > before.mark & INTERFACE { 1 } else { -1 };
            self.sensors.absorb(&Sensors { packets: 1, later_ns: sign * later_ns });
            if apart_ns > SENSOR_WINDOW_NS {
                return Duplicate::No;
            }
            return if (before.mark ^ now.mark) & LANE == 0 { Duplicate::Within } else { Duplicate::Across };
        }
        *before = now;
        Duplicate::No
    }
}

/// Returns the lower half of an address.
fn address(bytes: [u8; 16]) -> u64 {
    u128::from_be_bytes(bytes) as u64
}

fn flow_place(address: u64) -> usize {
    (address.wrapping_mul(MULTIPLIER) >> 54) as usize % FLOWS
}

/// Addresses and ports in one number, the same in each run.
fn folded(key: &Key) -> u64 {
    let ports = u64::from(key.port_a) << 16 | u64::from(key.port_b);
    address(key.addr_a) ^ address(key.addr_b).rotate_left(32) ^ ports
}

fn interfaces_place(key: &Key, digest: u32) -> usize {
    let more = ((folded(key) ^ u64::from(digest)).wrapping_mul(MULTIPLIER) >> 40) as usize % PLACES_MORE;
    digest as usize % PLACES * PLACES_MORE + more
}
