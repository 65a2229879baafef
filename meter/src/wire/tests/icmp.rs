//! ICMP errors: which of them mean an unreachable endpoint, and the packet they quote.

use super::*;
use crate::wire::Quoted;

const BACK: [(u8, u16); 2] = [ENDS[1], ENDS[0]];

/// An error from host 9 to host 2, the sender of the quoted packet.
fn error_v4(kind: u8, code: u8, quote: &[u8]) -> Vec<u8> {
    ipv4_between([(9, 0), BACK[0]], 0, ICMP, &[&[kind, code, 0, 0, 0, 0, 0, 0], quote].concat())
}

fn error_v6(kind: u8, code: u8, quote: &[u8]) -> Vec<u8> {
    ipv6_between([(9, 0), BACK[0]], 58, &[&[kind, code, 0, 0, 0, 0, 0, 0], quote].concat())
}

fn quoted(frame: &[u8]) -> Option<Quoted> {
    match crate::wire::decode(RAW, frame, frame.len() as u32, true) {
        Err(NotAFlowPacket::IcmpError(quoted)) => Some(quoted),
        other => {
            assert_eq!(other, Err(Unmetered::Icmp.into()));
            None
        }
    }
}

#[test]
fn unreachable_errors_return_the_quoted_packet() {
    let sent = |ip: &[u8]| decode(RAW, ip).map(|packet| Quoted { ends: packet.ends }).ok();
    let v4 = ipv4_between(BACK, 0, UDP, &udp_between(BACK, 9));
    let v6 = ipv6_between(BACK, TCP, &tcp_between(BACK, 9));
    for code in (0..=15).filter(|&code| code != 4) {
        assert_eq!(quoted(&error_v4(3, code, &v4)), sent(&v4), "code {code}");
    }
    for code in 0..=7 {
        assert_eq!(quoted(&error_v6(1, code, &v6)), sent(&v6), "code {code}");
    }
    assert!(sent(&v4).is_some() && sent(&v6).is_some());
    // RFC 792 quotes eight bytes after the IP header; the ports are enough.
    assert_eq!(quoted(&error_v4(3, 3, &v4[..24])), sent(&v4));
    assert_eq!(quoted(&error_v6(1, 4, &v6[..44])), sent(&v6));
    let options = ipv4_between(BACK, 3, UDP, &udp_between(BACK, 9));
    assert_eq!(quoted(&error_v4(3, 3, &options)), sent(&options));
    let first = with(v4.clone(), 6, &be(0x2000));
    assert_eq!(quoted(&error_v4(3, 3, &first)), sent(&v4), "the first fragment has the ports");
}

#[test]
fn other_messages_return_no_packet() {
    let v4 = ipv4_between(BACK, 0, UDP, &udp_between(BACK, 9));
    let v6 = ipv6_between(BACK, UDP, &udp_between(BACK, 9));
    for (what, frame) in [
        ("fragmentation needed", error_v4(3, 4, &v4)),
        ("time exceeded", error_v4(11, 0, &v4)),
        ("redirect", error_v4(5, 1, &v4)),
        ("echo", error_v4(8, 0, &v4)),
        ("packet too big", error_v6(2, 0, &v6)),
        ("time exceeded v6", error_v6(3, 0, &v6)),
        ("neighbour solicitation", error_v6(135, 0, &v6)),
        ("a quote of a later fragment", error_v4(3, 3, &with(v4.clone(), 6, &be(185)))),
        ("a quote without ports", error_v4(3, 3, &v4[..23])),
        ("a quote without its header", error_v4(3, 3, &v4[..19])),
        ("a quote of another IP version", error_v4(3, 3, &v6)),
        ("no quote", error_v4(3, 3, &[])),
        ("half a message", ipv4(ICMP, &[3, 3, 0])),
        ("nothing", ipv4(ICMP, &[])),
        ("ICMPv6's number in IPv4", with(error_v4(1, 4, &v4), 9, &[58])),
    ] {
        assert_eq!(quoted(&frame), None, "{what}");
    }
    // Not sent to the source of the quoted packet.
    let astray = ipv4_between([(9, 0), ENDS[0]], 0, ICMP, &[&[3, 3, 0, 0, 0, 0, 0, 0], &v4[..]].concat());
    assert_eq!(quoted(&astray), None);
}
