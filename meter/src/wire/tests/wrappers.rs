//! More headers before an IP packet: switch tags and mirrors, fabrics, and rare link types.

use super::carriers::{gre, label, snap, vxlan, wifi};
use super::frames::*;

/// Bytes before the packet.
type Header = Vec<u8>;

fn cat(parts: &[&[u8]]) -> Header {
    parts.concat()
}

/// Rare link types.
pub fn links(ethertype: u16) -> Vec<(u16, Header)> {
    let mut links = Vec::new();
    let mut link = |link_type: u16, parts: &[&[u8]]| links.push((link_type, parts.concat()));
    let v4 = ethertype == IPV4;
    let (kind, snap, frame) = (&be(ethertype)[..], &snap(ethertype)[..], &ethernet(ethertype, &[])[..]);
    let (nlpid, ppp) = (if v4 { 0xcc } else { 0x8e }, &[0, if v4 { 0x21 } else { 0x57 }][..]);
    link(8, &[&[0; 16]]);
    for atm in [11, 100, 106] {
        link(atm, &[snap]);
        link(atm, &[&[0xfe, 0xfe, 3, nlpid]]);
        link(atm, &[&[3, nlpid]]);
        link(atm, &[]);
        link(atm, &[&[0xff, 3], ppp]);
        link(atm, &[&[0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 0, 0], frame]);
    }
    link(123, &[&[2, 0, 0, 1], snap]);
    link(123, &[&[1, 0, 0, 1, 0, 9], frame]);
    link(109, &[&[if v4 { 2 } else { 24 }, 0, 0, 0], &[0; 8]]);
    link(109, &[&[0, 0, 0, if v4 { 2 } else { 30 }], &[0; 8]]);
    for length in [28, 45, 61, 64, 69] {
        let family = if v4 { 2 } else { 28 };
        link(117, &[&with(vec![0; usize::from(length).next_multiple_of(4)], 0, &[length, family])]);
    }
    link(122, &[&[0; 16], snap]);
    link(128, &[&[1, 0, 0, 1, 10, 1, 0, 0, 1], frame]);
    link(128, &[&[1, 1, 0, 0x12, 1], &wifi([8, 1], 24), snap]);
    link(138, &[&[0; 16], kind]);
    link(166, &[&[1, 3], ppp]);
    link(205, &[&[0, 0x0f, 0], kind]);
    link(206, &[&[1, 0x18, 0x41, 3, nlpid]]);
    link(240, &[&[0; 4], frame]);
    link(241, &[&[0; 4], &[0x55; 7], &[0xd5], frame]);
    link(242, &[&[0; 40], kind, &[0; 2]]);
    for preamble in [259, 274] {
        link(preamble, &[&[0x55; 8], frame]);
    }
    let pktap = |link_type: u8| with(with(vec![0; 108], 0, &[108, 0, 0, 0, 1, 0, 0, 0]), 8, &[link_type]);
    link(258, &[&pktap(1), frame]);
    link(258, &[&pktap(101)]);
    link(258, &[&pktap(0), &[if v4 { 2 } else { 30 }, 0, 0, 0]]);
    for device in [801_u16, 803] {
        let radiotap: &[u8] = if device == 803 { &[0, 0, 8, 0, 0, 0, 0, 0] } else { &[] };
        link(113, &[&[0; 2], &be(device), &[0; 12], radiotap, &wifi([8, 1], 24), snap]);
        link(276, &[&[0; 8], &be(device), &[0; 10], radiotap, &wifi([8, 1], 24), snap]);
    }
    link(113, &[&[0; 2], &be(770), &[0; 12], &[0x18, 0x41, 3, nlpid]]);
    let (addresses, kind_of) = (&frame[..12], kind);
    link(281, &[addresses, &[0; 4], kind_of]);
    link(282, &[&[0; 4], frame]);
    link(284, &[addresses, &[0xc0, 8, 0, 0], kind_of]);
    link(285, &[addresses, &[0xda, 0xda, 0, 0, 0xc0, 8, 0, 0], kind_of]);
    let junos = [b"MGC\x80\0\x06".as_slice(), &[3, 1, 14, 4, 1, 14]].concat();
    for (link_type, header) in [
        (178, frame),
        (167, frame),
        (179, ppp),
        (180, &[0x18, 0x41, 3, nlpid]),
        (181, &cat(&[&[0x0f, 0], kind])),
        (168, kind),
        (183, &[0; 18]),
        (137, &cat(&[&[0; 4], snap])),
        (135, &cat(&[&[0; 8], snap])),
        (238, &cat(&[&[0; 8], snap])),
        (135, &cat(&[&[0; 8], &[3, nlpid]])),
        (130, &cat(&[&[0; 2], ppp])),
        (130, &cat(&[&[0x54, 0, 0, 0], ppp])),
        (130, &[0x47, 0, 0, 0, 0, 0, 0, 0]),
        (131, &[0, 0, nlpid]),
        (134, &[0, 0, 0, 0, nlpid]),
        (133, &[0; 8]),
        (136, &[0; 8]),
        (164, &[0; 8]),
    ] {
        link(link_type, &[b"MGC\x01", header]);
        link(link_type, &[&junos, header]);
        link(link_type, &[b"MGC\x02", &[0, 0, 0, 2]]);
    }
    // Switch tags, each alone and after a priority tag.
    for (tag, header) in tags(ethertype) {
        link(ETHERNET, &[&ethernet(tag, &header)]);
        link(ETHERNET, &[&ethernet(0x8100, &[0, 0]), &be(tag), &header]);
        link(113, &[&[0; 14], &be(tag), &header]);
    }
    link(ETHERNET, &[&ethernet(0x8870, &[]), snap]);
    links
}

