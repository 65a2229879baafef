//! Signatures found in the first payloads of an endpoint.

/// Packets of each endpoint that are inspected.
pub const SLOTS: u32 = 4;
const SLOT_BITS: u32 = 16;
/// A slot's signature number plus 2; 1: no signature; 0: the slot is free.
const NUMBER: u16 = 0x0fff;
/// The message settles its sender's protocol: one more packet is inspected, and no further one.
const SETTLES: u16 = 1 << 14;
const ANY_SETTLES: u64 = 0x4000_4000_4000_4000;

/// Decryption that a message passed, as evidence beyond its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// None.
    None = 0,
    /// It was decrypted with keys derived from itself.
    Opened = 1 << 12,
    /// It was decrypted with keys derived from the peer's packet.
    Answered = 1 << 13,
}

/// Signatures of an endpoint's first packets with payload, one slot each: 16 bits, the first in the lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits(pub u64);

impl Hits {
    /// Returns whether no further packet is inspected.
    #[inline]
    #[must_use]
    pub fn is_full(self) -> bool {
        self.0 >> (SLOT_BITS * (SLOTS - 1)) != 0 || self.0 & ANY_SETTLES != 0 && self.0 >> SLOT_BITS != 0
    }

    fn len(self) -> u32 {
        (u64::BITS - self.0.leading_zeros()).div_ceil(SLOT_BITS)
    }

    /// Adds the next packet: its signature, if any.
    pub fn push(&mut self, signature: Option<u16>, proof: Proof, settles: bool) {
        let slot = signature.map_or(1, |number| (number + 2).min(NUMBER) | proof as u16);
        self.append(slot | if settles { SETTLES } else { 0 });
    }

    /// Adds the packets of a later piece of the same flow.
    pub fn absorb(&mut self, later: Self) {
        for place in 0..later.len() {
            self.append((later.0 >> (SLOT_BITS * place)) as u16);
        }
    }

    fn append(&mut self, slot: u16) {
        if !self.is_full() {
            self.0 |= u64::from(slot) << (SLOT_BITS * self.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_packets_have_a_slot_each() {
        let mut hits = Hits::default();
        hits.push(Some(7), Proof::None, false);
        hits.push(None, Proof::None, false);
        hits.push(Some(0), Proof::Opened, false);
        assert!(!hits.is_full());
        assert_eq!(hits.0, 0x1002_0001_0009);
        let mut joined = hits;
        joined.absorb(hits);
        assert_eq!(joined.0, 0x0009_1002_0001_0009);
        joined.push(Some(1), Proof::None, false);
        assert_eq!(joined.0, 0x0009_1002_0001_0009, "it is full");
    }

    #[test]
    fn one_more_packet_is_inspected_after_a_message_that_settles() {
        let mut hits = Hits::default();
        hits.push(Some(7), Proof::None, true);
        assert!(!hits.is_full());
        let mut joined = hits;
        joined.absorb(Hits(0x0005_0004));
        assert_eq!(joined.0, 0x0004_4009);
        hits.push(None, Proof::None, false);
        assert!(hits.is_full() && joined.is_full());
    }
}
