//! Identity: equal for duplicates, different for other packets.

use super::frames::*;
use crate::wire::{Identity, Proof};

fn identity(ip: &[u8]) -> Identity {
    let frame = crate::wire::decode(RAW, ip, ip.len() as u32, true);
    frame.expect("a packet").identity
}

#[test]
fn hop_limit_and_outer_headers_may_differ() {
    for ip in [with(ipv4(TCP, &tcp(3)), 4, &[1, 2]), ipv6(UDP, &udp(3))] {
        let ttl = if ip[0] >> 4 == 4 { 8 } else { 7 };
        let routed = identity(&with(ip.clone(), ttl, &[9]));
        assert_eq!(routed, Identity { hops: 9, ..identity(&ip) });
        let kind = if ip[0] >> 4 == 4 { IPV4 } else { IPV6 };
        let tagged = ethernet(0x8100, &tag(5, kind, &ip));
        let tagged = crate::wire::decode(ETHERNET, &tagged, tagged.len() as u32, true);
        assert_eq!(tagged.map(|packet| packet.identity), Ok(identity(&ip)));
    }
}

#[test]
fn identification_length_and_transport_header_are_compared() {
    let ip = with(ipv4(TCP, &tcp(3)), 4, &[1, 2]);
    let own = identity(&ip).digest;
    assert_ne!(identity(&with(ipv4(TCP, &tcp(4)), 4, &[1, 2])).digest, own);
    let changed = |at: usize| identity(&with(ip.clone(), at, &[ip[at] ^ 1])).digest;
    for at in [4, 5].into_iter().chain(24..32).chain(33..36).chain(38..40) {
        assert_ne!(changed(at), own, "byte {at}");
    }
    // The checksum may be left to offload.
    assert_eq!([36, 37].map(changed), [own; 2]);
}

#[test]
fn proof_of_a_duplicate() {
    let proof = |ip: &[u8]| identity(ip).proof;
    assert_eq!(proof(&with(ipv4(UDP, &udp(3)), 4, &[0, 1])), Proof::Id);
    assert_eq!(proof(&ipv4(UDP, &udp(3))), Proof::Hops);
    assert_eq!(proof(&ipv6(UDP, &udp(3))), Proof::Hops);
    assert_eq!(proof(&ipv6(TCP, &tcp(3))), Proof::Sequence);
    for (flags, expected) in
        [(0x10, Proof::Hops), (0x02, Proof::Sequence), (0x11, Proof::Sequence), (0x14, Proof::Hops)]
    {
        assert_eq!(proof(&ipv6(TCP, &with(tcp(0), 13, &[flags]))), expected, "flags {flags:#x}");
    }
}

#[test]
fn truncated_headers_are_compared() {
    let ip = ipv4(TCP, &tcp(30));
    let cut = |bytes: usize| crate::wire::decode(RAW, &ip[..bytes], ip.len() as u32, true);
    assert_eq!(cut(40).map(|packet| packet.identity), Ok(identity(&ip)));
    assert!(cut(34).is_ok_and(|packet| packet.identity == cut(34).expect("the same").identity));
}
