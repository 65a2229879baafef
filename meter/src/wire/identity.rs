//! Identity of a packet within its flow, by which duplicates are recognised.
//!
//! A mirror (SPAN) port delivers many packets twice: on ingress and on egress, possibly routed in between. A
//! duplicate has the IP identification, length and transport header of the original; link header, VLAN and hop
//! limit may differ. A retransmission has another identification (RFC 6864 §4), if there is one: IPv6 has none,
//! and IPv4 may have 0 in packets that are not fragmented.

use super::ip_protocol::{TCP, UDP};
use super::walk::IpHeader;

/// Range of the transport header that is compared, after the ports: in TCP numbers, flags, window and checksum; in
/// UDP length, checksum and the payload's first bytes.
const FIRST: usize = 4;
const END: usize = 20;
/// Masks over the two words from [`FIRST`] on that exclude the checksum, which may be left to checksum offload in
/// a packet captured at its sender.
const WITHOUT_TCP_CHECKSUM: [u64; 2] = [!0, u64::from_ne_bytes([255, 255, 255, 255, 0, 0, 255, 255])];
const WITHOUT_UDP_CHECKSUM: [u64; 2] = [u64::from_ne_bytes([255, 255, 0, 0, 255, 255, 255, 255]), !0];
/// Odd multipliers of the digest: fractional parts of the square roots of 2, 3 and 5.
const MULTIPLIERS: [u64; 3] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b];

/// Evidence that a packet with the same digest is a duplicate, and not a retransmission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// None: a fragment.
    #[default]
    None,
    /// The IP identification.
    Id,
    /// A sequence number, without an identification: a retransmission has the same, but comes later.
    Sequence,
    /// Neither: only another hop limit shows a duplicate.
    Hops,
}

/// What a packet and its duplicates have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Digest of identification, length and transport header.
    pub digest: u32,
    /// Time to live or hop limit; each router decrements it.
    pub hops: u8,
    /// Evidence for a duplicate.
    pub proof: Proof,
}

impl Identity {
    /// Computes the identity from the IP header and the bytes after it; `sequenced`: it consumes sequence numbers.
    #[inline(never)] // otherwise its caller is too large to be inlined
    pub fn new(ip: &IpHeader<'_>, ip_bytes: u32, transport: &[u8], sequenced: bool) -> Self {
        let words = transport.get(FIRST..END).map_or_else(|| short(transport), halves);
        let own = u64::from(ip.identification) << 32 | u64::from(ip_bytes);
        // Without identification and sequence number, only the checksum differs between packets.
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

/// Returns the words of a truncated header, padded with zeros.
#[cold]
fn short(transport: &[u8]) -> [u64; 2] {
    let mut bytes = [0; END - FIRST];
    let there = transport.get(FIRST..).unwrap_or_default();
    bytes[..there.len()].copy_from_slice(there);
    halves(&bytes)
}
