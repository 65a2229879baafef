//! SCTP, DCCP and UDP-Lite, mapped to TCP's fields.

use super::*;
use crate::wire::{Flags, Segment};

const SCTP: u8 = 132;
const DCCP: u8 = 33;
const UDP_LITE: u8 = 136;

/// An SCTP packet with verification tag 7.
fn sctp(chunks: &[&[u8]]) -> Vec<u8> {
    [&be(ENDS[0].1), &be(ENDS[1].1), &[0, 0, 0, 7, 0, 0, 0, 0][..], &chunks.concat()].concat()
}

/// A chunk, padded.
fn chunk(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut chunk = [&[kind, 0], &be(4 + value.len() as u16)[..], value].concat();
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

fn segment(protocol: u8, body: &[u8]) -> (Segment, u32) {
    let packet = decode(RAW, &ipv4(protocol, body)).expect("a packet");
    assert_eq!((packet.ends.source_port, packet.ends.destination_port), (ENDS[0].1, ENDS[1].1));
    assert_eq!(packet.ends.proto, protocol);
    assert_eq!(packet.content.ip_bytes as usize, 20 + body.len());
    (packet.content.segment.expect("a segment"), packet.content.payload_bytes)
}

fn mapped(flags: u8, sequence: u32, acknowledgement: u32) -> Segment {
    Segment { flags: Flags(flags), sequence, acknowledgement, window: 0 }
}

#[test]
fn sctp_chunks_map_to_control_bits() {
    let init = [0, 0, 0, 9, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1]; // initiate tag 9
    let data = chunk(0, &[0; 17]);
    let sack = chunk(3, &[0; 12]);
    let with_data = |bytes: usize| bytes as u32 + 20;
    for (what, chunks, expected, payload_bytes) in [
        ("INIT", vec![chunk(1, &init)], mapped(Flags::SYN, 9, 8), 0),
        ("INIT ACK", vec![chunk(2, &init)], mapped(Flags::SYN | Flags::ACK, 9, 8), 0),
        ("COOKIE ECHO", vec![chunk(10, &[0; 8])], mapped(Flags::ACK, 0, 8), 0),
        ("COOKIE ACK", vec![chunk(11, &[])], mapped(Flags::ACK, 0, 8), 0),
        ("SACK", vec![sack.clone()], mapped(Flags::ACK, 0, 8), 0),
        ("HEARTBEAT", vec![chunk(4, &[0; 8])], mapped(Flags::ACK, 0, 8), 0),
        ("DATA", vec![data.clone()], mapped(Flags::ACK, 0, 8), 24),
        ("I-DATA", vec![chunk(64, &[0; 17])], mapped(Flags::ACK, 0, 8), 24),
        ("COOKIE ECHO with DATA", vec![chunk(10, &[0; 8]), data.clone()], mapped(Flags::ACK, 0, 8), 36),
        ("SACK with DATA", vec![sack, data.clone()], mapped(Flags::ACK, 0, 8), with_data(20)),
        ("SHUTDOWN", vec![chunk(7, &[0; 4])], mapped(Flags::FIN | Flags::ACK, 0, 8), 0),
        ("SHUTDOWN ACK", vec![chunk(8, &[])], mapped(Flags::FIN | Flags::ACK, 0, 8), 0),
        ("SHUTDOWN COMPLETE", vec![chunk(14, &[])], mapped(Flags::FIN | Flags::ACK, 0, 8), 0),
        ("ABORT", vec![chunk(6, &[])], mapped(Flags::RST, 0, 8), 0),
        ("DATA and ABORT", vec![data, chunk(6, &[])], mapped(Flags::RST | Flags::ACK, 0, 8), 28),
        ("INIT behind others, cut", vec![chunk(3, &[]), vec![1, 0, 0, 20, 0]], mapped(Flags::ACK, 0, 8), 0),
        ("a length of 0", vec![vec![3, 0, 0, 0]], mapped(Flags::ACK, 0, 8), 0),
        ("more than there is", vec![vec![0, 0, 0xff, 0xff]], mapped(Flags::ACK, 0, 8), 4),
    ] {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        assert_eq!(segment(SCTP, &sctp(&chunks)), (expected, payload_bytes), "{what}");
    }
}

#[test]
fn sctp_cut_before_its_first_chunk_is_cut_short() {
    let frame = ipv4(SCTP, &sctp(&[&chunk(1, &[0, 0, 0, 9]), &chunk(0, &[0; 40])]));
    for captured in 0..20 + 12 + 8 {
        assert_eq!(decode_cut(RAW, &frame, captured), Err(Unmetered::CutShort), "{captured} bytes");
    }
    assert!(decode_cut(RAW, &frame, 20 + 12 + 8).is_ok());
    for damaged in [&sctp(&[])[..11], &sctp(&[]), &sctp(&[&[0, 0, 0]]), &sctp(&[&chunk(1, &[0, 0, 0])[..7]])]
    {
        assert_eq!(decode(RAW, &ipv4(SCTP, damaged)), Err(Unmetered::DamagedTransport), "{damaged:02x?}");
    }
}

/// A DCCP packet with 3 bytes of data and an option word; sequence number 9, acknowledging 7.
fn dccp(kind: u8, extended: bool) -> Vec<u8> {
    let acknowledges = !matches!(kind, 0 | 2);
    let numbers = match (extended, acknowledges) {
        (true, true) => vec![0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 7],
        (true, false) => vec![0, 0, 0, 0, 0, 0, 9],
        (false, true) => vec![0, 0, 9, 0, 0, 0, 7],
        (false, false) => vec![0, 0, 9],
    };
    let words = (9 + numbers.len() + 4) / 4;
    let type_x = kind << 1 | u8::from(extended);
    let generic = [&be(ENDS[0].1), &be(ENDS[1].1), &[words as u8, 0, 0, 0, type_x][..]].concat();
    [generic, numbers, vec![0; 4 + 3]].concat()
}

#[test]
fn dccp_packets_map_to_control_bits() {
    for (kind, flags, acknowledgement) in [
        (0, Flags::SYN, 1),
        (1, Flags::SYN | Flags::ACK, 8),
        (2, 0, 1),
        (3, Flags::ACK, 8),
        (4, Flags::ACK, 8),
        (5, Flags::FIN | Flags::ACK, 8),
        (6, Flags::FIN | Flags::ACK, 8),
        (7, Flags::RST, 8),
        (8, Flags::ACK, 8),
        (9, Flags::ACK, 8),
    ] {
        let (segment, payload_bytes) = segment(DCCP, &dccp(kind, true));
        assert_eq!((segment.flags.0, segment.sequence, payload_bytes), (flags, 9, 3), "type {kind}");
        assert!(kind == 0 || kind == 2 || segment.acknowledgement == acknowledgement, "type {kind}");
    }
    for (kind, flags) in [(2, 0), (3, Flags::ACK), (4, Flags::ACK)] {
        let (segment, payload_bytes) = segment(DCCP, &dccp(kind, false));
        assert_eq!((segment.flags.0, segment.sequence, payload_bytes), (flags, 9, 3), "short type {kind}");
        assert!(kind == 2 || segment.acknowledgement == 8, "short type {kind}");
    }
}

#[test]
fn dccp_cut_before_its_numbers_is_cut_short() {
    for (kind, extended, needed) in [(0, true, 16), (1, true, 24), (2, false, 12), (3, false, 16)] {
        let frame = ipv4(DCCP, &dccp(kind, extended));
        for captured in 0..20 + needed {
            assert_eq!(
                decode_cut(RAW, &frame, captured),
                Err(Unmetered::CutShort),
                "type {kind}, {captured}"
            );
        }
        assert_eq!(decode_cut(RAW, &frame, 20 + needed), decode(RAW, &frame));
        let too_small = with(dccp(kind, extended), 4, &[needed as u8 / 4 - 1]);
        assert_eq!(decode(RAW, &ipv4(DCCP, &too_small)), Err(Unmetered::DamagedTransport), "type {kind}");
    }
    let too_large = with(dccp(0, true), 4, &[99]);
    assert_eq!(decode(RAW, &ipv4(DCCP, &too_large)), Err(Unmetered::DamagedTransport));
}

#[test]
fn udp_lite_ports_are_decoded() {
    assert_eq!(decode(RAW, &ipv4(UDP_LITE, &udp(3))), Ok(packet(4, Transport::UdpLite, 31, 3)));
    assert_eq!(decode(RAW, &ipv6(UDP_LITE, &udp(3))), Ok(packet(6, Transport::UdpLite, 51, 3)));
    let tunnel = with(ipv4(UDP_LITE, &udp(60)), 22, &be(4789));
    assert_eq!(decode(RAW, &tunnel).map(|packet| packet.content.tunnel.is_empty()), Ok(true));
}