/// Switch tags by EtherType, including the EtherType that follows.
fn tags(ethertype: u16) -> Vec<(u16, Header)> {
    let kind = &be(ethertype)[..];
    let tag = |bytes: &[u8]| cat(&[bytes, kind]);
    vec![
        (0x22e9, tag(&[0, 7])),
        (0x8874, tag(&[0, 0, 0, 1])),
        (0x8899, tag(&[0xa0, 2])),
        (0x8899, tag(&[4, 0, 0, 0, 0, 2])),
        (0x8909, tag(&[1, 1, 0, 1, 0, 17])),
        (0x8909, tag(&[1, 2, 0, 1, 0, 17, 0, 2, 0, 3])),
        (0x8926, tag(&[0, 0, 0, 0x14])),
        (0x892f, tag(&[0, 0x3a, 0, 1])),
        (0x893f, tag(&[0, 0, 0, 5, 0, 0])),
        (0x8988, tag(&[0, 1, 2, 3, 4, 5])),
        (0xd28b, tag(&[0, 1, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 1])),
        (0xd28b, tag(&[0, 1, 1, 0x21, 0, 0, 0, 0, 0, 1])),
        (0xdada, tag(&[0, 0, 0xc0, 8, 0, 0])),
        (0xe001, tag(&[0, 0, 0, 0, 0, 1])),
        (0xf1c1, tag(&[0, 0, 0, 1])),
        // Two tags in a row, as in the mirror of a fabric extender.
        (0x8926, cat(&[&[0, 0, 0, 0x14, 0x89, 0x09], &tag(&[1, 1, 0, 1, 0, 17])])),
    ]
}

/// Fabrics and service function chains: path, EtherType and header.
pub fn encapsulations(ethertype: u16) -> Vec<(&'static str, u16, Header)> {
    let v4 = ethertype == IPV4;
    let frame = &ethernet(ethertype, &[])[..];
    let nsh = |next: u8, rest: &[u8]| cat(&[&[0, 0x42, 2, next, 0, 0, 7, 255], rest]);
    vec![
        ("eth", 0x6558, frame.to_vec()),
        ("fabricpath/eth", 0x8903, cat(&[&[0, 0x60], frame])),
        ("trill/eth", 0x22f3, cat(&[&[0, 0x10, 0, 1, 0, 2], frame])),
        ("trill/eth", 0x22f3, cat(&[&[0, 0x50, 0, 1, 0, 2], &[0; 4], frame])),
        ("batman/eth", 0x4305, cat(&[&[0x40, 15, 50, 1], &[2; 6], frame])),
        ("batman/eth", 0x4305, cat(&[&[0x42, 15, 50, 1], &[2; 12], &[1, 0], frame])),
        ("batman/eth", 0x4305, cat(&[&[0x01, 15, 50, 0, 0, 0, 0, 1], &[2; 6], frame])),
        ("nsh", 0x894f, nsh(if v4 { 1 } else { 2 }, &[])),
        ("nsh/eth", 0x894f, nsh(3, frame)),
        ("nsh/nsh/eth", 0x894f, nsh(4, &nsh(3, frame))),
        ("nsh/mpls", 0x894f, nsh(5, &label(1))),
        ("pppoe/eth", 0x8864, cat(&[&[0x11, 0, 0, 1, 0, 0, 0, 0x31, 0, 1], frame])),
        ("pppoe", 0x8864, vec![0x11, 0, 0, 1, 0, 0, 0, 0x3d, 0xc0, 0, 0, 1, 0, if v4 { 0x21 } else { 0x57 }]),
    ]
}

