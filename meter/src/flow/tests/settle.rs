//! Decisions that need all rows of a five-tuple, with cuts at every packet as without.

use super::packets::{IDLE, Sent, as_set, flows, history, metered, tcp, udp};
use crate::flow::stitch;

/// Returns histories of the flows, which are the same however the capture is cut.
fn settled(packets: &[Sent]) -> Vec<String> {
    let whole = flows(packets);
    for cut in 1..packets.len() {
        let (before, after) = packets.split_at(cut);
        let rows = metered(before).into_iter().chain(metered(after));
        assert_eq!(as_set(stitch(rows, &IDLE, true).0), as_set(whole.clone()), "cut at {cut}");
    }
    let rows = packets.iter().flat_map(|packet| metered(std::slice::from_ref(packet)));
    assert_eq!(as_set(stitch(rows, &IDLE, true).0), as_set(whole.clone()), "cut at every packet");
    whole.iter().map(history).collect()
}

/// Returns a handshake, a question, an answer; a packet each nanosecond.
fn talk(time_ns: i64, isn: [u32; 2]) -> Vec<Sent> {
    let [own, peer] = isn.map(|isn| isn.wrapping_add(1));
    vec![
        tcp(time_ns, "a>b", "S", isn[0], 0, 0),
        tcp(time_ns + 1, "b>a", "SA", isn[1], own, 0),
        tcp(time_ns + 2, "a>b", "A", own, peer, 0),
        tcp(time_ns + 3, "a>b", "PA", own, peer, 10),
        tcp(time_ns + 4, "b>a", "PA", peer, own.wrapping_add(10), 20),
    ]
}

fn in_vlans(packets: Vec<Sent>, vlan: fn(&Sent) -> u16) -> Vec<Sent> {
    packets
        .into_iter()
        .map(|packet| {
            let vlan = vlan(&packet);
            packet.in_vlan(Some(vlan))
        })
        .collect()
}

fn in_turn(one: Vec<Sent>, other: Vec<Sent>) -> Vec<Sent> {
    one.into_iter().zip(other).flat_map(|(one, other)| [one, other]).collect()
}

const FAR: [u32; 2] = [1_000_000_000, 2_000_000_000];
const FARTHER: [u32; 2] = [3_000_000_000, 4_000_000_000];

#[test]
fn vlans_with_one_direction_each_are_one_flow() {
    let by_direction = |packet: &Sent| if packet.is_from('a') { 10 } else { 20 };
    assert_eq!(settled(&in_vlans(talk(0, FAR), by_direction)), ["ShADd"]);
    assert_eq!(settled(&in_vlans(vec![udp(0, "a>b"), udp(1, "b>a")], by_direction)), ["Dd"]);
    let refused = vec![tcp(0, "a>b", "S", 100, 0, 0), tcp(1, "b>a", "RA", 0, 101, 0)];
    assert_eq!(settled(&in_vlans(refused, by_direction)), ["Sr"]);
}

#[test]
fn vlans_with_both_directions_each_are_flows_of_their_own() {
    let (one, other) = (in_vlans(talk(0, FAR), |_| 10), in_vlans(talk(0, FARTHER), |_| 20));
    assert_eq!(settled(&in_turn(one, other)), ["ShADd", "ShADd"]);
    let pair = || vec![udp(0, "a>b"), udp(1, "b>a")];
    assert_eq!(settled(&in_turn(in_vlans(pair(), |_| 10), in_vlans(pair(), |_| 20))), ["Dd", "Dd"]);
}

#[test]
fn numbers_far_apart_are_of_two_connections() {
    assert_eq!(settled(&in_turn(talk(0, FAR), talk(0, FARTHER))), ["ShADd", "ShADd"]);
}

#[test]
fn a_connection_continues_after_any_pause() {
    let mut packets = talk(0, FAR);
    packets.push(tcp(5_000, "a>b", "FA", FAR[0] + 11, FAR[1] + 21, 0));
    packets.push(tcp(9_000, "b>a", "FA", FAR[1] + 21, FAR[0] + 12, 0));
    assert_eq!(settled(&packets), ["ShADdFf"]);
    packets.push(tcp(20_000, "a>b", "PA", FARTHER[0], FARTHER[1], 10));
    assert_eq!(settled(&packets), ["ShADdFf", "D"]);
}

#[test]
fn packet_loss_splits_no_connection() {
    let mut packets = talk(0, FAR);
    packets.push(tcp(9, "a>b", "PA", FAR[0] + (1 << 28), FAR[1] + 21, 10));
    assert_eq!(settled(&packets), ["ShADd"]);
}

#[test]
fn a_new_connection_ends_the_old_one() {
    let mut packets = talk(0, FAR);
    packets.extend(talk(50, FARTHER));
    packets.push(tcp(60, "a>b", "R", FAR[0] + 11, 0, 0));
    assert_eq!(settled(&packets), ["ShADdR", "ShADd"], "the RST is with its connection");
    let late: Vec<_> =
        flows(&packets).iter().map(|row| [0, 1].map(|end| row.numbers.is_reset_late(end))).collect();
    assert_eq!(late, [[true, false], [false, false]]);
}

#[test]
fn rows_that_begin_at_one_time_are_numbered() {
    let rows = flows(&[udp(0, "a>b").in_vlan(Some(1)), udp(0, "a>b").in_vlan(Some(2)), udp(0, "c>b")]);
    let mut ordinals: Vec<_> = rows.iter().map(|row| row.ordinal).collect();
    ordinals.sort_unstable();
    assert_eq!(ordinals, [0, 0, 1]);
}

#[test]
fn announcements_to_a_group_are_one_flow() {
    let rows = |group: [u8; 4], port| {
        let announced = [0, 1_000, 3_000_000_000_000].map(|time_ns| udp(time_ns, "a123>z123"));
        let mut rows: Vec<_> =
            announced.iter().flat_map(|packet| metered(std::slice::from_ref(packet))).collect();
        for row in &mut rows {
            row.key.addr_b[12..].copy_from_slice(&group);
            row.key.port_b = port;
        }
        stitch(rows, &IDLE, true).0.len()
    };
    assert_eq!(rows([224, 0, 1, 1], 123), 1);
    assert_eq!(rows([255; 4], 123), 1);
    assert_eq!(rows([255; 4], 124), 3, "a port may be another process's by then");
    assert_eq!(rows([10, 0, 0, 9], 123), 3);
}
