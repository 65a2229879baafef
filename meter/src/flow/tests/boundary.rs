//! Where one flow ends and the next begins. ISN of `a`: 100, of `b`: 500, unless given.

use std::sync::Arc;

use super::packets::{Sent, finished, frame, histories, metered, options, tcp, udp, unmetered};
use crate::flow::Meter;
use crate::wire::TypeNumber;

/// Returns the three packets of a handshake, from `time_ns` on.
fn handshake(time_ns: i64) -> [Sent; 3] {
    [
        tcp(time_ns, "a>b", "S", 100, 0, 0),
        tcp(time_ns + 1, "b>a", "SA", 500, 101, 0),
        tcp(time_ns + 2, "a>b", "A", 101, 501, 0),
    ]
}

/// Returns the histories of a handshake followed by `later`.
fn after_handshake(later: &[Sent]) -> Vec<String> {
    histories(&[&handshake(0), later].concat())
}

#[test]
fn a_retransmitted_syn_is_the_same_flow() {
    let syn = |time_ns| tcp(time_ns, "a>b", "S", 100, 0, 0);
    assert_eq!(histories(&[syn(0), syn(3), syn(9)]), ["S"]);
    assert_eq!(after_handshake(&[syn(9)]), ["ShA"]);
    let refused = tcp(4, "b>a", "RA", 0, 101, 0);
    assert_eq!(histories(&[syn(0), refused, syn(9)]), ["Sr"], "Windows asks again after a refusal");
}

#[test]
fn another_isn_is_a_new_flow() {
    let again = tcp(9, "a>b", "S", 90_000, 0, 0);
    assert_eq!(histories(&[tcp(0, "a>b", "S", 100, 0, 0), again.clone()]), ["S", "S"]);
    let later = [again, tcp(10, "b>a", "SA", 600, 90_001, 0), tcp(11, "a>b", "A", 90_001, 601, 0)];
    assert_eq!(after_handshake(&later), ["ShA", "ShA"]);
}

#[test]
fn a_retransmitted_syn_ack_is_the_same_flow() {
    assert_eq!(after_handshake(&[tcp(9, "b>a", "SA", 500, 101, 0)]), ["ShA"]);
    // SYN cookies change with the clock (RFC 4987 §3.6); the initiator's number doesn't.
    assert_eq!(after_handshake(&[tcp(9, "b>a", "SA", 70_000, 101, 0)]), ["ShA"]);
}

#[test]
fn a_syn_ack_captured_before_its_syn_is_the_same_flow() {
    let [syn, syn_ack, ack] = handshake(0);
    assert_eq!(histories(&[syn_ack.clone(), syn.clone(), ack.clone()]), ["ShA"], "sorted by time");
    assert_eq!(histories(&[syn_ack, syn.at(1), ack]), ["hSA"]);
}

#[test]
fn a_syn_ack_of_another_isn_is_a_new_flow() {
    let foreign = tcp(9, "b>a", "SA", 500, 90_001, 0);
    let syn = tcp(9, "a>b", "S", 100, 0, 0);
    assert_eq!(histories(&[syn.clone(), foreign.clone()]), ["S", "h"]);
    assert_eq!(histories(&[foreign.clone(), syn]), ["h", "S"]);
    assert_eq!(after_handshake(&[foreign]), ["ShA", "h"]);
}

#[test]
fn an_opening_after_midstream_traffic_is_a_new_flow() {
    let data = tcp(0, "a>b", "PA", 101, 501, 20);
    let [syn, syn_ack, ack] = handshake(1);
    assert_eq!(histories(&[data.clone(), syn, syn_ack.clone(), ack.clone()]), ["D", "ShA"]);
    assert_eq!(histories(&[data, syn_ack, ack]), ["D", "hA"]);
    let [syn, ..] = handshake(1);
    let no_acknowledgement = ["R", "F", ""].map(|flags| tcp(0, "a>b", flags, 101, 0, 0));
    for packet in no_acknowledgement {
        assert_eq!(histories(&[packet, syn.clone()]).len(), 2);
    }
}

#[test]
fn midstream_traffic_never_ends_a_flow() {
    let wild = ["A", "PA", "FA", "R", "RA", ""].map(|flags| tcp(9, "b>a", flags, 3_000_000, 4_000_000, 0));
    assert_eq!(after_handshake(&wild), ["ShAafr"]);
}

#[test]
fn a_simultaneous_open_is_one_flow() {
    let opening = [
        tcp(0, "a>b", "S", 100, 0, 0),
        tcp(1, "b>a", "S", 500, 0, 0),
        tcp(2, "a>b", "SA", 100, 501, 0),
        tcp(3, "b>a", "SA", 500, 101, 0),
    ];
    assert_eq!(histories(&opening), ["SsHh"]);
    let retransmitted = tcp(4, "b>a", "S", 500, 0, 0);
    assert_eq!(histories(&[&opening[..], &[retransmitted]].concat()), ["SsHh"]);
    let renewed = tcp(4, "b>a", "S", 90_000, 0, 0);
    assert_eq!(histories(&[&opening[..], &[renewed]].concat()), ["SsHh", "s"]);
    let [_, syn, _, syn_ack] = opening;
    let other_syn_ack = tcp(3, "b>a", "SA", 90_000, 101, 0);
    assert_eq!(histories(&[syn.clone(), syn_ack]), ["sh"], "the other end's packets weren't captured");
    assert_eq!(histories(&[syn, other_syn_ack]), ["s", "h"]);
}

