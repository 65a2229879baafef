//! What tells a packet from the others of its flow, so that copies of it are known as copies.
//!
//! A port that mirrors a network hands over many packets twice: where they come in and where they go out,
//! perhaps routed in between. A copy has the IP identification, length and transport header of its original;
//! its link header, VLAN and hop limit may be others. A packet that was *sent* twice has another
//! identification (RFC 6864 §4), if it has any: IPv6 has none, and IPv4 may say 0 where nothing is fragmented.

use super::ip_protocol::{TCP, UDP};
use super::walk::IpHeader;

/// Of the transport header, behind the ports: in TCP numbers, flags, window and checksum; in UDP length,
/// checksum and the payload's first bytes.
const FIRST: usize = 4;
const END: usize = 20;
/// Of the two words from [`FIRST`] on, all but the checksum, which the sender's network card may have still to
/// fill in where a packet is captured first.
const WITHOUT_TCP_CHECKSUM: [u64; 2] = [!0, u64::from_ne_bytes([255, 255, 255, 255, 0, 0, 255, 255])];
const WITHOUT_UDP_CHECKSUM: [u64; 2] = [u64::from_ne_bytes([255, 255, 0, 0, 255, 255, 255, 255]), !0];
/// Odd numbers without a pattern: the fractions of the square roots of 2, 3 and 5.
const MULTIPLIERS: [u64; 3] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b];

/// What shows that a packet with the same digest is a copy, and not another one that looks the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Nothing does: a fragment.
    #[default]
    None,
    /// The identification.
    Id,
    /// There is no identification, but a sequence number that is used up: a retransmission has the same,
    /// yet comes later.
    Sequence,
    /// There is neither: only that it was seen at another hop.
    Hops,
}

/// What a packet and its copies have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Of identification, length and transport header.
    pub digest: u32,
    /// Time to live, hop limit: one less behind each router.
    pub hops: u8,
    /// What shows a copy.
    pub proof: Proof,
}

impl Identity {
    /// Of a packet with this IP header and these bytes behind it. `sequenced`: it uses up sequence numbers.
    #[inline(never)] // else what it is part of is too large to be inlined itself
    pub fn new(ip: &IpHeader<'_>, ip_bytes: u32, transport: &[u8], sequenced: bool) -> Self {
        let words = transport.get(FIRST..END).map_or_else(|| short(transport), halves);
        let own = u64::from(ip.identification) << 32 | u64::from(ip_bytes);
        // Where nothing else tells packets apart, the checksum does.
        let mask = match ip.protocol {
            _ if ip.identification == 0 && !sequenced => [!0; 2],
            TCP => WITHOUT_TCP_CHECKSUM,
            UDP => WITHOUT_UDP_CHECKSUM,
            _ => [!0; 2],
        };
        let digest = (words[0] & mask[0])
            .wrapping_mul(MULTIPLIERS[0])
            .wrapping_add((words[1] & mask[1]).wrapping_mul(MULTIPLIERS[1]))
            .wrapping_add(own.wrapping_mul(MULTIPLIERS[2]));
        let proof = match ip.identification {
            0 if sequenced => Proof::Sequence,
            0 => Proof::Hops,
            _ => Proof::Id,
        };
        Self { digest: (digest >> 32) as u32, hops: ip.hops, proof }
    }
}

#[inline]
fn halves(bytes: &[u8]) -> [u64; 2] {
    let word = |at: usize| u64::from_ne_bytes(std::array::from_fn(|i| bytes[at + i]));
    [word(0), word(8)]
}

/// Of what is left of a header that ends early.
#[cold]
fn short(transport: &[u8]) -> [u64; 2] {
    let mut bytes = [0; END - FIRST];
    let there = transport.get(FIRST..).unwrap_or_default();
    bytes[..there.len()].copy_from_slice(there);
    halves(&bytes)
}
