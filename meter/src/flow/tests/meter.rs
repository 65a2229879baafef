//! Contents of a row, counts, and bounds of memory.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::packets::{
    IDLE, Sent, TCP_HEADERS, as_set, finished, flows, frame, history, metered, mirrored, tcp, udp, unmetered,
};
use super::packets::{options, pass_together, signatures};
use super::stories::{ANY, captures, running_back};
use crate::flow::{Meter, Options};
use crate::payload::Hits;
use crate::table::{FlowRecord, rows_of};
use crate::wire::Transport;

/// Passes a datagram of a host and port of its own.
fn stranger(meter: &mut Meter, number: u32, time_ns: i64) {
    udp(time_ns, &format!("a{}>b{}", number % 60_000, 1 + number / 60_000)).pass_to(meter);
}

#[test]
fn a_connection_is_one_row() {
    let rows = metered(&[
        tcp(1, "a1024>b", "S", 100, 0, 0),
        tcp(2, "b>a1024", "SA", 500, 101, 0),
        tcp(3, "a1024>b", "A", 101, 501, 0),
        tcp(4, "a1024>b", "PA", 101, 501, 30),
        tcp(6, "b>a1024", "A", 501, 131, 0),
        tcp(7, "b>a1024", "PA", 501, 131, 1000),
        tcp(8, "b>a1024", "FA", 1501, 131, 0),
        tcp(9, "a1024>b", "FA", 131, 1502, 0),
        tcp(10, "b>a1024", "A", 1502, 132, 0),
    ]);
    let [row] = rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.key.port_a, row.key.port_b), (1024, 80));
    assert_eq!((row.key.proto, row.key.ip_version), (Transport::Tcp as u8, 4));
    let expected = FlowRecord {
        last_seen_ns: 10,
        packets_ab: 4,
        packets_ba: 5,
        bytes_ab: 4 * TCP_HEADERS + 30,
        bytes_ba: 5 * TCP_HEADERS + 1000,
        payload_bytes_ab: 30,
        payload_bytes_ba: 1000,
        last_data_from_b: Some(true),
        ack_moved_a: true,
        ack_moved_b: true,
        past_opening: true,
        events: row.events,
        hits_a: Hits(1),
        hits_b: Hits(1),
        numbers: row.numbers,
        ..FlowRecord::new(row.key, 0, 1)
    };
    assert_eq!(row, expected);
    let of_end = |end| row.numbers.columns(end);
    assert_eq!(of_end(0), [Some(100), Some(132), Some(100), None, Some(501), Some(0)]);
    assert_eq!(of_end(1), [Some(500), Some(1502), Some(500), None, Some(131), Some(0)]);
    assert_eq!(history(&row), "ShADadfF");
    assert_eq!(row.events.times_ns(), [1, 2, 3, 4, 6, 7, 8, 9]);
}

#[test]
fn a_lone_syn_ack_shows_both_initial_sequence_numbers() {
    let rows = metered(&[tcp(0, "b>a", "SA", 500, 101, 0)]);
    let [row] = rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (row.numbers.isn(0), row.numbers.isn(1), row.numbers.first_ack(1), row.past_opening),
        (Some(100), Some(500), None, false)
    );
}

#[test]
fn the_first_acknowledgement_is_not_that_of_a_reset() {
    let packets = [
        tcp(0, "b>a", "RA", 0, 101, 0),
        tcp(1, "b>a", "A", 501, 7, 0),
        tcp(1, "b>a", "A", 501, 7, 0),
        tcp(1, "b>a", "A", 501, 9, 0),
    ];
    let row = |count| metered(&packets[..count])[0];
    assert_eq!((row(1).numbers.first_ack(1), row(1).ack_moved_b), (None, false));
    assert_eq!((row(3).numbers.first_ack(1), row(3).ack_moved_b), (Some(7), false));
    assert_eq!((row(4).numbers.first_ack(1), row(4).ack_moved_b), (Some(7), true));
}

