//! Rows to Arrow and back.

use std::sync::Arc;

use arrow_array::{Array, Int64Array, RecordBatch};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::flow::{Events, Key, Numbers};
use crate::table::{FlowRecord, FlowRecords, keys_of, rows_of, schema};

fn batch(rows: &[FlowRecord]) -> RecordBatch {
    let mut builders = FlowRecords::default();
    for row in rows {
        builders.push(row);
    }
    assert_eq!((builders.len(), builders.is_empty()), (rows.len(), rows.is_empty()));
    let batch = builders.take();
    assert!(builders.is_empty());
    batch
}

fn any_key() -> impl Strategy<Value = Key> {
    any::<([[u8; 16]; 2], [u16; 2], u8, u8)>().prop_map(|(addresses, ports, proto, ip_version)| {
        let ([addr_a, addr_b], [port_a, port_b]) = (addresses, ports);
        Key { addr_a, addr_b, port_a, port_b, proto, ip_version }
    })
}

fn any_row() -> impl Strategy<Value = FlowRecord> {
    let events =
        (any::<u64>(), vec(any::<i64>(), 0..=12)).prop_map(|(order, times_ns)| Events::new(order, &times_ns));
    let columns = any::<[[Option<u32>; 5]; 2]>();
    let numbers =
        (columns, any::<[Option<u16>; 2]>(), any::<[bool; 2]>()).prop_map(|(columns, windows, late)| {
            let columns = [0, 1].map(|end| {
                let [first, next, isn, reset, ack] = columns[end];
                [first, next, isn, reset, ack, windows[end].map(u32::from)]
            });
            Numbers::new(columns, late)
        });
    let times_ns = any::<[i64; 2]>();
    (
        any_key(),
        times_ns,
        any::<([u64; 6], u32)>(),
        numbers,
        any::<Option<u16>>(),
        any::<[bool; 5]>(),
        (events, any::<Option<bool>>()),
    )
        .prop_map(
            |(key, times_ns, (counts, duplicates), numbers, vlan, flags, (events, last_data_from_b))| {
                FlowRecord {
                    last_seen_ns: times_ns[1],
                    packets_ab: counts[0],
                    packets_ba: counts[1],
                    bytes_ab: counts[2],
                    bytes_ba: counts[3],
                    payload_bytes_ab: counts[4],
                    payload_bytes_ba: counts[5],
                    duplicates,
                    numbers,
                    last_data_from_b,
                    vlan,
                    first_from_b: flags[0],
                    ack_moved_a: flags[1],
                    ack_moved_b: flags[2],
                    past_opening: flags[3],
                    evicted: flags[4],
                    events,
                    ..FlowRecord::new(key, 0, times_ns[0])
                }
            },
        )
}

proptest! {
    #[test]
    fn rows_come_back_from_arrow(rows in vec(any_row(), 0..20), from in any::<prop::sample::Index>()) {
        let batch = batch(&rows);
        prop_assert_eq!(&rows_of(&batch).unwrap(), &rows);
        let keys: Vec<Key> = rows.iter().map(|row| row.key).collect();
        prop_assert_eq!(keys_of(&batch).unwrap(), keys);
        let from = from.index(rows.len() + 1);
        let slice = batch.slice(from, rows.len() - from);
        prop_assert_eq!(&rows_of(&slice).unwrap()[..], &rows[from..]);
    }
}

#[test]
fn every_column_has_a_meaning_and_a_merge() {
    const MERGES: [&str; 15] = [
        "Key",
        "Min",
        "Max",
        "Sum",
        "Or",
        "First",
        "Last",
        "FirstByTime",
        "Events",
        "Isn",
        "OrDiffers",
        "Slots",
        "Numbers",
        "OfReset",
        "Found",
    ];
    for field in schema().fields() {
        let metadata = field.metadata();
        assert!(metadata.get("doc").is_some_and(|doc| !doc.is_empty()), "{}", field.name());
        assert!(
            metadata.get("merge").is_some_and(|merge| MERGES.contains(&merge.as_str())),
            "{}",
            field.name()
        );
    }
}

#[test]
fn columns_are_found_by_name() {
    let whole = batch(&[]);
    let last_first: Vec<usize> = (0..whole.num_columns()).rev().collect();
    assert_eq!(rows_of(&whole.project(&last_first).unwrap()).unwrap(), []);
}

#[test]
fn a_table_of_another_kind_is_refused() {
    let whole = batch(&[]);
    let lacking: Vec<usize> = (1..whole.num_columns()).collect();
    let error = rows_of(&whole.project(&lacking).unwrap()).unwrap_err().to_string();
    assert!(error.contains("proto"), "{error}");
    assert!(keys_of(&whole.project(&lacking).unwrap()).is_err());
    let numbers: Arc<dyn Array> = Arc::new(Int64Array::from(Vec::<i64>::new()));
    let other =
        RecordBatch::try_from_iter(schema().fields().iter().map(|field| (field.name(), numbers.clone())));
    let error = rows_of(&other.unwrap()).unwrap_err().to_string();
    assert!(error.contains("UInt8"), "{error}");
}
