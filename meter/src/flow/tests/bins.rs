//! Packets and bytes over time: bounded, exact, and the same however a capture was cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use proptest::collection::vec;
use proptest::prelude::*;

use super::packets::{Sent, options, udp};
use crate::flow::bins::{BASE_NS, Bins, Columns, MAX_BINS, bins_of, joined};
use crate::flow::{Idle, Meter, stitch};
use crate::table::{FlowRecord, FlowRecords, rows_of};

/// No flow ever ends by idling.
const NEVER: Idle = Idle { tcp_ns: u64::MAX, udp_ns: u64::MAX };

/// Returns the batch of packets, metered but not stitched.
fn metered(packets: &[Sent], idle: Idle) -> RecordBatch {
    let mut meter = Meter::new(options(idle), Arc::default());
    for packet in packets {
        packet.pass_to(&mut meter);
    }
    assert!(meter.finish(usize::MAX));
    meter.take()
}

/// Returns the width of a row's bins, and the start, packets and bytes of each.
fn bins_at(batch: &RecordBatch, row: usize) -> (i64, Vec<(i64, [u64; 4])>) {
    let width = batch.column_by_name("bin_ns").unwrap().as_primitive::<Int64Type>();
    let list = batch.column_by_name("bins").unwrap().as_list::<i32>().value(row);
    let bins = list.as_struct();
    let count = |place: usize, bin| bins.column(place).as_primitive::<UInt64Type>().value(bin);
    let start = bins.column(0).as_primitive::<Int64Type>();
    let bin_at = |bin| (start.value(bin), [1, 2, 3, 4].map(|place| count(place, bin)));
    (width.value(row), (0..bins.len()).map(bin_at).collect())
}

#[test]
fn a_single_bin_is_described_by_the_row() {
    let batch = metered(&[udp(1, "a>b"), udp(BASE_NS - 1, "b>a")], NEVER);
    assert_eq!(bins_at(&batch, 0), (BASE_NS, vec![]));
}

#[test]
fn bins_are_aligned_to_the_epoch() {
    let batch = metered(&[udp(BASE_NS - 1, "a>b"), udp(BASE_NS, "b>a"), udp(5 * BASE_NS + 7, "a>b")], NEVER);
    let expected = vec![(0, [1, 0, 35, 0]), (BASE_NS, [0, 1, 0, 35]), (5 * BASE_NS, [1, 0, 35, 0])];
    assert_eq!(bins_at(&batch, 0), (BASE_NS, expected));
}

#[test]
fn bins_before_the_epoch_are_too() {
    let batch = metered(&[udp(-1, "a>b"), udp(0, "a>b")], NEVER);
    assert_eq!(bins_at(&batch, 0), (BASE_NS, vec![(-BASE_NS, [1, 0, 35, 0]), (0, [1, 0, 35, 0])]));
}

#[test]
fn the_width_doubles_when_there_are_too_many() {
    let packets: Vec<Sent> = (0..=MAX_BINS).map(|number| udp(number * BASE_NS, "a>b")).collect();
    let (width_ns, bins) = bins_at(&metered(&packets[..packets.len() - 1], NEVER), 0);
    assert_eq!((width_ns, bins.len()), (BASE_NS, 128));
    let (width_ns, bins) = bins_at(&metered(&packets, NEVER), 0);
    assert_eq!((width_ns, bins.len()), (2 * BASE_NS, 65));
    assert!(bins[..64].iter().all(|(_, counts)| counts[0] == 2));
}

#[test]
fn times_as_far_apart_as_can_be_have_bins() {
    let batch = metered(&[udp(i64::MIN, "a>b"), udp(i64::MAX, "a>b"), udp(0, "a>b")], NEVER);
    let (width_ns, bins) = bins_at(&batch, 0);
    assert!(width_ns > 0 && bins.len() == 3, "{width_ns} {bins:?}");
}

#[test]
fn a_new_flow_in_the_place_of_an_old_one_has_bins_of_its_own() {
    let idle = Idle { tcp_ns: 0, udp_ns: 10 * BASE_NS as u64 };
    let times = [0, BASE_NS, 2 * BASE_NS, 40 * BASE_NS, 41 * BASE_NS];
    let batch = metered(&times.map(|time_ns| udp(time_ns, "a>b")), idle);
    let starts = |row: usize| bins_at(&batch, row).1.iter().map(|bin| bin.0 / BASE_NS).collect::<Vec<_>>();
    assert_eq!((starts(0), starts(1)), (vec![0, 1, 2], vec![40, 41]));
}

