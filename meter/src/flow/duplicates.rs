//! Copies of a packet that a mirror port handed over twice, told from what was sent twice.
//!
//! A packet is a copy if one with the same identity came shortly before; [`Proof`] says what that takes.
//! Where the sequence number alone shows it, the original must be the sender's last such packet of the flow:
//! a retransmission has others between, or waits for an answer.

use super::pending::Pending;
use crate::wire::Proof;

/// Packets of a part of the key space that are remembered, at places that follow from what they are: newer ones take
/// them over.
const PLACES: usize = 1 << 10;
/// Mirrored copies come within milliseconds. By then no sender has used up all identifications.
const WINDOW_NS: u64 = 50_000_000;
/// No retransmission follows its original that soon (RFC 6298 §2: a second; Linux: 200 ms, tail loss probe 10).
const SEQUENCE_WINDOW_NS: u64 = 1_000_000;

/// The lowest byte of a mark is the hop limit.
const HOPS: u64 = 0xff;

#[derive(Clone, Copy, Default)]
struct Seen {
    mark: u64,
    time_ns: i64,
}

/// The packets seen lately; no places before the first.
#[derive(Default)]
pub struct Duplicates(Vec<Seen>);

impl Duplicates {
    /// The place of a packet, if copies of it can be told.
    #[inline]
    fn place<P>(Pending { key, from_a, identity, .. }: &Pending<P>) -> Option<usize> {
        let place = match identity.proof {
            Proof::None => return None,
            // Not by the hash of the key, which differs from run to run: so would the places taken over.
            Proof::Sequence => {
                let address = |bytes: [u8; 16]| u128::from_be_bytes(bytes) as u64;
                let ports = u64::from(key.port_a) << 16 | u64::from(key.port_b);
                ((address(key.addr_a)
                    ^ address(key.addr_b).rotate_left(32)
                    ^ ports
                    ^ u64::from(*from_a) << 32)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    >> 32) as usize
            }
            Proof::Id | Proof::Hops => identity.digest as usize,
        };
        Some(place % PLACES)
    }

    /// Reads what is at the place of a packet, for the sake of the cache.
    #[inline]
    pub fn fetch<P>(&self, packet: &Pending<P>) {
        std::hint::black_box(Self::place(packet).and_then(|place| Some(self.0.get(place)?.mark)));
    }

    /// Whether a packet is a copy.
    #[inline]
    pub fn is_copy<P>(&mut self, packet: &Pending<P>) -> bool {
        let Some(place) = Self::place(packet) else { return false };
        let Pending { hash, from_a, time_ns, identity, .. } = packet;
        let mark = (hash ^ u64::from(identity.digest) << 32 ^ u64::from(*from_a) << 8) & !HOPS
            | u64::from(identity.hops);
        if self.0.is_empty() {
            self.0.resize(PLACES, Seen::default());
        }
        let seen = &mut self.0[place];
        let before = std::mem::replace(seen, Seen { mark, time_ns: *time_ns });
        if (before.mark ^ mark) & !HOPS != 0 {
            return false;
        }
        let window_ns = if identity.proof == Proof::Sequence { SEQUENCE_WINDOW_NS } else { WINDOW_NS };
        before.time_ns.abs_diff(*time_ns) <= window_ns
            && (identity.proof != Proof::Hops || before.mark != mark)
    }
}
