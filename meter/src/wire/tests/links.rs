//! Link headers: those before IP, and the reasons of the others.

use super::carriers::{links, snap, wifi};
use super::*;

#[test]
fn every_link_type_leads_to_ip() {
    for (link, header) in links(IPV4) {
        let frame = [header.clone(), ipv4(TCP, &tcp(3))].concat();
        let expected = Ok(packet(4, Transport::Tcp, 43, 3));
        assert_eq!(decode(link, &frame), expected, "link type {link}: {header:02x?}");
    }
    for (link, header) in links(IPV6) {
        let frame = [header.clone(), ipv6(UDP, &udp(3))].concat();
        let expected = Ok(packet(6, Transport::Udp, 51, 3));
        assert_eq!(decode(link, &frame), expected, "link type {link}: {header:02x?}");
    }
}

#[test]
fn link_header_cut_anywhere_is_cut_short() {
    for (link, header) in links(IPV4) {
        let frame = [header.clone(), ipv4(TCP, &tcp(3))].concat();
        for captured in 0..=header.len() {
            let found = decode_cut(link, &frame, captured);
            assert_eq!(
                found,
                Err(Unmetered::CutShort),
                "link type {link}, {captured} bytes of {header:02x?}"
            );
        }
    }
}

#[test]
fn wifi_frames_without_a_packet_are_counted_by_reason() {
    let ip = [snap(IPV4), ipv4(TCP, &tcp(0))].concat();
    for (what, reason, control, bytes) in [
        ("beacon", Unmetered::NotIp, [0x80, 0], 24),
        ("acknowledgement", Unmetered::NotIp, [0xd4, 0], 10),
        ("null", Unmetered::NotIp, [0x48, 1], 24),
        ("QoS null", Unmetered::NotIp, [0xc8, 1], 26),
        ("protected", Unmetered::Encrypted, [0x88, 0x41], 26),
    ] {
        let frame = [wifi(control, bytes), ip.clone()].concat();
        assert_eq!(decode(105, &frame), Err(reason), "{what}");
    }
}

#[test]
fn non_ip_is_not_damage() {
    for (what, link, frame) in [
        ("PPP link control", 9, vec![0xff, 3, 0xc0, 0x21, 1, 1, 0, 4]),
        ("PPPoE discovery", 51, vec![0x11, 9, 0, 0, 0, 0]),
        ("SLARP", 104, vec![0x8f, 0, 0x80, 0x35, 0, 0, 0, 2]),
        ("a Cisco HDLC type that would be a length", 104, vec![0x0f, 0, 0, 1]),
        ("frame relay link management", 107, vec![0, 1, 3, 8, 0, 0x75]),
        ("SNAP of a vendor", ETHERNET, ethernet(40, &[0xaa, 0xaa, 3, 0, 0, 0x0c, 8, 0, 1, 2, 3, 4])),
        ("spanning tree", ETHERNET, ethernet(38, &[0x42, 0x42, 3, 0, 0, 0, 0])),
        ("netfilter log of a bridge", 239, vec![7, 0, 0, 0, 5, 0, 9, 0, 1]),
        ("a record of Endace's for ATM", 197, with(vec![0; 20], 8, &[3])),
        ("FDDI station management", 10, with(vec![0; 20], 0, &[0x41])),
        ("Token Ring's own frames", 6, vec![0; 20]),
        ("cooked 802.3 without LLC", 113, with(vec![0; 20], 14, &[0, 1])),
    ] {
        assert_eq!(decode(link, &frame), Err(Unmetered::NotIp), "{what}");
    }
    assert_eq!(decode(9, &[0, 0x53, 1, 2]), Err(Unmetered::Encrypted));
    assert_eq!(decode(9, &[0xfd, 1, 2]), Err(Unmetered::Encrypted), "MPPE");
}

#[test]
fn damaged_link_headers_are_reported() {
    for (what, link, frame) in [
        ("netfilter attribute of 3 bytes", 239, vec![2, 0, 0, 0, 3, 0, 1, 0]),
        ("netfilter log without its packet", 239, vec![2, 0, 0, 0, 4, 0, 1, 0]),
        ("frame relay address without end", 107, vec![0; 20]),
        ("frame relay address ends early", 107, vec![0; 2]),
        ("PPPoE version 2", 51, vec![0x21, 0, 0, 0, 0, 0, 0, 0x21]),
        ("radiotap longer than the frame", 127, vec![0, 0, 99, 0, 0, 0, 0, 0]),
        ("radiotap that always promises more", 127, [&[0, 0, 8, 0][..], &[0xff; 20]].concat()),
        ("an extension header of Endace's is missing", 197, with(vec![0; 20], 8, &[0x82])),
        ("Token Ring route ends early", 6, with(with(vec![0; 16], 1, &[0x40]), 8, &[0x80, 0, 0, 0, 0, 0, 6])),
        ("Prism header ends early", 119, vec![0; 143]),
        ("AVS longer than memory", 163, [&[0x80, 0x21, 0x10, 1][..], &[0xff; 80]].concat()),
        ("PPI header ends early", 192, vec![0, 0, 8, 0, 1]),
        ("802.11 header ends early", 105, wifi([0x88, 1], 24)),
        ("802.11 LLC ends early", 105, wifi([0x08, 1], 26)),
    ] {
        assert_eq!(decode(link, &frame), Err(Unmetered::DamagedLink), "{what}");
    }
    let in_itself = [0, 0, 8, 0, 192, 0, 0, 0].repeat(40);
    assert_eq!(decode(192, &in_itself), Err(Unmetered::TooDeep));
}

#[test]
fn packet_without_a_length_ends_with_its_802_3_frame() {
    let ip = with(ipv4(UDP, &udp(3)), 2, &[0, 0]); // left to segmentation offload
    let framed = [snap(IPV4), ip].concat();
    let padded = [ethernet(framed.len() as u16, &framed), vec![0; 9]].concat();
    let expected = Ok(packet(4, Transport::Udp, 31, 3));
    assert_eq!(decode(ETHERNET, &padded), expected);
    assert_eq!(decode_cut(ETHERNET, &padded, 14 + 8 + 28), expected);
}