#[test]
fn data_on_the_syn_may_be_acknowledged_or_not() {
    let syn = tcp(0, "a>b", "S", 100, 0, 1400);
    for acknowledged in [101, 101 + 1400] {
        let syn_ack = tcp(1, "b>a", "SA", 500, acknowledged, 0);
        assert_eq!(histories(&[syn.clone(), syn_ack.clone()]), ["Sh"]);
    }
    // Captured late, it must be acknowledged exactly: else a new SYN with a slightly lower number would match.
    let late = |acknowledged| histories(&[tcp(1, "b>a", "SA", 500, acknowledged, 0), syn.clone()]);
    assert_eq!((late(101), late(101 + 1400)), (vec!["Sh".into()], vec!["h".into(), "S".into()]));
    let beyond = tcp(1, "b>a", "SA", 500, 101 + 16_384, 0);
    assert_eq!(histories(&[syn.clone(), beyond]), ["S", "h"], "more than a SYN can carry");
    let generated = tcp(1, "b>a", "SA", 500, 100, 0);
    assert_eq!(histories(&[syn.clone(), generated]), ["Sh"], "a generator that doesn't count the SYN");
    let before = tcp(1, "b>a", "SA", 500, 99, 0);
    assert_eq!(histories(&[syn, before]), ["S", "h"]);
}

#[test]
fn sequence_numbers_wrap() {
    let syn = tcp(0, "a>b", "S", u32::MAX, 0, 10);
    for acknowledged in [0, 10] {
        let syn_ack = tcp(1, "b>a", "SA", u32::MAX, acknowledged, 0);
        assert_eq!(histories(&[syn.clone(), syn_ack]), ["Sh"]);
    }
}

#[test]
fn ports_addresses_and_transports_distinguish_flows() {
    let packets = [
        udp(0, "a1>b2"),
        udp(0, "b2>a1"),
        udp(0, "a2>b1"),
        udp(0, "a1>c2"),
        tcp(0, "a1>b2", "PA", 1, 1, 1),
        udp(0, "a1>a2"),
        udp(0, "a2>a1"),
        udp(0, "a7>a7"),
    ];
    let mut histories = histories(&packets);
    histories.sort();
    assert_eq!(histories, ["D", "D", "D", "D", "Dd", "Dd"]);
}

#[test]
fn an_idle_flow_ends_after_its_timeout_not_at_it() {
    let elsewhere = [101, 2_000_000_000, 900_000_000].map(|number| tcp(0, "a>b", "PA", number, number, 1));
    for (limit_ns, packets) in [(100, elsewhere), (10, [(); 3].map(|()| udp(0, "a>b")))] {
        let every = |gap_ns| [0, 1, 2].map(|n| packets[n].clone().at(gap_ns * [0_i64, 1, 2][n]));
        assert_eq!(histories(&every(limit_ns + 1)), ["D", "D", "D"]);
    }
    for (limit_ns, packet) in [(100, tcp(0, "a>b", "PA", 101, 501, 1)), (10, udp(0, "a>b"))] {
        let every = [0, limit_ns, 2 * limit_ns].map(|time_ns| packet.clone().at(time_ns));
        assert_eq!(metered(&every).len(), 1, "the meter keeps them together");
        assert_eq!(histories(&every), ["D"]);
    }
    assert_eq!(histories(&[tcp(0, "a>b", "S", 100, 0, 0), tcp(101, "a>b", "S", 100, 0, 0)]), ["S", "S"]);
}

#[test]
fn idle_time_is_measured_from_the_flows_own_span() {
    let [early, at_limit, past_limit] = [50, 40, 39].map(|time_ns| udp(time_ns, "a>b"));
    assert_eq!(histories(&[early.clone(), at_limit.clone()]), ["D"], "time ran back, but not far");
    assert_eq!(histories(&[early.clone(), past_limit.clone()]), ["D", "D"]);
    assert_eq!(
        histories(&[early.clone(), at_limit.clone(), past_limit.clone()]),
        ["D"],
        "the span has grown"
    );
    assert_eq!(histories(&[early, past_limit, at_limit]), ["D"], "the gap was closed: stitching joins");
    let elsewhere = udp(1_000_000, "c>d");
    assert_eq!(histories(&[udp(0, "a>b"), elsewhere.clone(), udp(9, "b>a")]).len(), 2, "another flow's time");
}

#[test]
fn the_extremes_of_time_do_not_overflow() {
    let both = [udp(i64::MIN, "a>b"), udp(i64::MAX, "a>b"), udp(i64::MIN, "a>b")];
    assert_eq!(histories(&both), ["D", "D", "D"]);
}

#[test]
fn a_flow_begins_anew_in_the_place_of_the_old_one() {
    let rows = metered(&[udp(0, "a>b"), udp(11, "b>a")]);
    let [old, new] = rows[..] else { panic!("{rows:?}") };
    assert_eq!((old.packets_ab, old.packets_ba, old.first_from_b), (1, 0, false));
    assert_eq!((new.packets_ab, new.packets_ba, new.first_from_b), (0, 1, true));
}

#[test]
fn a_frame_without_a_packet_touches_no_flow() {
    let mut meter = Meter::new(options(super::packets::IDLE), Arc::default());
    udp(0, "a>b").pass_to(&mut meter);
    frame(&mut meter, 9999, 1_000, &udp(1_000, "a>b").ip());
    udp(1, "a>b").pass_to(&mut meter);
    assert_eq!(finished(&mut meter).len(), 1);
    assert_eq!(
        (unmetered(&meter), meter.counts().unmetered.tallies().unknown_types().next()),
        (1, Some((TypeNumber::Link(9999), 1)))
    );
}