#[test]
fn what_a_reset_or_a_syn_carries_is_no_data() {
    let rows = metered(&[tcp(0, "a>b", "S", 100, 0, 9), tcp(1, "b>a", "R", 500, 0, 9)]);
    let [row] = rows[..] else { panic!("{rows:?}") };
    assert_eq!((history(&row).as_str(), row.payload_bytes_ab, row.payload_bytes_ba), ("Sr", 9, 9));
}

#[test]
fn each_vlan_has_a_row_and_a_priority_tag_is_no_vlan() {
    let rows = metered(&[None, Some(5), Some(6), Some(0), Some(5)].map(|vlan| udp(0, "a>b").in_vlan(vlan)));
    let found: Vec<_> = rows.iter().map(|row| (row.vlan, row.packets_ab, row.bytes_ab)).collect();
    assert_eq!(found, [(None, 2, 2 * 35), (Some(5), 2, 2 * 35), (Some(6), 1, 35)]);
}

#[test]
fn many_short_flows_take_little_memory() {
    const FLOWS: u32 = 100_000;
    let mut meter = Meter::new(options(IDLE), Arc::default());
    let mut most_held = 0;
    for number in 0..FLOWS {
        stranger(&mut meter, number, i64::from(number)); // 11 at a time are active
        most_held = most_held.max(meter.held_rows());
    }
    assert!(most_held < 100, "{most_held} rows held");
    let rows = finished(&mut meter);
    assert_eq!(rows.len(), FLOWS as usize);
    assert!(rows.iter().all(|row| (row.packets_ab, row.packets_ba) == (1, 0)));
}

#[test]
fn memory_is_freed_when_time_goes_on() {
    let mut meter = Meter::new(options(IDLE), Arc::default());
    (0..10_000).for_each(|number| stranger(&mut meter, number, 0));
    (10_000..20_000).for_each(|number| stranger(&mut meter, number, 1_000));
    (20_000..100_000).for_each(|number| stranger(&mut meter, number, i64::from(number)));
    assert!(meter.held_rows() <= 10_000 * 4 / 3, "{} rows held", meter.held_rows());
}

#[test]
fn the_last_rows_come_in_batches() {
    let mut meter = Meter::new(options(IDLE), Arc::default());
    (0..20).for_each(|number| stranger(&mut meter, number, 0));
    let mut batches = vec![];
    while !meter.finish(8) {
        batches.push(meter.take().num_rows());
    }
    batches.push(meter.take().num_rows());
    assert_eq!(batches, [8, 8, 4]);
}

#[test]
fn rows_may_be_taken_at_any_time() {
    let packets: Vec<Sent> = (0..100).flat_map(|now_ns| [udp(now_ns, "a1>b"), udp(now_ns, "b>a2")]).collect();
    let mut meter = Meter::new(options(IDLE), signatures());
    let mut rows = Vec::new();
    for packet in &packets {
        packet.pass_to(&mut meter);
        rows.extend(rows_of(&meter.take()).unwrap());
        assert_eq!(meter.finished_rows(), 0);
    }
    rows.extend(finished(&mut meter));
    assert_eq!(as_set(rows), as_set(metered(&packets)));
}

#[test]
fn the_span_is_that_of_all_frames() {
    let mut meter = Meter::new(options(IDLE), Arc::default());
    assert_eq!(meter.span_ns(), None);
    for (time_ns, span) in [(5, (5, 5)), (9, (5, 9)), (8, (5, 9)), (1, (1, 9))] {
        frame(&mut meter, 9999, time_ns, &[]);
        assert_eq!(meter.span_ns(), Some(span));
    }
}