#[test]
fn a_table_of_another_kind_is_refused() {
    let batch = metered(&[udp(0, "a>b")], NEVER);
    let rows = rows_of(&batch).unwrap();
    for name in ["bin_ns", "bins"] {
        let mut without = batch.clone();
        without.remove_column(batch.schema().index_of(name).unwrap());
        assert!(bins_of(&without, &rows).unwrap_err().to_string().contains(name));
    }
}

/// Generates times of packets of one flow over any span, near together or far apart.
fn times() -> impl Strategy<Value = Vec<i64>> {
    prop_oneof![Just(BASE_NS), Just(200 * BASE_NS), Just(1_000_000 * BASE_NS), Just(1 << 60)]
        .prop_flat_map(|most_ns| vec(-most_ns..most_ns, 1..60))
}

fn packets(times: &[i64]) -> Vec<Sent> {
    let ends = |place: usize| if place % 3 == 0 { "b>a" } else { "a>b" };
    times.iter().enumerate().map(|(place, &time_ns)| udp(time_ns, ends(place))).collect()
}

/// Returns rows and bins after stitching.
fn stitched(pieces: &[Vec<Sent>]) -> RecordBatch {
    let batches: Vec<RecordBatch> = pieces.iter().map(|piece| metered(piece, NEVER)).collect();
    let rows: Vec<FlowRecord> = batches.iter().flat_map(|batch| rows_of(batch).unwrap()).collect();
    let bins: Vec<Bins> =
        batches.iter().flat_map(|batch| bins_of(batch, &rows_of(batch).unwrap()).unwrap()).collect();
    let (whole, groups) = stitch(rows, &NEVER, true);
    let (mut table, mut columns) = (FlowRecords::default(), Columns::default());
    for (row, bins) in whole.iter().zip(&joined(bins, &groups, whole.len())) {
        table.push(row);
        columns.push(bins);
    }
    columns.beside(&table.take())
}

/// Returns the bins of the first row, widened to that width.
fn widened(batch: &RecordBatch, width_ns: i64) -> Vec<(i64, [u64; 4])> {
    let row = rows_of(batch).unwrap()[0];
    let single = (row.first_seen_ns, [row.packets_ab, row.packets_ba, row.bytes_ab, row.bytes_ba]);
    let bins = bins_at(batch, 0).1;
    let mut wide = BTreeMap::<i64, [u64; 4]>::new();
    for (start_ns, counts) in if bins.is_empty() { vec![single] } else { bins } {
        let sums = wide.entry(start_ns.div_euclid(width_ns) * width_ns).or_default();
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    wide.into_iter().collect()
}

proptest! {
    #[test]
    fn nothing_is_lost_and_little_is_kept(times in times()) {
        let batch = metered(&packets(&times), NEVER);
        let row = rows_of(&batch).unwrap()[0];
        let (width_ns, bins) = bins_at(&batch, 0);
        prop_assert!(bins.len() <= 128);
        prop_assert!(bins.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for &(start_ns, counts) in &bins {
            let inside = |time: &&i64| (0..width_ns.into()).contains(&(i128::from(**time) - i128::from(start_ns)));
            prop_assert_eq!(times.iter().filter(inside).count() as u64, counts[0] + counts[1]);
        }
        if !bins.is_empty() {
            let sum = |place: usize| bins.iter().map(|bin| bin.1[place]).sum::<u64>();
            let counts = [row.packets_ab, row.packets_ba, row.bytes_ab, row.bytes_ba];
            prop_assert_eq!([0, 1, 2, 3].map(sum), counts);
        }
    }

    /// The law of stitching, for bins.
    #[test]
    fn pieces_give_the_bins_of_the_whole(times in times(), often in 1..20_usize) {
        let packets = packets(&times);
        let pieces: Vec<Vec<Sent>> = packets.chunks(often).map(<[Sent]>::to_vec).collect();
        let (whole, parts) = (metered(&packets, NEVER), stitched(&pieces));
        let (width_ns, bins) = bins_at(&whole, 0);
        prop_assert!(bins_at(&parts, 0).0 <= width_ns);
        prop_assert_eq!(widened(&parts, width_ns), if bins.is_empty() { widened(&whole, width_ns) } else { bins });
        prop_assert_eq!(parts.num_rows(), whole.num_rows());
    }
}
