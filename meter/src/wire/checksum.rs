//! The Internet checksum of IPv4 headers, TCP and UDP. RFC 1071, RFC 9293 §3.1, RFC 768, RFC 8200 §8.1.

use super::ip_protocol::{TCP, UDP};
use super::walk::IpHeader;
use super::{be16, be32, udp};

const IPV4_HEADER_CHECKSUM: usize = 10;
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;
/// Headers without options: a route among them would mean another destination in the sum.
const PLAIN_HEADER_BYTES: [u32; 2] = [20, 40];

/// Which checksums of a packet are wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadChecksums {
    /// That of the IPv4 header.
    pub ipv4_header: bool,
    /// That of TCP or UDP.
    pub transport: bool,
}

/// Verifies a packet; its IP header is verified already.
#[cold]
pub fn bad(ip: &IpHeader<'_>, transport: &[u8], wire_bytes: u32) -> BadChecksums {
    let transport = is_bad_transport(ip, transport, wire_bytes);
    BadChecksums { ipv4_header: ip.bad_header, transport }
}

/// Whether an IPv4 header's checksum is wrong. 0: the network card fills it in.
pub fn is_bad_header(header: &[u8]) -> bool {
    be16(header, IPV4_HEADER_CHECKSUM) != 0 && fold(sum(header)) != 0xffff
}

/// Whether the checksum of a TCP segment or UDP datagram is wrong.
///
/// Not wrong are those that can't be verified (cut by the snap length, of unknown length, behind IP options),
/// and those that a network card is still to fill in: 0, or the sum of the pseudo-header alone.
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

/// The sum of the 16-bit words, not folded.
fn sum(bytes: &[u8]) -> u64 {
    // Four bytes at a time: folded in the end, the halves come together.
    let words = bytes.chunks_exact(4);
    let mut last = [0; 4];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    let whole: u64 = words.map(|word| u64::from(be32(word, 0))).sum();
    whole + u64::from(be32(&last, 0))
}

/// One's complement sum in 16 bits.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
