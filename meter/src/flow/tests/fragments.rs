//! Fragments are assigned to the flow of their datagram, and ICMP errors to that of the packet they quote.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::packets::{IDLE, Sent, as_set, finished, frame, history, options, tcp, udp, unmetered};
use crate::flow::{Meter, join_remnants, remnants_batch, remnants_of, stitch};
use crate::table::{FlowRecord, rows_of};
use crate::wire::Unmetered;

const RAW: u16 = 101;
const SECOND_NS: i64 = 1_000_000_000;

/// A datagram of IPv4 or IPv6, and how it is fragmented.
#[derive(Clone, Debug)]
struct Datagram {
    identification: u16,
    protocol: u8,
    v6: bool,
    /// Bytes after the IP header.
    body: Vec<u8>,
}

impl Datagram {
    fn v4(identification: u16, sent: &Sent) -> Self {
        let ip = sent.ip();
        Self { identification, protocol: ip[9], v6: false, body: ip[20..].to_vec() }
    }

    /// Returns the fragment with these bytes of the body.
    fn part(&self, from: usize, to: usize) -> Vec<u8> {
        let to = to.min(self.body.len());
        let more = to < self.body.len();
        let (body, identification) = (&self.body[from..to], self.identification.to_be_bytes());
        if self.v6 {
            let mut header = vec![0; 48];
            header[0] = 0x60;
            header[4..6].copy_from_slice(&(8 + body.len() as u16).to_be_bytes());
            (header[6], header[40]) = (44, self.protocol);
            (header[23], header[39]) = (b'a', b'b');
            header[42..44].copy_from_slice(&(from as u16 | u16::from(more)).to_be_bytes());
            header[46..48].copy_from_slice(&identification);
            return [&header, body].concat();
        }
        let mut header = vec![0; 20];
        header[0] = 0x45;
        header[2..4].copy_from_slice(&(20 + body.len() as u16).to_be_bytes());
        header[4..6].copy_from_slice(&identification);
        header[6..8].copy_from_slice(&((from / 8) as u16 | u16::from(more) << 13).to_be_bytes());
        header[9] = self.protocol;
        header[12..20].copy_from_slice(&[10, 0, 0, b'a', 10, 0, 0, b'b']);
        [&header, body].concat()
    }

    /// Returns all fragments, of this many bytes each.
    fn parts(&self, bytes: usize) -> Vec<Vec<u8>> {
        (0..self.body.len()).step_by(bytes).map(|from| self.part(from, from + bytes)).collect()
    }
}

/// Returns a datagram with 93 bytes of payload.
fn large(identification: u16, port: u16) -> Datagram {
    let mut datagram = Datagram::v4(identification, &udp(0, &format!("a{port}>b")));
    datagram.body.resize(8 + 93, 0);
    datagram
}

/// Passes frames of raw IP, a nanosecond apart.
fn pass(meter: &mut Meter, parts: &[Vec<u8>]) {
    for part in parts {
        let now_ns = meter.span_ns().map_or(0, |(_, last)| last + 1);
        frame(meter, RAW, now_ns, part);
    }
}

fn counted(meter: &Meter, reason: Unmetered) -> u64 {
    meter.unmetered().find(|(other, _)| *other == reason).map_or(0, |(_, packets)| packets)
}

/// Returns the rows of these frames, and the orphan fragments. No packet may be missing.
fn metered(parts: &[Vec<u8>]) -> (Vec<FlowRecord>, u64) {
    let mut meter = Meter::new(options(IDLE), Arc::default());
    pass(&mut meter, parts);
    ended(&mut meter)
}

fn ended(meter: &mut Meter) -> (Vec<FlowRecord>, u64) {
    let rows = finished(meter);
    let in_flows: u64 = rows.iter().map(|row| row.packets_ab + row.packets_ba).sum();
    assert_eq!(in_flows + unmetered(meter), meter.packets());
    (rows, counted(meter, Unmetered::LaterFragment))
}

/// Returns port of `a`, packets, IP bytes and bytes of payload of a row.
fn summary(row: &FlowRecord) -> (u16, u64, u64, u64) {
    (row.key.port_a, row.packets_ab, row.bytes_ab, row.payload_bytes_ab)
}

