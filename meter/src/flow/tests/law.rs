//! The law of stitching: a capture metered in pieces gives the rows that it gives as a whole.

use proptest::collection::vec;
use proptest::prelude::*;

use super::packets::{IDLE, Sent, as_set, flows, metered};
use super::stories::{captures, monotone, running_back};
use crate::flow::stitch;
use crate::table::Row;

/// Where a capture is cut: rarely, often, or between any two packets.
fn cuts() -> impl Strategy<Value = Vec<bool>> {
    prop_oneof![Just(0.05), Just(0.3), Just(1.0)].prop_flat_map(|often| vec(prop::bool::weighted(often), 100))
}

/// The pieces of a capture, cut where both `cuts` and `allowed` say so.
fn pieces<'a>(packets: &'a [Sent], cuts: &[bool], allowed: fn(&Sent, &Sent) -> bool) -> Vec<&'a [Sent]> {
    let mut cuts = cuts.iter().cycle();
    packets.chunk_by(|one, next| !(*cuts.next().expect("it cycles") && allowed(one, next))).collect()
}

fn stitched(rows: Vec<Row>) -> Vec<Row> {
    stitch(rows, &IDLE).0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn pieces_in_the_order_of_the_capture_give_the_whole(packets in captures(running_back()), cuts in cuts()) {
        let rows = pieces(&packets, &cuts, |_, _| true).into_iter().flat_map(metered).collect();
        prop_assert_eq!(as_set(stitched(rows)), as_set(flows(&packets)));
    }

    /// A cluster stitches in stages.
    #[test]
    fn pieces_may_be_stitched_before_they_are_stitched_together(packets in captures(running_back()), cuts in cuts()) {
        let rows = pieces(&packets, &cuts, |_, _| true).into_iter().flat_map(flows).collect();
        prop_assert_eq!(as_set(stitched(rows)), as_set(flows(&packets)));
    }

    #[test]
    fn where_time_never_runs_back_pieces_may_come_in_any_order(
        packets in captures(monotone()),
        cuts in cuts(),
        order in vec(any::<u32>(), 200),
    ) {
        let pieces = pieces(&packets, &cuts, |one, next| one.time_ns != next.time_ns);
        let mut shuffled: Vec<_> = order.iter().cycle().zip(pieces).collect();
        shuffled.sort_by_key(|(place, _)| **place);
        let mut rows: Vec<Row> = shuffled.into_iter().flat_map(|(_, piece)| metered(piece)).collect();
        rows.sort_by_key(|row| row.first_seen_ns);
        prop_assert_eq!(as_set(stitched(rows)), as_set(flows(&packets)));
    }
}
