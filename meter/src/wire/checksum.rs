//! The Internet checksum of IPv4 headers, TCP and UDP. RFC 1071, RFC 9293 §3.1, RFC 768, RFC 8200 §8.1.

use super::ip_protocol::{TCP, UDP};
use super::walk::IpHeader;
use super::{be16, be32, udp};

const IPV4_HEADER_CHECKSUM: usize = 10;
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;
/// IP header lengths without options, since a routing option changes the destination in the pseudo-header.
const PLAIN_HEADER_BYTES: [u32; 2] = [20, 40];

/// Which checksums of a packet are wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadChecksums {
    /// The IPv4 header checksum.
    pub ipv4_header: bool,
    /// The checksum of TCP or UDP.
    pub transport: bool,
}

/// Verifies the transport checksum; the IPv4 header is verified already.
#[cold]
pub fn bad(ip: &IpHeader<'_>, transport: &[u8], wire_bytes: u32) -> BadChecksums {
    let transport = is_bad_transport(ip, transport, wire_bytes);
    BadChecksums { ipv4_header: ip.bad_header, transport }
}

/// Returns whether an IPv4 header's checksum is wrong; 0 is not (checksum offload).
pub fn is_bad_header(header: &[u8]) -> bool {
    be16(header, IPV4_HEADER_CHECKSUM) != 0 && fold(sum(header)) != 0xffff
}

/// Returns whether the checksum of a TCP segment or UDP datagram is wrong.
///
/// Checksums that cannot be verified (cut by the snap length, of unknown length, after IP options) are not wrong,
/// nor those left to checksum offload: 0, or the sum of the pseudo-header alone.
fn is_bad_transport(ip: &IpHeader<'_>, transport: &[u8], wire_bytes: u32) -> bool {
    let known = ip.ip_bytes.is_some() && PLAIN_HEADER_BYTES.contains(&ip.header_bytes);
    if !known || transport.len() != wire_bytes as usize {
        return false;
    }
    let (at, covered) = match ip.protocol {
        TCP => (TCP_CHECKSUM, Some(transport)),
        // A datagram may be shorter than the packet around it.
        UDP => (UDP_CHECKSUM, udp::covered(transport)),
        _ => return false,
    };
    let Some(covered) = covered.filter(|covered| covered.len() >= at + 2) else { return false };
    let checksum = be16(covered, at);
    let pseudo = sum(&ip.source.to_be_bytes()[first_byte(ip.ip_version)..])
        + sum(&ip.destination.to_be_bytes()[first_byte(ip.ip_version)..])
        + covered.len() as u64
        + u64::from(ip.protocol);
    checksum != 0 && checksum != fold(pseudo) && fold(pseudo + sum(covered)) != 0xffff
}

fn first_byte(ip_version: u8) -> usize {
    if ip_version == 4 { 12 } else { 0 }
}

/// Returns the sum of the 16-bit words, not folded.
fn sum(bytes: &[u8]) -> u64 {
    // Four bytes at a time: `fold` adds the two halves.
    let words = bytes.chunks_exact(4);
    let mut last = [0; 4];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    let whole: u64 = words.map(|word| u64::from(be32(word, 0))).sum();
    whole + u64::from(be32(&last, 0))
}

/// Folds a sum into a 16-bit one's complement sum.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
