//! Frames built header by header, as in `ethernet(IPV4, &ipv4(TCP, &tcp(3)))`.

mod carriers;
mod checksum;
mod frames;
mod icmp;
mod identity;
mod irregular;
mod links;
mod properties;
mod transports;
mod tunnels;
mod wrappers;

use self::frames::*;
use super::{Identity, NotAFlowPacket, Packet, Segment, Transport, Unmetered};

/// Decodes a frame that is captured whole.
fn decode(link_type: u16, frame: &[u8]) -> Result<Packet<'static>, Unmetered> {
    decode_cut(link_type, frame, frame.len())
}

/// Clears the TCP window, which may be cut.
fn without_window(decoded: Result<Packet<'static>, Unmetered>) -> Result<Packet<'static>, Unmetered> {
    decoded.map(|mut packet| {
        packet.content.segment = packet.content.segment.map(|segment| Segment { window: 0, ..segment });
        packet
    })
}

/// Decodes a frame cut to `captured` bytes by the snap length, without identity and payload.
fn decode_cut(link_type: u16, frame: &[u8], captured: usize) -> Result<Packet<'static>, Unmetered> {
    let decoded = super::decode(link_type, &frame[..captured], frame.len() as u32, true);
    decoded.map(|packet| Packet { identity: Identity::default(), payload: &[], ..packet }).map_err(|aside| {
        match aside {
            NotAFlowPacket::Unmetered(reason) => reason,
            NotAFlowPacket::UnknownType(number) => number.reason(),
            NotAFlowPacket::Irregular(..) => Unmetered::CutShort,
            NotAFlowPacket::Aggregate(_) => Unmetered::NotIp,
            NotAFlowPacket::Fragment(_) => Unmetered::LaterFragment,
            NotAFlowPacket::IcmpError(_) => Unmetered::Icmp,
        }
    })
}

#[test]
fn outermost_of_stacked_vlan_tags_counts() {
    let ip = ipv4(TCP, &tcp(3));
    let expected = in_vlan(5, packet(4, Transport::Tcp, 43, 3));
    assert_eq!(decode(ETHERNET, &ethernet(0x8100, &tag(5, IPV4, &ip))), Ok(expected));
    for outer in [0x8100, 0x88a8, 0x9100, 0x9200] {
        let stacked = tag(5, 0x8100, &tag(9, IPV4, &ip));
        assert_eq!(decode(ETHERNET, &ethernet(outer, &stacked)), Ok(expected));
        assert_eq!(decode(113, &[&[0; 14], &be(outer)[..], &stacked].concat()), Ok(expected));
        assert_eq!(decode(276, &[&be(outer), &[0; 18][..], &stacked].concat()), Ok(expected));
    }
    let nested =
        |tags| (0..tags).fold((IPV4, ip.clone()), |(ethertype, rest), _| (0x8100, tag(5, ethertype, &rest)));
    assert_eq!(decode(ETHERNET, &ethernet(0x8100, &nested(8).1)), Ok(expected));
    assert_eq!(decode(ETHERNET, &ethernet(0x8100, &nested(40).1)), Err(Unmetered::TooDeep));
}

#[test]
fn ipv4_options_are_not_payload() {
    let frame = ipv4_between(ENDS, 10, UDP, &udp(3));
    assert_eq!(decode(RAW, &frame), Ok(packet(4, Transport::Udp, 71, 3)));
}

#[test]
fn tcp_options_are_not_payload() {
    let frame = ipv4(TCP, &with(tcp(40 + 3), 12, &[0xf0]));
    assert_eq!(decode(RAW, &frame), Ok(packet(4, Transport::Tcp, 83, 3)));
}

#[test]
fn ipv6_extension_headers_are_skipped() {
    for kind in [0, 43, FRAGMENT, AUTHENTICATION, 60, 135, 139, 140] {
        for more in [0, 3] {
            let frame = ipv6(kind, &extension(kind, TCP, more, &tcp(3)));
            let expected = packet(6, Transport::Tcp, frame.len() as u32, 3);
            assert_eq!(decode(RAW, &frame), Ok(expected), "next header {kind}");
        }
    }
    let chain =
        extension(0, 60, 1, &extension(60, AUTHENTICATION, 0, &extension(AUTHENTICATION, UDP, 1, &udp(3))));
    assert_eq!(decode(RAW, &ipv6(0, &chain)), Ok(packet(6, Transport::Udp, 40 + 16 + 8 + 20 + 11, 3)));
}