#[test]
fn fragments_belong_to_their_datagrams_flow_in_any_order() {
    let parts = large(1, 1024).parts(40);
    assert_eq!(parts.len(), 3);
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
        let (rows, later) = metered(&order.map(|part| parts[part].clone()));
        assert_eq!(rows.iter().map(summary).collect::<Vec<_>>(), [(1024, 3, 3 * 20 + 101, 93)], "{order:?}");
        assert_eq!((rows[0].first_seen_ns, rows[0].last_seen_ns, later), (0, 2, 0), "{order:?}");
    }
}

#[test]
fn without_its_first_a_fragment_is_counted_at_the_end() {
    let parts = large(1, 1024).parts(40);
    let mut meter = Meter::new(options(IDLE), Arc::default());
    pass(&mut meter, &parts[1..]);
    assert_eq!(unmetered(&meter), 0, "the first may still come");
    assert_eq!(ended(&mut meter), (vec![], 2));
}

#[test]
fn datagrams_may_be_interleaved() {
    let (one, other) = (large(1, 1024).parts(40), large(2, 1025).parts(40));
    let interleaved = one.iter().zip(&other).rev().flat_map(|(one, other)| [other.clone(), one.clone()]);
    let (rows, later) = metered(&interleaved.collect::<Vec<_>>());
    assert_eq!((rows.len(), later), (2, 0));
    assert!(rows.iter().all(|row| row.packets_ab == 3 && row.payload_bytes_ab == 93));
}

#[test]
fn protocol_and_addresses_distinguish_datagrams() {
    let datagram = large(1, 1024);
    let other_protocol = Datagram { protocol: 6, ..datagram.clone() };
    let mut other_address = datagram.part(40, 80);
    other_address[15] = b'c';
    let (rows, later) =
        metered(&[datagram.part(0, 40), other_protocol.part(40, 80), other_address, datagram.part(40, 999)]);
    assert_eq!((rows.len(), rows[0].packets_ab, later), (1, 2, 2));
}

#[test]
fn a_header_may_be_spread_over_fragments() {
    let segment = Datagram::v4(1, &tcp(0, "a1024>b", "S", 100, 0, 60));
    for bytes in [8, 16] {
        let (rows, later) = metered(&segment.parts(bytes));
        let [row] = rows[..] else { panic!("{rows:?}") };
        let parts = 80_u64.div_ceil(bytes as u64);
        assert_eq!((summary(&row), later), ((1024, parts, parts * 20 + 80, 60), 0));
        assert_eq!((history(&row).as_str(), row.numbers.isn(0)), ("S", Some(100)));
    }
    // Only the beginning of a header is kept: its end must not come first.
    let backwards: Vec<_> = segment.parts(8).into_iter().rev().collect();
    assert_eq!(metered(&backwards), (vec![], 10));
}

#[test]
fn a_later_overlap_changes_no_ports() {
    let (datagram, forged) = (large(1, 1024), large(1, 6666));
    let (rows, _) = metered(&[datagram.part(0, 40), forged.part(0, 40), datagram.part(40, 999)]);
    assert_eq!(rows.iter().map(|row| (row.key.port_a, row.packets_ab)).collect::<Vec<_>>(), [(1024, 3)]);
    // Nor if it comes while the header is still incomplete.
    let (datagram, forged) = (Datagram::v4(1, &tcp(0, "a1024>b", "S", 1, 0, 60)), large(1, 6666));
    let forged = Datagram { protocol: 6, ..forged };
    let (rows, _) =
        metered(&[datagram.part(0, 8), forged.part(0, 8), datagram.part(8, 48), datagram.part(48, 80)]);
    assert_eq!(rows.iter().map(|row| (row.key.port_a, row.packets_ab)).collect::<Vec<_>>(), [(1024, 4)]);
}

