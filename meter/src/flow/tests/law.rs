//! The law of stitching: a capture metered in pieces gives the same rows as the whole.

use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::prelude::*;

use super::packets::{IDLE, Sent, as_set, flows, metered};
use super::stories::{LAWFUL, captures, monotone, running_back};
use crate::flow::{join, stitch};
use crate::table::FlowRecord;

/// Returns a capture cut rarely, often, or wherever it is allowed.
fn pieces(
    captures: impl Strategy<Value = Vec<Sent>>,
    allowed: fn(&Sent, &Sent) -> bool,
) -> impl Strategy<Value = Vec<Vec<Sent>>> {
    let cuts = prop_oneof![Just(0.05), Just(0.3), Just(1.0)].prop_flat_map(|often| vec(weighted(often), 100));
    (captures, cuts).prop_map(move |(packets, cuts)| {
        let mut cuts = cuts.into_iter().cycle();
        let together = |one: &Sent, next: &Sent| !(cuts.next() == Some(true) && allowed(one, next));
        packets.chunk_by(together).map(<[Sent]>::to_vec).collect()
    })
}

/// Allows any cut.
fn anywhere(_: &Sent, _: &Sent) -> bool {
    true
}

fn stitched(rows: impl Iterator<Item = FlowRecord>) -> Vec<FlowRecord> {
    as_set(stitch(rows, &IDLE, true).0)
}

fn whole(pieces: &[Vec<Sent>]) -> Vec<FlowRecord> {
    as_set(flows(&pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn pieces_in_the_order_of_the_capture_give_the_whole(
        pieces in pieces(captures(LAWFUL, running_back()), anywhere),
    ) {
        let rows = pieces.iter().flat_map(|piece| metered(piece));
        prop_assert_eq!(stitched(rows), whole(&pieces));
    }

    /// A cluster stitches in stages.
    #[test]
    fn pieces_may_be_stitched_before_they_are_stitched_together(
        pieces in pieces(captures(LAWFUL, running_back()), anywhere),
    ) {
        let rows = pieces.iter().flat_map(|piece| join(metered(piece), &IDLE).0);
        prop_assert_eq!(stitched(rows), whole(&pieces));
    }

    #[test]
    fn where_time_never_runs_back_pieces_may_come_in_any_order(
        (pieces, shuffled) in pieces(captures(LAWFUL, monotone()), |one, next| one.time_ns != next.time_ns)
            .prop_flat_map(|pieces| (Just(pieces.clone()), Just(pieces).prop_shuffle())),
    ) {
        let mut rows: Vec<FlowRecord> = shuffled.iter().flat_map(|piece| metered(piece)).collect();
        rows.sort_by_key(|row| row.first_seen_ns);
        prop_assert_eq!(stitched(rows.into_iter()), whole(&pieces));
    }
}