#[test]
fn fragments_are_returned_as_fragments() {
    let of_v4 = |bits: u16| decode(RAW, &with(ipv4(UDP, &udp(100)), 6, &be(bits)));
    assert_eq!(of_v4(0x2000), Err(Unmetered::LaterFragment), "more to come");
    assert_eq!(of_v4(0x4000), Ok(packet(4, Transport::Udp, 128, 100)), "not to be fragmented");
    assert_eq!(of_v4(0x2001), Err(Unmetered::LaterFragment));
    assert_eq!(of_v4(0x1000), Err(Unmetered::LaterFragment));
    let fragment = extension(FRAGMENT, UDP, 0, &udp(100));
    let of_v6 = |bits: u16| decode(RAW, &ipv6(FRAGMENT, &with(fragment.clone(), 2, &be(bits))));
    assert_eq!(of_v6(0x0001), Err(Unmetered::LaterFragment), "more to come");
    assert_eq!(of_v6(0x0006), Ok(packet(6, Transport::Udp, 156, 100)), "reserved bits");
    assert_eq!(of_v6(0x0008), Err(Unmetered::LaterFragment));
    assert_eq!(of_v6(0x8000), Err(Unmetered::LaterFragment));
    // A later fragment is not parsed as a header, even if it is too short for one.
    let later = with(extension(FRAGMENT, 60, 0, &[60]), 2, &be(8));
    assert_eq!(decode(RAW, &ipv6(FRAGMENT, &later)), Err(Unmetered::LaterFragment));
}

#[test]
fn padding_is_not_counted() {
    let padded = [ipv4(TCP, &tcp(0)), vec![0; 6]].concat();
    assert_eq!(decode(ETHERNET, &ethernet(IPV4, &padded)), Ok(packet(4, Transport::Tcp, 40, 0)));
    // Nor parsed: a UDP header after the end of the datagram is not found.
    let padded = [ipv4(UDP, &[]), udp(10)].concat();
    assert_eq!(decode(ETHERNET, &ethernet(IPV4, &padded)), Err(Unmetered::DamagedTransport));
}

#[test]
fn snap_length_in_the_payload_changes_no_counts() {
    let frame = ethernet(IPV4, &ipv4(TCP, &tcp(1000)));
    assert_eq!(decode_cut(ETHERNET, &frame, 96), Ok(packet(4, Transport::Tcp, 1040, 1000)));
    let frame = ethernet(IPV6, &ipv6(UDP, &udp(1000)));
    assert_eq!(decode_cut(ETHERNET, &frame, 96), Ok(packet(6, Transport::Udp, 1048, 1000)));
}

#[test]
fn snap_length_in_a_needed_header_is_cut_short() {
    for (frame, needed) in [
        (ethernet(IPV4, &ipv4(TCP, &tcp(9))), 14 + 20 + 14),
        (ethernet(0x8100, &tag(5, IPV4, &ipv4(UDP, &udp(9)))), 18 + 20 + 4),
        (ethernet(IPV4, &ipv4_between(ENDS, 2, UDP, &udp(9))), 14 + 28 + 4),
        (ethernet(IPV6, &ipv6(60, &extension(60, TCP, 2, &tcp(9)))), 14 + 40 + 24 + 14),
    ] {
        for captured in 0..needed {
            assert_eq!(decode_cut(ETHERNET, &frame, captured), Err(Unmetered::CutShort), "{captured} bytes");
        }
        assert_eq!(
            without_window(decode_cut(ETHERNET, &frame, needed)),
            without_window(decode(ETHERNET, &frame))
        );
    }
}

#[test]
fn length_left_to_segmentation_offload_is_the_frames() {
    let v4 = with(ipv4(TCP, &tcp(100)), 2, &[0, 0]);
    let v6 = with(ipv6(60, &extension(60, TCP, 0, &tcp(100))), 4, &[0, 0]);
    let expected = [packet(4, Transport::Tcp, 140, 100), packet(6, Transport::Tcp, 168, 100)];
    for (ip, ethertype, expected) in [(v4, IPV4, expected[0]), (v6, IPV6, expected[1])] {
        assert_eq!(decode(RAW, &ip), Ok(expected));
        let tagged = ethernet(0x8100, &tag(5, ethertype, &ip));
        assert_eq!(decode(ETHERNET, &tagged), Ok(in_vlan(5, expected)));
        assert_eq!(decode_cut(ETHERNET, &tagged, 90), Ok(in_vlan(5, expected)));
    }
}

