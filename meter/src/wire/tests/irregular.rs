//! Packets that deviate from their headers, unknown type numbers, and several packets in a frame.

use super::carriers::{over_ip, over_udp, snap, wifi};
use super::*;
use crate::wire::{Irregularity, TypeNumber};

fn not_flow(link_type: u16, frame: &[u8]) -> NotAFlowPacket<'_> {
    super::super::decode(link_type, frame, frame.len() as u32, true).expect_err("no plain packet")
}

/// The irregular packet, and how it deviates.
fn irregular(link_type: u16, frame: &[u8], wire_bytes: usize) -> Option<(Packet<'_>, Irregularity)> {
    match super::super::decode(link_type, frame, wire_bytes as u32, true) {
        Err(NotAFlowPacket::Irregular(packet, how)) => Some((*packet, how)),
        _ => None,
    }
}

#[test]
fn version_field_of_the_header_counts() {
    for (frame, expected) in [
        (ethernet(IPV4, &ipv6(TCP, &tcp(3))), packet(6, Transport::Tcp, 63, 3)),
        (ethernet(IPV6, &ipv4(UDP, &udp(3))), packet(4, Transport::Udp, 31, 3)),
        (ethernet(0x8100, &tag(5, IPV4, &ipv6(TCP, &tcp(3)))), in_vlan(5, packet(6, Transport::Tcp, 63, 3))),
        (over_ip(4, &ipv6(TCP, &tcp(3))), in_tunnel("ip", 0, packet(6, Transport::Tcp, 63, 3))),
    ] {
        let link_type = if frame[0] == 0x45 { RAW } else { ETHERNET };
        let (packet, how) = irregular(link_type, &frame, frame.len()).expect("a packet");
        assert_eq!((packet.ends, packet.content), (expected.ends, expected.content));
        assert_eq!(how, Irregularity::IpVersion);
    }
    assert_eq!(not_flow(ETHERNET, &ethernet(IPV4, &[0x55; 60])), Unmetered::DamagedIp.into());
    assert_eq!(not_flow(ETHERNET, &ethernet(IPV6, &ipv4(ICMP, &[8, 0]))), Unmetered::Icmp.into());
    // Each header may contradict the one before; they count towards the limit of headers.
    let nested = (0..40).fold(ipv4(UDP, &udp(0)), |ip, _| over_ip(41, &ip));
    assert_eq!(not_flow(RAW, &nested), Unmetered::TooDeep.into());
}

#[test]
fn transport_header_cut_after_its_ports_is_irregular() {
    let cut = |frame: &[u8], captured: usize| {
        irregular(ETHERNET, &frame[..captured], frame.len()).map(|(packet, how)| {
            assert_eq!(how, Irregularity::CutTransport);
            assert_eq!((packet.content.payload_bytes, packet.content.segment), (0, None));
            (packet.ends, packet.content.ip_bytes)
        })
    };
    for (protocol, transport, body, needed) in [
        (TCP, Transport::Tcp, tcp(9), 14),
        (132, Transport::Sctp, with(tcp(9), 12, &[0, 3, 0, 16]), 16),
        (33, Transport::Dccp, with(tcp(9), 4, &[4, 0, 0, 0, 5]), 16),
    ] {
        for (ethertype, ip) in [(IPV4, ipv4(protocol, &body)), (IPV6, ipv6(protocol, &body))] {
            let frame = ethernet(0x8100, &tag(5, ethertype, &ip));
            let transport_at = frame.len() - body.len();
            let mut ends = packet(if ethertype == IPV4 { 4 } else { 6 }, transport, 0, 0).ends;
            ends.proto = protocol;
            for captured in 0..transport_at + 4 {
                assert_eq!(cut(&frame, captured), None, "{captured} bytes");
            }
            for captured in transport_at + 4..transport_at + needed {
                assert_eq!(cut(&frame, captured), Some((ends, ip.len() as u32)), "{captured} bytes");
            }
            assert_eq!(cut(&frame, transport_at + needed), None, "protocol {protocol}");
        }
    }
    // A header that is too short on the wire is damaged, not cut short.
    assert_eq!(not_flow(RAW, &ipv4(TCP, &tcp(0)[..13])), Unmetered::DamagedTransport.into());
}

