//! Encapsulations: the packet inside, its path, and when a tunnel is not opened.

use super::carriers::{gre, outer, over_ip, over_udp, tunnels};
use super::*;
use crate::wire::{Encapsulation, Path};

#[test]
fn every_tunnel_is_decoded_to_the_inner_packet() {
    for carrier in tunnels(IPV4) {
        let expected = in_tunnel(carrier.path, carrier.network_id, packet(4, Transport::Tcp, 43, 3));
        let frame = carrier.frame(&ipv4(TCP, &tcp(3)));
        assert_eq!(decode(carrier.link_type, &frame), Ok(expected), "{}: {frame:02x?}", carrier.path);
    }
    for carrier in tunnels(IPV6) {
        let expected = in_tunnel(carrier.path, carrier.network_id, packet(6, Transport::Udp, 51, 3));
        let frame = carrier.frame(&ipv6(UDP, &udp(3)));
        assert_eq!(decode(carrier.link_type, &frame), Ok(expected), "{}: {frame:02x?}", carrier.path);
    }
}

#[test]
fn tunnels_over_ip_are_not_opened_without_decapsulation() {
    fn unopened(link_type: u16, frame: &[u8]) -> Result<Packet<'static>, NotAFlowPacket<'_>> {
        let decoded = crate::wire::decode(link_type, frame, frame.len() as u32, false);
        decoded.map(|packet| Packet { identity: Identity::default(), payload: &[], ..packet })
    }
    fn closed(frame: &[u8]) -> Result<Packet<'static>, NotAFlowPacket<'_>> {
        unopened(RAW, frame)
    }
    for carrier in tunnels(IPV4).iter().filter(|carrier| carrier.link_type == RAW) {
        let frame = carrier.frame(&ipv4(TCP, &tcp(3)));
        if carrier.over_udp && frame[9] == UDP {
            let port = u16::from_be_bytes([frame[22], frame[23]]);
            assert_eq!(closed(&frame), Ok(outer(port, frame.len())));
        } else {
            assert_eq!(closed(&frame), Err(Unmetered::NoPorts.into()), "{}", carrier.path);
        }
    }
    let after_label = ethernet(0x8847, &[&[0, 0, 1, 64][..], &ipv4(TCP, &tcp(3))].concat());
    let opened = unopened(ETHERNET, &after_label);
    assert_eq!(opened, Ok(in_tunnel("mpls", 0, packet(4, Transport::Tcp, 43, 3))), "not over IP");
    let authenticated = ipv4(AUTHENTICATION, &extension(AUTHENTICATION, TCP, 1, &tcp(3)));
    assert_eq!(closed(&authenticated), Ok(packet(4, Transport::Tcp, 63, 3)), "authentication is no tunnel");
}

#[test]
fn tunnel_port_alone_is_no_tunnel() {
    let (ip, frame) = (ipv4(TCP, &tcp(3)), ethernet(IPV4, &ipv4(TCP, &tcp(3))));
    let arp = ethernet(0x0806, &[0; 28]);
    let payload = |header: &[u8], rest: &[u8]| [header, rest].concat();
    for (what, port, payload) in [
        ("no VXLAN id", 4789, payload(&[0; 8], &frame)),
        ("VXLAN's last byte in use", 4789, payload(&[8, 0, 0, 0, 0, 0, 1, 1], &frame)),
        ("VXLAN with a next protocol", 4789, payload(&[0x0c, 0, 0, 1, 0, 0, 1, 0], &ip)),
        ("VXLAN-GPE without id", 4790, payload(&[4, 0, 0, 1, 0, 0, 1, 0], &ip)),
        ("VXLAN-GPE with NSH", 4790, payload(&[0x0c, 0, 0, 4, 0, 0, 1, 0], &ip)),
        ("ARP in VXLAN", 4789, payload(&[8, 0, 0, 0, 0, 0, 1, 0], &arp)),
        ("ICMP in VXLAN", 4789, payload(&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(IPV4, &ipv4(ICMP, &[8, 0])))),
        ("Geneve version 1", 6081, payload(&[0x40, 0, 0x65, 0x58, 0, 0, 1, 0], &frame)),
        ("Geneve's last byte in use", 6081, payload(&[0, 0, 0x65, 0x58, 0, 0, 1, 1], &frame)),
        ("Geneve options end early", 6081, payload(&[0x3f, 0, 0x65, 0x58, 0, 0, 1, 0], &frame)),
        ("GTP-U echo", 2152, payload(&[0x32, 1, 0, 4, 0, 0, 0, 0], &[0; 4])),
        ("GTP'", 2152, payload(&[0x2f, 255, 0, 0, 0, 0, 0, 0], &ip)),
        (
            "GTP-U extension of no length",
            2152,
            payload(&[0x34, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x85, 0, 0, 0, 0], &ip),
        ),
        ("Teredo with IPv4", 3544, ip.clone()),
        ("Teredo bubble", 3544, ipv6(59, &[])),
        ("L2TP control", 1701, payload(&[0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 0x21])),
        ("L2TP version 3", 1701, payload(&[0, 3, 0, 0, 0, 0, 0, 1], &ip)),
        ("L2TP link control", 1701, payload(&[0, 2, 0, 1, 0, 2], &[0xff, 3, 0xc0, 0x21, 1, 1, 0, 4])),
        ("nothing", 4789, vec![]),
    ] {
        let frame = over_udp(port, &payload);
        assert_eq!(decode(RAW, &frame), Ok(outer(port, frame.len())), "{what}");
    }
    let vxlan = payload(&[8, 0, 0, 0, 0, 0, 1, 0], &frame);
    let answer = with(over_udp(50_000, &vxlan), 20, &be(4789));
    assert_eq!(decode(RAW, &answer), Ok(in_tunnel("vxlan/eth/ip", 1, packet(4, Transport::Tcp, 43, 3))));
    let elsewhere = over_udp(53, &vxlan);
    assert_eq!(decode(RAW, &elsewhere), Ok(outer(53, elsewhere.len())), "a tunnel on another port");
}