#[test]
fn ipv6_fragments_as_well() {
    let datagram = Datagram { v6: true, ..large(1, 1024) };
    let mut parts = datagram.parts(40);
    parts.rotate_left(1);
    let (rows, later) = metered(&parts);
    assert_eq!((summary(&rows[0]), rows[0].key.ip_version, later), ((1024, 3, 3 * 48 + 101, 93), 6, 0));
    // Destination options in the datagram, behind the fragment header. RFC 8200 §4.1.
    let body = [&[17, 1][..], &[0; 14], &datagram.body].concat();
    let (rows, later) = metered(&Datagram { protocol: 60, body, ..datagram }.parts(40));
    assert_eq!((summary(&rows[0]), later), ((1024, 3, 3 * 48 + 117, 93), 0));
}

#[test]
fn an_identification_used_again_is_another_datagram() {
    let (one, other) = (large(1, 1024).parts(56), large(1, 1025).parts(56));
    // As soon as the first datagram is complete,
    let (rows, later) = metered(&[one.clone(), other.clone()].concat());
    let summary: BTreeMap<_, _> = rows.iter().map(|row| (row.key.port_a, row.packets_ab)).collect();
    assert_eq!((summary, later), (BTreeMap::from([(1024, 2), (1025, 2)]), 0));
    // or else after a minute.
    for (gap_ns, expected) in
        [(60 * SECOND_NS, vec![(1024, 3)]), (60 * SECOND_NS + 1, vec![(1024, 1), (1025, 2)])]
    {
        let mut meter = Meter::new(options(crate::flow::Idle { udp_ns: 1 << 40, ..IDLE }), Arc::default());
        frame(&mut meter, RAW, 0, &one[0]);
        frame(&mut meter, RAW, gap_ns, &other[0]);
        frame(&mut meter, RAW, gap_ns, &other[1]);
        let (rows, later) = ended(&mut meter);
        let summary: BTreeMap<_, _> = rows.iter().map(|row| (row.key.port_a, row.packets_ab)).collect();
        assert_eq!((summary, later), (BTreeMap::from_iter(expected), 0));
    }
}

#[test]
fn a_datagram_captured_twice_is_one_flow() {
    let twice: Vec<_> = large(1, 1024).parts(40).into_iter().flat_map(|part| [part.clone(), part]).collect();
    let (rows, later) = metered(&twice);
    assert_eq!((summary(&rows[0]), rows.len(), later), ((1024, 6, 6 * 20 + 202, 186), 1, 0));
}

#[test]
fn memory_is_bounded() {
    let mut meter = Meter::new(options(IDLE), Arc::default());
    for identification in 0..10_000 {
        pass(&mut meter, &large(identification, 1024).parts(40)[1..2]);
    }
    assert_eq!(counted(&meter, Unmetered::LaterFragment), 10_000 - 4096);
    assert_eq!(ended(&mut meter), (vec![], 10_000));
    // And for a single datagram.
    let mut meter = Meter::new(options(IDLE), Arc::default());
    let part = large(1, 1024).part(40, 80);
    (0..1000).for_each(|_| frame(&mut meter, RAW, 0, &part));
    assert!(counted(&meter, Unmetered::LaterFragment) > 900);
    assert_eq!(ended(&mut meter), (vec![], 1000));
}

#[test]
fn fragments_without_ports_are_counted_by_kind() {
    for (protocol, body, reason) in [
        (1, vec![8; 100], Unmetered::Icmp),
        (1, [vec![3, 3, 0, 0, 0, 0, 0, 0], vec![0x45; 92]].concat(), Unmetered::Icmp),
        (89, vec![0; 100], Unmetered::NoPorts),
        (50, vec![0; 100], Unmetered::Encrypted),
        (4, vec![0x45; 100], Unmetered::NoPorts), // a tunnel stays closed
        (6, vec![0; 100], Unmetered::DamagedTransport),
    ] {
        let datagram = Datagram { protocol, body, ..large(1, 1024) };
        let mut meter = Meter::new(options(IDLE), Arc::default());
        pass(&mut meter, &datagram.parts(40));
        assert_eq!((finished(&mut meter), counted(&meter, reason)), (vec![], 3), "protocol {protocol}");
    }
}