#[test]
fn misdeclared_link_type_is_recognised_by_the_ip_header() {
    let summed = |ip: Vec<u8>| {
        let sum: u32 = ip[..20].chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        with(ip, 10, &be(!((folded & 0xffff) + (folded >> 16)) as u16))
    };
    let (kind, ip) = (&be(IPV4)[..], summed(ipv4(TCP, &tcp(30))));
    let tagged = [ethernet(0x8100, &[0, 5]), kind.to_vec()].concat();
    for (shown, header) in [
        (ETHERNET, ethernet(IPV4, &[])),
        (ETHERNET, tagged),
        (RAW, vec![]),
        (0, vec![2, 0, 0, 0]),
        (0, vec![0, 0, 0, 2]),
        (113, [&[0; 14], kind].concat()),
        (276, [kind, &[0; 18]].concat()),
        (9, vec![0xff, 3, 0, 0x21]),
    ] {
        let frame = [header.clone(), ip.clone()].concat();
        for declared in [1, 101, 0, 113, 276, 9, 105, 104, 178, 258] {
            let found = irregular(declared, &frame, frame.len());
            if declared == shown {
                assert_eq!(found, None);
                continue;
            }
            let (packet, how) = found.unwrap_or_else(|| panic!("declared {declared}: {header:02x?}"));
            assert_eq!(packet.ends, super::frames::packet(4, Transport::Tcp, 0, 0).ends);
            assert_eq!(how, Irregularity::ReadAs(shown), "declared {declared}: {header:02x?}");
            // Not with a wrong length, nor with a wrong checksum.
            for wrong in [with(ip.clone(), 3, &[60]), with(ip.clone(), 10, &[1, 2])] {
                let frame = [header.clone(), wrong].concat();
                assert_eq!(irregular(declared, &frame, frame.len()), None, "declared {declared}");
            }
        }
    }
    let six = ipv6(TCP, &tcp(30));
    let found = irregular(ETHERNET, &six, six.len()).map(|(packet, how)| (packet.ends.ip_version, how));
    assert_eq!(found, Some((6, Irregularity::ReadAs(101))));
    let ping = summed(ipv4(ICMP, &[8, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(not_flow(ETHERNET, &ping), Unmetered::Icmp.into());
    // Frames of an unknown link type are not reinterpreted.
    assert_eq!(not_flow(147, &six), NotAFlowPacket::UnknownType(TypeNumber::Link(147)));
}

#[test]
fn unknown_type_numbers_are_reported() {
    for (number, link, frame) in [
        (TypeNumber::Link(9999), 9999, vec![0; 60]),
        (TypeNumber::Ether(0x1234), ETHERNET, ethernet(0x1234, &[0; 46])),
        (TypeNumber::Ether(0x1234), ETHERNET, ethernet(0x8926, &[0, 0, 0, 1, 0x12, 0x34])),
        (TypeNumber::Ether(0x8988), ETHERNET, ethernet(0x8988, &[0; 46])),
        (TypeNumber::Ether(0x88b5), 113, [vec![0; 14], vec![0x88, 0xb5]].concat()),
        (TypeNumber::Gre(0x4242), RAW, over_ip(47, &[0, 0, 0x42, 0x42, 0, 0])),
        (TypeNumber::Ppp(0x0055), 9, vec![0x55, 1, 2, 3]),
    ] {
        assert_eq!(not_flow(link, &frame), NotAFlowPacket::UnknownType(number));
    }
    for (what, link, frame) in [
        ("ARP", ETHERNET, ethernet(0x0806, &[0; 46])),
        ("LLDP", ETHERNET, ethernet(0x88cc, &[0; 46])),
        ("spanning tree", ETHERNET, ethernet(38, &[0x42; 46])),
        ("keep-alive of GRE", RAW, over_ip(47, &[0, 0, 0, 0])),
        ("NHRP", RAW, over_ip(47, &[0, 0, 0x20, 1])),
        ("compressed TCP", 9, vec![0x2d, 1, 2, 3]),
        ("a command of B.A.T.M.A.N.", ETHERNET, ethernet(0x4305, &[0, 15, 50, 0])),
        ("a message of a switch chip", ETHERNET, ethernet(0x8899, &[0x23; 46])),
        ("PIM hello", RAW, over_ip(103, &[0x20, 0, 0, 0, 0, 0, 0, 0])),
    ] {
        let reason = if what == "PIM hello" { Unmetered::NoPorts } else { Unmetered::NotIp };
        assert_eq!(not_flow(link, &frame), reason.into(), "{what}");
    }
    // Over UDP, the tunnel is not certain.
    let datagram = over_udp(4754, &[0, 0, 0x42, 0x42, 0, 0]);
    assert!(decode(RAW, &datagram).is_ok());
}

#[test]
fn every_packet_of_an_aggregate_is_returned() {
    let subframe = |ethertype: u16, ip: &[u8]| {
        let body = [snap(ethertype), ip.to_vec()].concat();
        let padding = vec![0; (14 + body.len()).next_multiple_of(4) - 14 - body.len()];
        [vec![2; 12], be(body.len() as u16).to_vec(), body, padding].concat()
    };
    let header = with(wifi([0x88, 2], 26), 24, &[0x80]);
    let three = [
        header.clone(),
        subframe(IPV4, &ipv4(TCP, &tcp(3))),
        subframe(0x0806, &[0; 28]),
        subframe(IPV6, &ipv6(UDP, &udp(7))),
        vec![0xcc; 4], // a check sequence
    ]
    .concat();
    let packets = |frame: &[u8], wire_bytes: usize| -> Vec<_> {
        match super::super::decode(105, frame, wire_bytes as u32, true) {
            Err(NotAFlowPacket::Aggregate(packets)) => {
                packets.map(|packet| packet.map(|packet| packet.ends).map_err(|_| ())).collect()
            }
            other => panic!("{other:?}"),
        }
    };
    let [first, last] = [packet(4, Transport::Tcp, 0, 0).ends, packet(6, Transport::Udp, 0, 0).ends];
    assert_eq!(packets(&three, three.len()), [Ok(first), Err(()), Ok(last)]);
    assert_eq!(packets(&three[..60 + 30], three.len())[0], Ok(first), "cut behind the first");
    assert_eq!(packets(&header, header.len()), [Err(())], "nothing is in it");
    assert_eq!(packets(&[header, vec![0; 300]].concat(), 326).len(), 18, "empty ones end, too");
}
