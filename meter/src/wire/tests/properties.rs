//! Properties of every frame.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::carriers::carriers;
use super::*;
use crate::wire::Ends;

/// A valid frame of any kind.
#[derive(Clone, Debug)]
struct Valid {
    link_type: u16,
    frame: Vec<u8>,
    /// The same frame with source and destination swapped.
    back: Vec<u8>,
    over_udp: bool,
}

fn valid_frames() -> impl Strategy<Value = Valid> {
    let extensions =
        prop::collection::vec((select(vec![0, 43, FRAGMENT, AUTHENTICATION, 60, 135]), 0..3_u8), 0..4);
    let transport = select(vec![TCP, TCP, UDP, UDP, ICMP, 89]);
    let sizes = (0..10_usize, 0..50_usize, 0..20_usize);
    (any::<Index>(), any::<bool>(), extensions, transport, sizes, prop::bool::weighted(0.1)).prop_map(
        |(carrier, v4, extensions, transport, (options, payload_bytes, padding), offload)| {
            let carriers = carriers(if v4 { IPV4 } else { IPV6 });
            let carrier = carrier.get(&carriers);
            let build = |ends| {
                let body = match transport {
                    TCP => tcp_between(ends, payload_bytes),
                    UDP => udp_between(ends, payload_bytes),
                    _ => vec![0; payload_bytes],
                };
                let ip = if v4 {
                    let fragment_offset = be(options as u16 / 9);
                    with(ipv4_between(ends, options, transport, &body), 6, &fragment_offset)
                } else {
                    let extend = |(next, body): (u8, Vec<u8>), &(kind, more)| {
                        (kind, extension(kind, next, more, &body))
                    };
                    let (next_header, body) = extensions.iter().fold((transport, body), extend);
                    ipv6_between(ends, next_header, &body)
                };
                if offload {
                    return carrier.frame(&with(ip, if v4 { 2 } else { 4 }, &[0, 0]));
                }
                [carrier.frame(&ip), vec![0; padding]].concat()
            };
            let (frame, back) = (build(ENDS), build([ENDS[1], ENDS[0]]));
            Valid { link_type: carrier.link_type, frame, back, over_udp: carrier.over_udp }
        },
    )
}

fn mirrored(packet: Packet<'static>) -> Packet<'static> {
    let ends = Ends {
        source: packet.ends.destination,
        destination: packet.ends.source,
        source_port: packet.ends.destination_port,
        destination_port: packet.ends.source_port,
        ..packet.ends
    };
    Packet { ends, ..packet }
}

/// Returns whether this packet is a tunnel's outer datagram.
fn is_outer(packet: &Result<Packet<'static>, Unmetered>) -> bool {
    packet.is_ok_and(|packet| packet.ends.source_port == 50_000)
}

const LINK_TYPES: [u16; 46] = [
    0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 107, 108, 113, 119, 127, 163, 192, 204, 228, 229, 239, 276, 147,
    100, 109, 117, 123, 128, 130, 131, 133, 134, 135, 168, 178, 179, 180, 181, 219, 242, 258, 281, 282, 284,
    285, 240,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn random_bytes_do_not_panic(
        link_type in select(&LINK_TYPES[..]),
        data in prop::collection::vec(any::<u8>(), 0..200),
        wire_bytes in prop_oneof![0..300_u32, any::<u32>()],
        decapsulate in any::<bool>(),
    ) {
        let _ = crate::wire::decode(link_type, &data, wire_bytes, decapsulate);
    }

    #[test]
    fn damaged_frames_do_not_panic(
        mut valid in valid_frames(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        captured in any::<Index>(),
    ) {
        for (at, byte) in damage {
            *at.get_mut(&mut valid.frame) = byte;
        }
        let _ = decode(valid.link_type, &valid.frame);
        let _ = decode_cut(valid.link_type, &valid.frame, captured.index(valid.frame.len()));
    }

    /// Or the packet is the outer datagram, if the tunnel's header or its content is cut.
    #[test]
    fn snap_length_changes_nothing_or_cuts_short(valid in valid_frames(), captured in any::<Index>()) {
        let cut = decode_cut(valid.link_type, &valid.frame, captured.index(valid.frame.len()));
        let whole = decode(valid.link_type, &valid.frame);
        let same = without_window(cut) == without_window(whole) || cut == Err(Unmetered::CutShort);
        prop_assert!(same || valid.over_udp && is_outer(&cut), "{:?}, not {:?}", cut, whole);
    }

    #[test]
    fn swapping_source_and_destination_mirrors_the_packet(valid in valid_frames()) {
        let there = decode(valid.link_type, &valid.frame);
        let expected = if is_outer(&there) { there } else { there.map(mirrored) };
        prop_assert_eq!(decode(valid.link_type, &valid.back), expected);
    }

    /// No packet is longer than its frame.
    #[test]
    fn no_more_bytes_are_counted_than_on_the_wire(valid in valid_frames()) {
        if let Ok(packet) = decode(valid.link_type, &valid.frame) {
            prop_assert!(packet.content.ip_bytes as usize <= valid.frame.len());
            prop_assert!(packet.content.payload_bytes < packet.content.ip_bytes);
        }
    }
}
