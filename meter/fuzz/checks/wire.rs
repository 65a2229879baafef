//! Arbitrary bytes as a frame.

use meter::wire::{
    Ends, Irregularity, NotAFlowPacket, Packet, Path, Segment, Transport, decode, decode_first,
};

use super::script::{Script, pick};

/// The supported link types, and one unsupported.
const LINK_TYPES: [u16; 67] = [
    1, 0, 108, 101, 12, 14, 228, 229, 113, 276, 9, 50, 51, 104, 105, 119, 127, 163, 192, 107, 204, 239, 109,
    147, 197, 10, 6, 226, 8, 11, 100, 106, 117, 122, 123, 128, 138, 166, 205, 206, 219, 240, 241, 242, 258,
    259, 274, 281, 282, 284, 285, 130, 131, 133, 134, 135, 136, 137, 164, 167, 168, 178, 179, 180, 181, 183,
    238,
];

pub fn check(input: &[u8]) {
    let mut script = Script(input);
    let link_type = match script.byte() {
        255 => script.u16(),
        number => pick(&LINK_TYPES, number),
    };
    let (lengths, kept) = (script.byte(), script.u16());
    let more = match lengths % 4 {
        0 => 0,
        1 => script.u16().into(),
        2 => script.u32(),
        _ => u32::MAX,
    };
    let data = script.0;
    let bytes = data.len() as u32;
    // Possibly less than captured: invalid, but a file may have it.
    let on_wire = if lengths & 4 == 0 { bytes.saturating_add(more) } else { bytes.saturating_sub(more) };
    for decapsulate in [true, false] {
        let whole = decode(link_type, data, on_wire, decapsulate);
        match &whole {
            Ok(packet) => assert_valid(packet),
            Err(NotAFlowPacket::Irregular(packet, _)) => assert_valid(packet.as_ref()),
            Err(NotAFlowPacket::Fragment(fragment)) => {
                assert!(fragment.body.len() <= data.len());
                let start = &fragment.body[..fragment.body.len().min(64)];
                for end in [start.len(), usize::from(kept) % 65] {
                    if let Ok(first) = decode_first(fragment, &start[..end.min(start.len())]) {
                        assert_valid_path(first.content.tunnel);
                    }
                }
            }
            Err(NotAFlowPacket::Aggregate(packets)) => {
                assert!(packets.clone().count() <= data.len() / 14 + 1);
                packets.clone().filter_map(Result::ok).for_each(|packet| assert_valid(&packet));
            }
            Err(_) => {}
        }
        // A snap length hides a packet or leaves it unchanged; except in tunnels over UDP, which are heuristic.
        let kept = usize::from(kept).min(data.len());
        if let (false, Ok(packet)) = (decapsulate, whole) {
            match decode(link_type, &data[..kept], on_wire.max(bytes), false) {
                Err(NotAFlowPacket::Irregular(cut, Irregularity::CutTransport)) => {
                    assert_eq!(cut.ends, packet.ends, "kept {kept} of {bytes}");
                }
                // MPLS payloads and misdeclared link types are heuristic, too.
                Err(
                    NotAFlowPacket::Unmetered(_)
                    | NotAFlowPacket::UnknownType(_)
                    | NotAFlowPacket::Irregular(..),
                ) => {}
                Ok(cut) => {
                    assert_eq!(
                        unaffected_by_snap_length(&cut),
                        unaffected_by_snap_length(&packet),
                        "kept {kept} of {bytes}"
                    );
                }
                Err(other) => panic!("{other:?} of {packet:?}, kept {kept} of {bytes}"),
            }
        }
    }
}

/// Returns the fields that a snap length does not change. It may change lengths, the TCP window, and the segment of an
/// SCTP packet, which depends on all of its chunks.
fn unaffected_by_snap_length(packet: &Packet) -> (Ends, Option<u16>, Path, Option<Segment>) {
    let segment = packet.content.segment.filter(|_| packet.ends.proto != Transport::Sctp as u8);
    let segment = segment
        .map(|segment| Segment { window: 0, ..segment })
        .map(|segment| if segment.flags.ack() { segment } else { Segment { acknowledgement: 0, ..segment } });
    (packet.ends, packet.content.vlan, packet.content.tunnel, segment)
}

fn assert_valid(packet: &Packet) {
    assert!(packet.content.payload_bytes <= packet.content.ip_bytes);
    assert!(matches!(packet.ends.ip_version, 4 | 6));
    if packet.ends.ip_version == 4 {
        assert_eq!(packet.ends.source >> 32, 0xffff);
        assert_eq!(packet.ends.destination >> 32, 0xffff);
    }
    assert!(packet.content.vlan.is_none_or(|id| (1..4096).contains(&id)));
    assert_valid_path(packet.content.tunnel);
}

fn assert_valid_path(path: Path) {
    if !path.is_empty() {
        assert_eq!(Path::parse(&path.to_string()), Some(path));
    }
}