#[test]
fn damage_is_reported_by_layer() {
    use Unmetered::{DamagedIp, DamagedLink, DamagedTransport};
    let udp_in = |ip_bytes: u16| with(ipv4(UDP, &udp(9)), 2, &be(ip_bytes));
    for (what, damage, link, frame) in [
        ("Ethernet header ends early", DamagedLink, ETHERNET, vec![0; 13]),
        ("VLAN tag ends early", DamagedLink, ETHERNET, ethernet(0x8100, &[0; 3])),
        ("loopback header ends early", DamagedLink, 0, vec![0; 3]),
        ("cooked header ends early", DamagedLink, 113, vec![0; 15]),
        ("cooked v2 header ends early", DamagedLink, 276, vec![0; 19]),
        ("nothing at all", DamagedIp, RAW, vec![]),
        ("IP version 5", DamagedIp, RAW, vec![0x55; 60]),
        ("IPv4 header of 16 bytes", DamagedIp, RAW, with(ipv4(TCP, &tcp(0)), 0, &[0x44])),
        ("total length within the header", DamagedIp, RAW, with(ipv4(TCP, &tcp(0)), 2, &be(19))),
        ("IPv4 header ends early", DamagedIp, RAW, ipv4(TCP, &[])[..19].to_vec()),
        ("IPv4 options end early", DamagedIp, RAW, ipv4_between(ENDS, 3, TCP, &[])[..31].to_vec()),
        ("IPv6 header ends early", DamagedIp, RAW, ipv6(TCP, &[])[..39].to_vec()),
        ("extension header ends early", DamagedIp, RAW, ipv6(60, &extension(60, TCP, 1, &[])[..15])),
        ("extension header is missing", DamagedIp, RAW, ipv6(60, &[])),
        ("TCP header of 16 bytes", DamagedTransport, RAW, ipv4(TCP, &with(tcp(0), 12, &[0x40]))),
        ("TCP header of 60 bytes in 59", DamagedTransport, RAW, ipv4(TCP, &with(tcp(39), 12, &[0xf0]))),
        ("TCP header ends early", DamagedTransport, RAW, ipv4(TCP, &tcp(0)[..13])),
        ("IP length exceeds the packet", DamagedTransport, RAW, ipv4(TCP, &tcp(0))[..30].to_vec()),
        ("UDP header ends early", DamagedTransport, RAW, ipv4(UDP, &udp(0)[..3])),
        ("no room for a UDP header", DamagedTransport, RAW, udp_in(20 + 7)),
        ("no room for ports", DamagedTransport, RAW, udp_in(20 + 3)),
    ] {
        assert_eq!(decode(link, &frame), Err(damage), "{what}");
    }
    // Damage before the snap length's cut is reported as damage.
    assert_eq!(decode_cut(RAW, &udp_in(20 + 3), 30), Err(DamagedTransport));
    assert_eq!(decode_cut(RAW, &with(ipv4(TCP, &tcp(9)), 0, &[0x44]), 30), Err(DamagedIp));
}

#[test]
fn packets_without_ports_are_counted_by_reason() {
    for (reason, link, frame) in [
        (Unmetered::LinkType, 147, ipv4(TCP, &tcp(0))),
        (Unmetered::LinkType, u16::MAX, vec![]),
        (Unmetered::NotIp, ETHERNET, ethernet(0x0806, &[0; 28])),
        (Unmetered::NotIp, ETHERNET, ethernet(38, &[0; 38])), // IEEE 802.3: a length
        (Unmetered::NotIp, 0, [vec![7, 0, 0, 0], ipv4(TCP, &tcp(0))].concat()),
        (Unmetered::NotIp, 113, vec![0; 16]),
        (Unmetered::NotIp, 276, vec![0; 20]),
        (Unmetered::Icmp, RAW, ipv4(ICMP, &[8, 0])),
        (Unmetered::Icmp, RAW, ipv6(58, &[128, 0])),
        (Unmetered::Icmp, RAW, ipv6(0, &extension(0, 58, 0, &[143, 0]))),
        (Unmetered::NoPorts, RAW, ipv4(89, &[0; 24])),
        (Unmetered::NoPorts, RAW, ipv6(59, &[])),
    ] {
        assert_eq!(decode(link, &frame), Err(reason), "link type {link}: {frame:02x?}");
    }
}

#[test]
fn payload_is_the_captured_bytes_after_the_transport_header() {
    let payload = |frame: &[u8], captured: usize| {
        let decoded = super::decode(ETHERNET, &frame[..captured], frame.len() as u32, true);
        decoded.expect("a packet").payload.len()
    };
    let padded = [ethernet(IPV4, &ipv4(TCP, &tcp(3))), vec![0; 3]].concat();
    assert_eq!(payload(&padded, padded.len()), 3, "without padding");
    let frame = ethernet(IPV6, &ipv6(UDP, &udp(9)));
    assert_eq!(payload(&frame, frame.len()), 9);
    assert_eq!(payload(&frame, frame.len() - 4), 5);
    assert_eq!(payload(&frame, frame.len() - 12), 0, "the header itself was cut");
}
