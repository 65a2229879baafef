//! Correct, wrong, and unverifiable checksums.

use super::frames::*;
use crate::wire::{BadChecksums, decode_verified};

const GOOD: BadChecksums = BadChecksums { ipv4_header: false, transport: false };
const BAD_HEADER: BadChecksums = BadChecksums { ipv4_header: true, transport: false };
const BAD_TRANSPORT: BadChecksums = BadChecksums { ipv4_header: false, transport: true };
/// Offsets of the checksums of IPv4 header, TCP and UDP in a packet without options.
const HEADER: usize = 10;
const OF_TCP: usize = 20 + 16;
const OF_UDP: usize = 20 + 6;

fn of_cut(ip: &[u8], wire_bytes: usize) -> BadChecksums {
    decode_verified(RAW, ip, wire_bytes as u32, true).expect("a packet").bad_checksums
}

fn of(ip: &[u8]) -> BadChecksums {
    of_cut(ip, ip.len())
}

/// Computes the checksum word by word, as in RFC 1071 §4.1.
fn checksum(pseudo: &[u8], covered: &[u8]) -> [u8; 2] {
    let mut sum = 0_u32;
    for part in [pseudo, covered] {
        for word in part.chunks(2) {
            sum += u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
    }
    be(!(sum as u16))
}

fn ipv4_pseudo(ip: &[u8]) -> Vec<u8> {
    [&ip[12..20], &[0, ip[9]][..], &be((ip.len() - 20) as u16)].concat()
}

fn right(ip: Vec<u8>, at: usize) -> Vec<u8> {
    let sum = checksum(&ipv4_pseudo(&ip), &ip[20..]);
    let ip = with(ip, at, &sum);
    let header = checksum(&[], &ip[..20]);
    with(ip, HEADER, &header)
}

#[test]
fn any_change_to_a_correct_packet_is_wrong() {
    for bytes in [0, 1, 2, 3, 8, 61] {
        for (ip, at) in [(ipv4(TCP, &tcp(bytes)), OF_TCP), (ipv4(UDP, &udp(bytes)), OF_UDP)] {
            let ip = right(ip, at);
            assert_eq!(of(&ip), GOOD, "{ip:02x?}");
            assert_eq!(of(&with(ip.clone(), 5, &[ip[5] ^ 1])), BAD_HEADER, "identification");
            let last = ip.len() - 1;
            assert_eq!(of(&with(ip.clone(), last, &[ip[last] ^ 1])), BAD_TRANSPORT);
            // Ethernet padding is not part of it.
            let padded = ethernet(IPV4, &[&ip[..], &[0xff; 20]].concat());
            let decoded = decode_verified(ETHERNET, &padded, padded.len() as u32, true);
            assert_eq!(decoded.map(|packet| packet.bad_checksums), Ok(GOOD));
        }
    }
}

#[test]
fn ipv6_has_a_transport_checksum_only() {
    let ip = ipv6(TCP, &tcp(5));
    let pseudo = [&ip[8..40], &[0, 0], &be(25), &[0, 0, 0, TCP]].concat();
    let sum = checksum(&pseudo, &ip[40..]);
    let ip = with(ip, 40 + 16, &sum);
    assert_eq!(of(&ip), GOOD);
    assert_eq!(of(&with(ip, 64, &[1])), BAD_TRANSPORT);
}

#[test]
fn checksums_left_to_offload_are_not_wrong() {
    for (ip, at) in [(ipv4(TCP, &tcp(9)), OF_TCP), (ipv4(UDP, &udp(9)), OF_UDP)] {
        let zero = with(with(ip.clone(), at, &[0, 0]), HEADER, &[0, 0]);
        assert_eq!(of(&zero), GOOD, "zero");
        let [high, low] = checksum(&ipv4_pseudo(&ip), &[]);
        assert_eq!(of(&with(zero, at, &[!high, !low])), GOOD, "the pseudo-header's sum");
    }
}

#[test]
fn unverifiable_checksums_are_not_wrong() {
    let wrong = with(right(ipv4(TCP, &tcp(9)), OF_TCP), OF_TCP, &[1, 1]);
    assert_eq!(of(&wrong), BAD_TRANSPORT);
    assert_eq!(of_cut(&wrong[..48], wrong.len()), GOOD, "cut by the snap length");
    let offload = with(wrong.clone(), 2, &[0, 0]);
    assert!(!of(&offload).transport, "without a length");
    let first = with(wrong, 6, &[0x20, 0]);
    assert!(decode_verified(RAW, &first, first.len() as u32, true).is_err(), "a fragment is none");
    let wrong = with(ipv4(UDP, &udp(9)), OF_UDP, &[1, 1]);
    let longer = with(wrong, 24, &be(99));
    assert!(!of(&longer).transport, "longer than the packet");
}

#[test]
fn inner_packet_of_a_tunnel_is_verified() {
    let inner = with(right(ipv4(TCP, &tcp(9)), OF_TCP), OF_TCP, &[1, 1]);
    assert_eq!(of(&ipv4(4, &inner)), BAD_TRANSPORT);
}