proptest! {
    /// Nothing is lost: every packet is in a flow or in a count.
    #[test]
    fn every_packet_is_accounted_for(
        packets in captures(ANY, running_back()),
        frames in vec((any::<prop::sample::Index>(), 0..300_u16, vec(any::<u8>(), 0..60)), 0..20),
    ) {
        let mut meter = Meter::new(options(IDLE), Arc::default());
        let mut bytes = 0;
        let mut ip_bytes = 0;
        for (at, packet) in packets.iter().enumerate() {
            packet.pass_to(&mut meter);
            bytes += packet.frame().1.len();
            ip_bytes += packet.ip().len();
            for (_, link_type, data) in frames.iter().filter(|(index, ..)| index.index(packets.len()) == at) {
                frame(&mut meter, *link_type, 0, data);
                bytes += data.len();
            }
        }
        let rows = finished(&mut meter);
        let in_flows: u64 = rows.iter().map(|row| row.packets_ab + row.packets_ba).sum();
        prop_assert_eq!(meter.packets(), (packets.len() + frames.len()) as u64);
        prop_assert_eq!(in_flows + unmetered(&meter), meter.packets());
        prop_assert_eq!(meter.wire_bytes(), bytes as u64);
        let row_bytes: u64 = metered(&packets).iter().map(|row| row.bytes_ab + row.bytes_ba).sum();
        prop_assert_eq!(row_bytes, ip_bytes as u64);
    }

    /// Neither endpoint is preferred.
    #[test]
    fn swapping_all_sources_and_destinations_mirrors_the_table(packets in captures(ANY, running_back())) {
        let back: Vec<Sent> = packets.iter().map(Sent::mirrored).collect();
        prop_assert_eq!(as_set(flows(&back)), as_set(flows(&packets).iter().map(mirrored).collect()));
    }
}

#[test]
fn past_the_cap_idle_flows_end_early_and_nothing_is_lost() {
    let mut meter = Meter::new(Options { most_flows: 64, ..options(IDLE) }, Arc::default());
    for number in 1..=1000 {
        let time_ns = number / 16; // a part has a new flow in each, and room for four within the idle time
        udp(time_ns, &format!("a{number}>b53")).pass_to(&mut meter);
        udp(time_ns, "a65000>b53").pass_to(&mut meter);
        assert!(meter.held_rows() <= 64);
    }
    let rows = finished(&mut meter);
    assert_eq!(rows.iter().map(|row| row.packets_ab + row.packets_ba).sum::<u64>(), 2000);
    assert_eq!(rows.iter().filter(|row| row.evicted).count() as u64, meter.evicted());
    // The busy flow is not the one evicted.
    assert_eq!(rows.iter().filter(|row| row.key.port_a == 65_000).count(), 1);
}

#[test]
fn payloads_of_a_flow_that_was_ended_early_are_inspected_anew() {
    let mut meter = Meter::new(Options { most_flows: 1, ..options(IDLE) }, signatures());
    // Another flow of the same part, which has room for one.
    let first = udp(0, "a1>b53");
    let others = (2..).map(|port| udp(0, &format!("a{port}>b53")));
    let other = others.filter(|other| other.part() == first.part()).take(1);
    let packets: Vec<Sent> =
        vec![first.clone(); 40].into_iter().chain(other).chain([first.clone()]).collect();
    pass_together(&packets, &mut meter);
    let rows = finished(&mut meter);
    let seen: Vec<(bool, u64, bool)> =
        rows.iter().map(|row| (row.key.port_a == 1, row.packets_ab, row.hits_a != Hits::default())).collect();
    assert_eq!(seen, [(true, 40, true), (false, 1, true), (true, 1, true)]);
}

#[test]
fn a_clock_that_jumps_by_years_fills_no_memory() {
    const YEAR_NS: i64 = 365 * 86_400 * 1_000_000_000;
    let mut meter = Meter::new(options(IDLE), Arc::default());
    for number in 0..100_000 {
        let jump_ns = [0, 50 * YEAR_NS, -50 * YEAR_NS][number as usize / 7 % 3];
        stranger(&mut meter, number, i64::from(number) + jump_ns);
    }
    assert!(meter.held_rows() < 1000, "{} rows held", meter.held_rows());
    assert_eq!(finished(&mut meter).len(), 100_000);
}

#[test]
fn one_wrong_time_ends_no_flow() {
    let others = (0..1000).map(|number| udp(0, &format!("a{}>b", 1 + number)));
    let again = (0..1000).map(|number| udp(5, &format!("a{}>b", 1 + number)));
    for wrong in [i64::MIN, i64::MAX] {
        let stray = udp(wrong, "c>d");
        let rows = flows(&others.clone().chain([stray]).chain(again.clone()).collect::<Vec<_>>());
        assert_eq!(rows.len(), 1001);
        assert_eq!(rows.iter().filter(|row| row.packets_ab == 2).count(), 1000);
    }
}