#[test]
fn inner_fragments_and_icmp_errors_are_returned() {
    let vxlan = |ip: &[u8]| over_udp(4789, &[&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(IPV4, ip)[..]].concat());
    let fragment = vxlan(&with(ipv4(UDP, &udp(100)), 6, &be(0x2000)));
    let Err(NotAFlowPacket::Fragment(fragment)) = crate::wire::decode(RAW, &fragment, 999, true) else {
        panic!("no fragment")
    };
    assert_eq!((fragment.datagram.network_id, fragment.tunnel.to_string().as_str()), (1, "vxlan/eth/ip"));
    let quote = ipv4_between([ENDS[1], ENDS[0]], 0, UDP, &udp_between([ENDS[1], ENDS[0]], 0));
    let error = vxlan(&ipv4(ICMP, &[&[3, 3, 0, 0, 0, 0, 0, 0], &quote[..]].concat()));
    let Err(NotAFlowPacket::IcmpError(quoted)) = crate::wire::decode(RAW, &error, 999, true) else {
        panic!("no error")
    };
    assert_eq!(quoted.ends.network_id, 1);
}

#[test]
fn tunnelled_packets_without_ports_are_counted_by_reason() {
    for (what, reason, link, frame) in [
        ("PPTP acknowledgement", Unmetered::NotIp, RAW, over_ip(47, &gre(0x2081, 0x880b, &[0; 8]))),
        (
            "PPTP link control",
            Unmetered::NotIp,
            RAW,
            over_ip(47, &gre(0x3001, 0x880b, &[&[0; 8][..], &[0xff, 3, 0xc0, 0x21]].concat())),
        ),
        (
            "PPTP with MPPE",
            Unmetered::Encrypted,
            RAW,
            over_ip(47, &gre(0x3001, 0x880b, &[&[0; 8][..], &[0xfd, 1, 2]].concat())),
        ),
        ("GRE keepalive", Unmetered::NotIp, RAW, over_ip(47, &gre(0, 0, &[]))),
        ("GRE version 2", Unmetered::DamagedLink, RAW, over_ip(47, &gre(2, IPV4, &ipv4(TCP, &tcp(0))))),
        ("GRE ends early", Unmetered::DamagedLink, RAW, over_ip(47, &gre(0xb000, IPV4, &[0; 11]))),
        (
            "GRE route without end",
            Unmetered::DamagedLink,
            RAW,
            over_ip(47, &gre(0x4000, IPV4, &[0, 0, 0, 0, 8, 0, 0, 0])),
        ),
        ("ERSPAN ends early", Unmetered::DamagedLink, RAW, over_ip(47, &gre(0x1000, 0x88be, &[0; 11]))),
        ("authentication ends early", Unmetered::DamagedIp, RAW, ipv4(AUTHENTICATION, &[51])),
        ("ESP", Unmetered::Encrypted, RAW, ipv4(50, &[0; 20])),
        ("label stack without bottom", Unmetered::DamagedLink, ETHERNET, ethernet(0x8847, &[0; 64])),
        ("nothing behind the label", Unmetered::DamagedLink, ETHERNET, ethernet(0x8847, &[0, 0, 1, 64])),
        (
            "associated channel",
            Unmetered::NotIp,
            ETHERNET,
            ethernet(0x8847, &[0, 0, 0xd1, 1, 0x10, 0, 0, 7, 0x20, 0]),
        ),
        ("encrypted MACsec", Unmetered::Encrypted, ETHERNET, ethernet(0x88e5, &[0x2c, 0, 0, 0, 0, 1, 9, 9])),
        (
            "PPPoE session link control",
            Unmetered::NotIp,
            ETHERNET,
            ethernet(0x8864, &[0x11, 0, 0, 1, 0, 4, 0xc0, 0x21, 1, 1]),
        ),
        ("PPPoE ends early", Unmetered::DamagedLink, ETHERNET, ethernet(0x8864, &[0x11, 0, 0, 1])),
    ] {
        assert_eq!(decode(link, &frame), Err(reason), "{what}");
    }
}