#[test]
fn a_snap_length_may_cut_a_fragment() {
    let parts = large(1, 1024).parts(40);
    for (captured, reason) in [(20 + 3, Some(Unmetered::CutShort)), (20 + 4, None)] {
        let mut meter = Meter::new(options(IDLE), Arc::default());
        for (now_ns, part) in (0..).zip(&parts) {
            let wire_bytes = part.len() as u32;
            let data = &part[..captured];
            meter.frame(&crate::capture::Frame {
                interface: 0,
                link_type: RAW,
                time_ns: now_ns,
                wire_bytes,
                data,
            });
        }
        let rows = finished(&mut meter);
        if let Some(reason) = reason {
            assert_eq!((rows, counted(&meter, reason)), (vec![], 3));
        } else {
            assert_eq!(summary(&rows[0]), (1024, 3, 3 * 20 + 101, 93));
        }
    }
}

#[test]
fn lengths_no_packet_has_do_no_harm() {
    // The length is omitted, and claimed to be enormous on the wire.
    let datagram = Datagram::v4(1, &tcp(0, "a1024>b", "S", 1, 0, 60));
    let mut meter = Meter::new(options(IDLE), Arc::default());
    for mut part in datagram.parts(8) {
        (part[2], part[3]) = (0, 0);
        meter.frame(&crate::capture::Frame {
            interface: 0,
            link_type: RAW,
            time_ns: 0,
            wire_bytes: u32::MAX,
            data: &part,
        });
    }
    ended(&mut meter);
}

/// Returns an ICMP error from host `r` to the sender of a packet.
fn unreachable(sent: &Sent) -> Vec<u8> {
    let quote = sent.ip();
    let mut ip = [&[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, b'r'], &quote[12..16]].concat();
    ip.extend([3, 3, 0, 0, 0, 0, 0, 0]);
    ip.extend(&quote[..28]);
    ip[3] = ip.len() as u8;
    ip
}