/// Tunnels directly over IP: path, protocol and header.
pub fn over_ip(ethertype: u16) -> Vec<(&'static str, u8, Header)> {
    let frame = &ethernet(ethertype, &[])[..];
    let body = cat(&[&snap(ethertype)]);
    let gre = |protocol: u16, header: &[u8]| cat(&[&gre(0, protocol, &[]), header]);
    let mut tunnels = vec![
        ("etherip/eth/ip", 97, cat(&[&[0x30, 0], frame])),
        ("eth/ip", 143, frame.to_vec()),
        ("pim/ip", 103, vec![0x21, 0, 0xde, 0xff, 0, 0, 0, 0]),
        ("gre/wifi/ip", 47, gre(0x8200, &cat(&[&wifi([0x88, 1], 26), &body]))),
        ("gre/wifi/ip", 47, gre(0x8330, &cat(&[&wifi([0x08, 2], 24), &body]))),
        ("gre/eth/ip", 47, cat(&[&super::carriers::gre(0x2001, 0x6400, &[60, 0, 7, 0]), frame])),
        (
            "gre/frame-relay/ip",
            47,
            gre(0x6559, &[0x18, 0x41, 3, if ethertype == IPV4 { 0xcc } else { 0x8e }]),
        ),
        ("gre/nsh/eth/ip", 47, gre(0x894f, &cat(&[&[0, 0x42, 2, 3, 0, 0, 7, 255], frame]))),
        ("gre/ip", 47, gre(0x8909, &cat(&[&[1, 1, 0, 1, 0, 17], &be(ethertype)]))),
        ("gre/ip", 47, gre(0x883e, &[0, 0, 0, 0])),
    ];
    if ethertype == IPV4 {
        tunnels.push(("gre/ip", 47, gre(0x883e, &[])));
    }
    tunnels
}

/// Tunnels over UDP: path, network id, port and header.
pub fn over_udp(ethertype: u16) -> Vec<(&'static str, u32, u16, Header)> {
    let v4 = ethertype == IPV4;
    let (frame, version) = (&ethernet(ethertype, &[])[..], if v4 { 4 } else { 41 });
    let dot11 = |control: [u8; 2]| cat(&[&wifi(control, 24), &snap(ethertype)]);
    let peek = with(vec![0; 55], 0, &[0, 0xff, 0xab, 0xcd, 2, 0, 0, 0, 55]);
    vec![
        ("vxlan-gpe/nsh/eth/ip", 0x102, 4790, cat(&[&vxlan(0x0c, 4), &[0, 0x42, 2, 3, 0, 0, 7, 255], frame])),
        ("vxlan-gpe/mpls/ip", 0x102, 4790, cat(&[&vxlan(0x0c, 5), &label(1)])),
        ("mpls/ip", 0, 6635, label(1).to_vec()),
        ("lisp/ip", 0, 4341, vec![0xc8, 1, 2, 3, 0, 0, 0, 1]),
        ("gue/ip", 0, 6080, vec![0, version, 0, 0]),
        ("gue/ip", 0, 6080, vec![2, version, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("gre/ip", 0, 4754, gre(0, ethertype, &[])),
        ("gre/eth/ip", 0, 4754, cat(&[&gre(0, 0x6558, &[]), frame])),
        ("tzsp/eth/ip", 0, 37008, cat(&[&[1, 0, 0, 1, 10, 1, 0, 0, 1], frame])),
        ("tzsp/wifi/ip", 0, 37008, cat(&[&[1, 0, 0, 0x12, 41, 2, 7, 7, 1], &dot11([8, 1])])),
        ("erm/eth/ip", 0, 7932, cat(&[&[0; 12], frame])),
        ("capwap/wifi/ip", 0, 5247, cat(&[&[0, 0x10, 3, 0, 0, 0, 0, 0], &dot11([8, 1])])),
        ("capwap/wifi/ip", 0, 5247, cat(&[&[0, 0x18, 3, 0x20, 0, 0, 0, 0, 3, 1, 2, 3], &dot11([1, 8])])),
        ("capwap/eth/ip", 0, 5247, cat(&[&[0, 0x10, 2, 0, 0, 0, 0, 0], frame])),
        ("jmirror/ip", 0, 30030, vec![0, 0, 0, 1, 0, 0, 0, 2]),
        ("ayiya/ip", 0, 5072, cat(&[&[0x41, 0x52, 0x11, version, 0, 0, 0, 1], &[0xfe; 36]])),
        ("peekremote/wifi/ip", 0, 5555, cat(&[&peek, &dot11([8, 1])])),
    ]
}
