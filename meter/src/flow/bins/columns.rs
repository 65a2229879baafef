//! The bins as columns beside the flow facts.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema};

use super::{BASE_NS, Bins, Counts};
use crate::table::FlowRecord;

const BINS: &str = "bins";
const WIDTH: &str = "bin_ns";
const COUNTS: [&str; 4] = ["packets_ab", "packets_ba", "bytes_ab", "bytes_ba"];

fn fields() -> Fields {
    let counts = COUNTS.iter().map(|name| Field::new(*name, DataType::UInt64, false));
    std::iter::once(Field::new("start_ns", DataType::Int64, false)).chain(counts).collect()
}

fn item() -> Field {
    Field::new_struct("item", fields(), false)
}

/// Builders of the bin columns of a record batch.
pub struct Columns {
    width: Int64Builder,
    lengths: Vec<usize>,
    start: Int64Builder,
    counts: [UInt64Builder; 4],
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            width: Int64Builder::new(),
            lengths: Vec::new(),
            start: Int64Builder::new(),
            counts: std::array::from_fn(|_| UInt64Builder::new()),
        }
    }
}

impl Columns {
    /// Adds the bins of the next row; none if all its packets are in one bin.
    pub fn push(&mut self, bins: &Bins) {
        let width_ns = BASE_NS << bins.level;
        self.width.append_value(width_ns);
        let filled = if bins.filled.len() > 1 { &bins.filled[..] } else { &[] };
        for (number, counts) in filled.iter().rev() {
            self.start.append_value(number.saturating_mul(width_ns));
            let values = [counts.packets_ab, counts.packets_ba, counts.bytes_ab, counts.bytes_ba];
            for (builder, value) in self.counts.iter_mut().zip(values) {
                builder.append_value(value);
            }
        }
        self.lengths.push(filled.len());
    }

    /// Returns `rows` with the columns of all bins since the last call appended.
    ///
    /// # Panics
    /// The number of bins pushed differs from the number of rows.
    pub fn beside(&mut self, rows: &RecordBatch) -> RecordBatch {
        let described = |name: &str, array: &ArrayRef, doc: &str| {
            let metadata =
                [("doc", doc), ("merge", "Bins")].map(|(key, text)| (key.to_owned(), text.to_owned()));
            Field::new(name, array.data_type().clone(), false).with_metadata(HashMap::from(metadata))
        };
        let width: ArrayRef = Arc::new(self.width.finish());
        let start: ArrayRef = Arc::new(self.start.finish());
        let counts = self.counts.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef);
        let values = StructArray::new(fields(), std::iter::once(start).chain(counts).collect(), None);
        let ends = OffsetBuffer::from_lengths(self.lengths.drain(..));
        let bins: ArrayRef = Arc::new(ListArray::new(Arc::new(item()), ends, Arc::new(values), None));
        let added = [
            described(WIDTH, &width, "Width of its time bins, which begin at multiples of it since 1970 UTC"),
            described(
                BINS,
                &bins,
                "Time bins with packets, by time; none: all are in the bin of first_seen_ns",
            ),
        ];
        let schema = rows.schema();
        let fields: Vec<_> = schema.fields().iter().cloned().chain(added.map(Arc::new)).collect();
        let columns = rows.columns().iter().cloned().chain([width, bins]).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("bins were pushed for each row")
    }
}

/// Returns the bins of a record batch's rows.
///
/// # Errors
/// A column is missing or of another type.
pub fn bins_of(batch: &RecordBatch, rows: &[FlowRecord]) -> Result<Vec<Bins>, ArrowError> {
    let wrong = |name: &str| ArrowError::SchemaError(format!("column {name} is missing or of another type"));
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| wrong(name));
    let width = column(WIDTH)?.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong(WIDTH))?;
    let lists = column(BINS)?.as_list_opt::<i32>().ok_or_else(|| wrong(BINS))?;
    if lists.value_type() != DataType::Struct(fields()) {
        return Err(wrong(BINS));
    }
    let of_row = |(place, row): (usize, &FlowRecord)| {
        let level = (width.value(place).max(BASE_NS) / BASE_NS).ilog2();
        let mut found = Bins::new(level);
        let list = lists.value(place);
        if list.is_empty() {
            found.add_at(row.first_seen_ns, &Counts::of(row));
        }
        let bins = list.as_struct();
        let start = bins.column(0).as_primitive::<Int64Type>();
        let count = |place: usize, bin| bins.column(place).as_primitive::<UInt64Type>().value(bin);
        for bin in (0..bins.len()).rev() {
            let counts = Counts {
                packets_ab: count(1, bin),
                packets_ba: count(2, bin),
                bytes_ab: count(3, bin),
                bytes_ba: count(4, bin),
            };
            found.add_at(start.value(bin), &counts);
        }
        found
    };
    Ok(rows.iter().enumerate().map(of_row).collect())
}