#[test]
fn macsec_short_length_is_used() {
    let ip = ipv4(UDP, &udp(0));
    let frame = ethernet(0x88e5, &[&[0, 30, 0, 0, 0, 1, 8, 0], &ip[..], &[0xee; 30]].concat());
    let expected = in_tunnel("macsec", 0, packet(4, Transport::Udp, 28, 0));
    assert_eq!(decode(ETHERNET, &frame), Ok(expected));
    // With the length left to offload, the padding after the short frame is not counted.
    assert_eq!(decode(ETHERNET, &with(frame, 24, &[0, 0])), Ok(expected));
}

#[test]
fn inner_vlan_tag_counts_without_an_outer_one() {
    let inner = ethernet(0x8100, &tag(5, IPV4, &ipv4(TCP, &tcp(3))));
    let tunnel = over_udp(4789, &[&[8, 0, 0, 0, 0, 0, 1, 0], &inner[..]].concat());
    let expected = in_tunnel("vxlan/eth/ip", 1, packet(4, Transport::Tcp, 43, 3));
    assert_eq!(decode(RAW, &tunnel), Ok(in_vlan(5, expected)));
    assert_eq!(decode(ETHERNET, &ethernet(0x8100, &tag(6, IPV4, &tunnel))), Ok(in_vlan(6, expected)));
}

#[test]
fn the_innermost_virtual_network_counts() {
    let nvgre = [&gre(0x2000, 0x6558, &[0, 0, 7, 0])[..], &ethernet(IPV4, &ipv4(TCP, &tcp(3)))].concat();
    let vxlan = [&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(IPV4, &over_ip(47, &nvgre))[..]].concat();
    let expected = in_tunnel("vxlan/eth/ip/nvgre/eth/ip", 7, packet(4, Transport::Tcp, 43, 3));
    assert_eq!(decode(RAW, &over_udp(4789, &vxlan)), Ok(expected));
}

#[test]
fn at_most_eight_encapsulations_are_followed() {
    let nested = |times| (0..times).fold(ipv4(TCP, &tcp(3)), |ip, _| over_ip(4, &ip));
    let path = ["ip"; 8].join("/");
    assert_eq!(decode(RAW, &nested(8)), Ok(in_tunnel(&path, 0, packet(4, Transport::Tcp, 43, 3))));
    assert_eq!(decode(RAW, &nested(9)), Err(Unmetered::TooDeep));
    let authenticated = |times| {
        let ah = |(next, body): (u8, Vec<u8>), _| (AUTHENTICATION, extension(AUTHENTICATION, next, 0, &body));
        let (protocol, body) = (0..times).fold((TCP, tcp(3)), ah);
        ipv4(protocol, &body)
    };
    assert_eq!(decode(RAW, &authenticated(40)), Err(Unmetered::TooDeep));
    assert!(decode(RAW, &authenticated(8)).is_ok());
}

#[test]
fn paths_round_trip_through_text() {
    assert_eq!(Path::default().to_string(), "");
    let path =
        Path::default().with(Encapsulation::VxlanGpe).and_then(|path| path.with(Encapsulation::Ip)).unwrap();
    assert_eq!(path.to_string(), "vxlan-gpe/ip");
    for carrier in tunnels(IPV6) {
        assert_eq!(Path::parse(carrier.path).unwrap().to_string(), carrier.path);
    }
    let full = ["ip"; 8].join("/");
    assert_eq!(Path::parse(&full).map(|path| path.to_string()), Some(full.clone()));
    for wrong in ["", "ip/", "tcp", &format!("{full}/ip")] {
        assert_eq!(Path::parse(wrong), None, "{wrong:?}");
    }
}

#[test]
fn mpls_cut_before_its_payload_is_recognised_is_cut_short() {
    let inner = ethernet(IPV4, &ipv4(TCP, &tcp(3)));
    for (what, control_word, inner) in [
        ("Ethernet", &[][..], with(inner.clone(), 0, &[0])),
        ("Ethernet behind a control word", &[0; 4], inner),
    ] {
        let frame = ethernet(0x8847, &[&[0, 0, 1, 64][..], control_word, &inner].concat());
        for captured in 14 + 4..14 + 4 + 14 {
            assert_eq!(
                decode_cut(ETHERNET, &frame, captured),
                Err(Unmetered::CutShort),
                "{what}: {captured}"
            );
        }
    }
}
