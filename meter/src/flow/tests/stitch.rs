//! The row that each piece goes into.

use super::packets::{IDLE, Sent, history, metered, tcp, udp};
use crate::flow::stitch;
use crate::table::FlowRecord;

/// Yields a row for each packet.
fn rows(packets: &[Sent]) -> impl Iterator<Item = FlowRecord> {
    packets.iter().flat_map(|packet| metered(std::slice::from_ref(packet)))
}

/// Returns the groups of rows of single packets.
fn groups(packets: &[Sent]) -> Vec<u32> {
    stitch(rows(packets), &IDLE, true).1
}

#[test]
fn no_rows_give_no_rows() {
    assert_eq!(stitch([], &IDLE, true), (vec![], vec![]));
}

#[test]
fn rows_of_one_flow_become_one() {
    let packets = [
        tcp(0, "a>b", "S", 100, 0, 0),
        udp(1, "a>b"),
        tcp(2, "b>a", "SA", 500, 101, 0),
        udp(3, "b>a"),
        tcp(4, "a>b", "A", 101, 501, 0),
        tcp(5, "a>b", "S", 90_000, 0, 0),
        tcp(6, "b>a", "SA", 600, 90_001, 0),
        tcp(7, "c>d", "S", 1, 0, 0),
    ];
    let (joined, groups) = stitch(rows(&packets), &IDLE, true);
    assert_eq!(groups, [0, 1, 0, 1, 0, 2, 2, 3]);
    assert_eq!(joined.iter().map(history).collect::<Vec<_>>(), ["ShA", "Dd", "Sh", "S"]);
    assert_eq!(
        stitch(joined.clone(), &IDLE, true),
        (joined, vec![0, 1, 2, 3]),
        "there is nothing left to join"
    );
}

#[test]
fn a_gap_closed_late_joins_in_chains() {
    let at = |times: &[i64]| groups(&times.iter().map(|&time_ns| udp(time_ns, "a>b")).collect::<Vec<_>>());
    assert_eq!(at(&[0, 10, 20]), [0, 0, 0]);
    assert_eq!(at(&[0, 11, 22]), [0, 1, 2]);
    assert_eq!(at(&[20, 0, 10]), [0, 0, 0]);
    assert_eq!(at(&[60, 40, 20, 0, 10, 30, 50]), [0; 7]);
    assert_eq!(at(&[60, 40, 20, 0, 10, 30]), [0, 1, 1, 1, 1, 1]);
}

#[test]
fn the_order_of_joined_rows_is_that_of_their_first_pieces() {
    let packets = [udp(20, "a>b"), udp(0, "c>d"), udp(0, "a>b"), udp(5, "e>f"), udp(10, "a>b")];
    let (joined, groups) = stitch(rows(&packets), &IDLE, true);
    assert_eq!(groups, [0, 1, 0, 2, 0]);
    assert_eq!(joined.iter().map(|row| row.first_seen_ns).collect::<Vec<_>>(), [0, 0, 5]);
}

#[test]
fn sums_and_spans_are_of_all_pieces() {
    let (joined, _) = stitch(rows(&[udp(9, "a>b"), udp(3, "b>a"), udp(12, "a>b")]), &IDLE, true);
    let [row] = joined[..] else { panic!("{joined:?}") };
    assert_eq!((row.first_seen_ns, row.last_seen_ns, row.first_from_b), (3, 12, true));
    assert_eq!((row.packets_ab, row.packets_ba), (2, 1));
    assert_eq!((row.bytes_ab, row.payload_bytes_ab), (2 * 35, 2 * 7));
    assert_eq!(history(&row), "dD");
}
