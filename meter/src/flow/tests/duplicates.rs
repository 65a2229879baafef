//! Duplicates from a mirror port, and packets that only look like them.

use std::sync::Arc;

use proptest::prelude::*;

use super::packets::{IDLE, finished, frame, options, tcp, udp};
use crate::flow::{Idle, Meter, Options};
use crate::table::FlowRecord;
use crate::wire::Unmetered;

const RAW: u16 = 101;
const MS: i64 = 1_000_000;
const LONG: Idle = Idle { tcp_ns: 300_000_000_000, udp_ns: 120_000_000_000 };

/// Meters packets of IPv4 with an identification and a time to live, given as (time, id, ttl, packet).
fn metered(packets: &[(i64, u16, u8, Vec<u8>)], dedup: bool) -> (Meter, Vec<FlowRecord>) {
    let mut meter = Meter::new(Options { dedup, ..options(LONG) }, Arc::default());
    for (time_ns, id, ttl, ip) in packets {
        let mut ip = ip.clone();
        ip[4..6].copy_from_slice(&id.to_be_bytes());
        ip[8] = *ttl;
        frame(&mut meter, RAW, *time_ns, &ip);
    }
    let rows = finished(&mut meter);
    (meter, rows)
}

fn duplicates(packets: &[(i64, u16, u8, Vec<u8>)]) -> u64 {
    let (meter, rows) = metered(packets, false);
    let in_rows = rows.iter().map(|row| u64::from(row.duplicates)).sum();
    assert_eq!(meter.duplicates(), in_rows);
    in_rows
}

fn datagram() -> Vec<u8> {
    udp(0, "a>b").ip()
}

fn data() -> Vec<u8> {
    tcp(0, "a>b", "PA", 100, 500, 30).ip()
}

fn acknowledgement() -> Vec<u8> {
    tcp(0, "a>b", "A", 100, 500, 0).ip()
}

#[test]
fn the_same_identification_shortly_after_is_a_duplicate() {
    for packet in [datagram(), data(), acknowledgement()] {
        assert_eq!(duplicates(&[(0, 7, 64, packet.clone()), (MS, 7, 64, packet.clone())]), 1);
        assert_eq!(duplicates(&[(0, 7, 64, packet.clone()), (MS, 7, 63, packet.clone())]), 1, "routed");
        assert_eq!(
            duplicates(&[(MS, 7, 64, packet.clone()), (0, 7, 64, packet.clone())]),
            1,
            "time runs back"
        );
        assert_eq!(duplicates(&[(0, 7, 64, packet.clone()), (MS, 8, 64, packet.clone())]), 0, "sent twice");
        assert_eq!(duplicates(&[(0, 7, 64, packet.clone()), (51 * MS, 7, 64, packet.clone())]), 0, "late");
        let thrice = [0, 1, 2].map(|time| (time * MS, 7, 64, packet.clone()));
        assert_eq!(duplicates(&thrice), 2);
    }
}

#[test]
fn duplicates_may_come_after_other_packets() {
    let segment = |number: u16| tcp(0, "a>b", "PA", 100 + u32::from(number), 500, 1).ip();
    let sent = (1..40).map(|number| (i64::from(number), number, 64, segment(number)));
    let copies = (1..40).map(|number| (MS + i64::from(number), number, 64, segment(number)));
    assert_eq!(duplicates(&sent.chain(copies).collect::<Vec<_>>()), 39);
}

#[test]
fn without_identification_only_a_segment_directly_repeated_is_a_duplicate() {
    let twice = |packet: Vec<u8>, ns| duplicates(&[(0, 0, 64, packet.clone()), (ns, 0, 64, packet)]);
    assert_eq!(twice(data(), MS / 2), 1);
    assert_eq!(twice(tcp(0, "a>b", "S", 1, 0, 0).ip(), MS / 2), 1);
    assert_eq!(twice(data(), 10 * MS), 0, "a retransmission");
    let next = tcp(0, "a>b", "PA", 130, 500, 30).ip();
    assert_eq!(
        duplicates(&[(0, 0, 64, data()), (1, 0, 64, next), (2, 0, 64, data())]),
        0,
        "fast retransmission"
    );
    let answer = tcp(0, "b>a", "A", 500, 130, 0).ip();
    assert_eq!(duplicates(&[(0, 0, 64, data()), (1, 0, 64, answer), (2, 0, 64, data())]), 1);
}

#[test]
fn repeatable_packets_are_duplicates_only_with_another_hop_limit() {
    for packet in [datagram(), acknowledgement()] {
        assert_eq!(duplicates(&[(0, 0, 64, packet.clone()), (1, 0, 64, packet.clone())]), 0);
        assert_eq!(duplicates(&[(0, 0, 64, packet.clone()), (1, 0, 63, packet.clone())]), 1);
    }
}

#[test]
fn directions_and_flows_are_apart() {
    let between = |ends: &str| (0, 7, 64, udp(0, ends).ip());
    assert_eq!(duplicates(&[between("a80>b80"), between("b80>a80"), between("a81>b80"), between("a>c")]), 0);
}

#[test]
fn excluded_duplicates_are_counted() {
    let packets = [(0, 7, 64, data()), (1, 7, 64, data()), (2, 8, 64, data())];
    let (meter, rows) = metered(&packets, true);
    let [row] = rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.packets_ab, row.duplicates, meter.packets(), meter.duplicates()), (2, 0, 3, 1));
    assert!(meter.unmetered().any(|counted| counted == (Unmetered::Duplicate, 1)));
}

#[test]
fn fragments_are_not_duplicates_of_each_other() {
    let mut meter = Meter::new(options(IDLE), Arc::default());
    let ip = udp(0, "a>b").ip();
    for (time_ns, more) in [(0, 0x20), (1, 0x20)] {
        let mut ip = ip.clone();
        (ip[5], ip[6]) = (9, more);
        frame(&mut meter, RAW, time_ns, &ip);
    }
    finished(&mut meter);
    assert_eq!(meter.duplicates(), 0);
}

proptest! {
    /// The law of stitching holds for duplicates as well, where no pair lies across a cut.
    #[test]
    fn a_pair_is_found_whatever_came_before(hosts in prop::collection::vec(1_u8..=255, 0..60)) {
        let before = hosts.iter().zip(0..).map(|(&host, at)| {
            (at, u16::from(host), 64, udp(0, &format!("a{host}>b")).ip())
        });
        let before: Vec<_> = before.collect();
        let pair = [(100, 999, 64, datagram()), (101, 999, 64, datagram())];
        prop_assert_eq!(duplicates(&[&before[..], &pair].concat()), duplicates(&before) + 1);
    }
}