/// Returns the history of the only flow of packets and one error at the end.
fn history_of(packets: &[&Sent], error: &[u8], error_ns: i64) -> String {
    let mut meter = Meter::new(options(IDLE), Arc::default());
    for packet in packets {
        packet.pass_to(&mut meter);
    }
    frame(&mut meter, RAW, error_ns, error);
    let rows = finished(&mut meter);
    assert_eq!(counted(&meter, Unmetered::Icmp), 1);
    rows.iter().map(history).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_icmp_error_is_recorded_at_the_unreachable_endpoint() {
    let (there, back) = (udp(0, "a1024>b"), udp(1, "b>a1024"));
    assert_eq!(history_of(&[&there], &unreachable(&there), 2), "Du");
    assert_eq!(history_of(&[&there, &back], &unreachable(&back), 2), "DdU");
    assert_eq!(history_of(&[&there, &back], &unreachable(&there), 2), "Ddu");
    let syn = tcp(0, "a1024>b", "S", 100, 0, 0);
    assert_eq!(history_of(&[&syn], &unreachable(&syn), 2), "Su");
}

#[test]
fn an_icmp_error_counts_only_if_the_quoted_packet_was_seen() {
    let (there, back) = (udp(0, "a1024>b"), udp(1, "b>a1024"));
    assert_eq!(history_of(&[&there], &unreachable(&back), 2), "D", "b sent nothing");
    assert_eq!(history_of(&[&there], &unreachable(&udp(0, "a1025>b")), 2), "D", "another port");
    assert_eq!(history_of(&[&there], &unreachable(&tcp(0, "a1024>b", "S", 1, 0, 0)), 2), "D", "TCP");
    assert_eq!(history_of(&[], &unreachable(&there), 2), "");
    let idle_ns = i64::try_from(IDLE.udp_ns).unwrap();
    assert_eq!(history_of(&[&there], &unreachable(&there), idle_ns), "Du");
    assert_eq!(history_of(&[&there], &unreachable(&there), idle_ns + 1), "D", "the flow is over");
}

/// Generates fragments of up to five datagrams, in any order, and the number of datagrams.
fn mixed() -> impl Strategy<Value = (Vec<Vec<u8>>, usize)> {
    prop::collection::vec((any::<bool>(), 1..6_usize), 1..6).prop_flat_map(|datagrams| {
        let parts = (1024..).zip(&datagrams).flat_map(|(port, &(v6, eights))| {
            let datagram = Datagram { v6, ..large(port, port) };
            datagram.parts(8 * eights)
        });
        (Just(parts.collect::<Vec<_>>()).prop_shuffle(), Just(datagrams.len()))
    })
}

proptest! {
    /// Every fragment is in a flow or in a count; in a flow if none is missing.
    #[test]
    fn every_fragment_is_accounted_for((parts, datagrams) in mixed(), lost in any::<prop::sample::Index>()) {
        let (rows, later) = metered(&parts);
        prop_assert_eq!(later, 0);
        let payload_bytes: u64 = rows.iter().map(|row| row.payload_bytes_ab).sum();
        prop_assert_eq!(payload_bytes, 93 * datagrams as u64);
        metered(&parts[lost.index(parts.len())..]); // checks the sum
    }
}

/// Returns rows and orphans of a capture in pieces, joined.
fn in_pieces(pieces: &[&[(i64, Vec<u8>)]]) -> (Vec<FlowRecord>, u64) {
    let (mut rows, mut orphans, mut remnants) = (Vec::new(), 0, Vec::new());
    for piece in pieces {
        let mut meter = Meter::new(options(IDLE), Arc::default());
        piece.iter().for_each(|(time_ns, part)| frame(&mut meter, RAW, *time_ns, part));
        rows.extend(finished(&mut meter));
        orphans += counted(&meter, Unmetered::LaterFragment);
        let batch = remnants_batch(meter.remnants()).unwrap();
        remnants.push(remnants_of(&batch).unwrap());
        assert_eq!(remnants.last().unwrap(), meter.remnants());
    }
    for found in join_remnants(&remnants, IDLE) {
        let more = rows_of(&found.rows).unwrap();
        orphans -= more.iter().map(|row| row.packets_ab + row.packets_ba).sum::<u64>();
        orphans -= found.unmetered.len() as u64;
        rows.extend(more);
    }
    rows.sort_by_key(|row| row.first_seen_ns);
    (as_set(stitch(rows, &IDLE, true).0), orphans)
}

#[test]
fn a_cut_leaves_no_orphans() {
    let datagrams = [large(1, 1024), large(2, 1025), Datagram { protocol: 1, ..large(3, 1026) }];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let parts = datagrams.iter().flat_map(|datagram| {
            let parts = datagram.parts(40);
            order.map(|part| parts[part].clone())
        });
        let packets: Vec<(i64, Vec<u8>)> = (0..).zip(parts).collect();
        let whole = in_pieces(&[&packets]);
        assert_eq!((whole.0.len(), whole.1), (2, 0));
        for cut in 1..packets.len() {
            assert_eq!(in_pieces(&[&packets[..cut], &packets[cut..]]), whole, "{order:?} cut at {cut}");
        }
        let single: Vec<_> = packets.chunks(1).collect();
        assert_eq!(in_pieces(&single), whole, "{order:?} cut at every packet");
    }
}

#[test]
fn a_header_of_a_minute_ago_is_another_datagrams() {
    let parts = large(1, 1024).parts(40);
    let after = |gap_ns: i64| {
        in_pieces(&[&[(0, parts[0].clone())], &[(gap_ns, parts[1].clone()), (gap_ns, parts[2].clone())]])
    };
    let (rows, orphans) = after(60 * SECOND_NS);
    assert_eq!((rows.iter().map(|row| row.packets_ab).sum::<u64>(), orphans), (3, 0));
    assert_eq!(after(60 * SECOND_NS + 1).1, 2);
    // Something is kept of the first datagrams, however many follow.
    let flood = (0..10_000).map(|id| (1, large(id + 2, 1025).part(40, 80)));
    let long: Vec<_> = [(1, parts[1].clone())].into_iter().chain(flood).collect();
    let (rows, _) = in_pieces(&[&[(0, parts[0].clone())], &long]);
    assert_eq!(rows.iter().map(|row| row.packets_ab).sum::<u64>(), 2);
}
