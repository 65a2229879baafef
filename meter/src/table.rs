//! The flow facts: every column, what it means, and how it merges.
//!
//! This is the one place where the schema stands. [`Row`] is a flow while it is metered, and one row
//! of the Arrow table when it has ended.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::{
    BooleanBuilder, FixedSizeBinaryBuilder, Int64Builder, ListBuilder, StringBuilder, UInt8Builder,
    UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};

use crate::flow::{Event, Events, Key};
use crate::payload::Hits;
use crate::wire::Path;

/// How a column of a later piece joins that of an earlier piece of the same flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Part of the key: the same in both.
    Key,
    /// The smaller.
    Min,
    /// The larger.
    Max,
    /// Both together.
    Sum,
    /// Either.
    Or,
    /// The earlier piece's, unless that has none.
    First,
    /// The later piece's, unless that has none.
    Last,
    /// Of the piece that begins earlier.
    FirstByTime,
    /// Of each kind of event the earliest, in time order.
    Events,
    /// The end's own number before one that the peer acknowledged, else the earlier piece's.
    Isn,
    /// Either, or the first acknowledgement numbers differ.
    OrDiffers,
    /// The earlier piece's packets, then the later's, as many as there are slots.
    Slots,
}

macro_rules! columns {
    ($( $(#[doc = $doc:literal])+ $name:ident: $type:ty, $merge:ident; )+) => {
        /// A flow: what was seen of it, without a verdict.
        ///
        /// Laid out as declared, so that a packet of a known flow touches the first cache lines only.
        #[repr(C, align(64))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Row { $( $(#[doc = $doc])+ pub $name: $type, )+ }

        static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
            let mut fields = Vec::new();
            $( <$type>::fields(stringify!($name), concat!($($doc),+).trim(), Merge::$merge, &mut fields); )+
            Arc::new(Schema::new(fields))
        });

        /// Rows on their way into a record batch.
        #[derive(Default)]
        pub struct Rows { $( $name: <$type as Column>::Builder, )+ waiting: usize }

        impl Rows {
            /// Adds a row.
            pub fn push(&mut self, row: &Row) {
                $( row.$name.append(&mut self.$name); )+
                self.waiting += 1;
            }

            /// The record batch of all rows since the last call.
            pub fn take(&mut self) -> RecordBatch {
                let mut arrays = Vec::with_capacity(SCHEMA.fields().len());
                $( <$type>::finish(&mut self.$name, &mut arrays); )+
                self.waiting = 0;
                RecordBatch::try_new(schema(), arrays).expect("the builders are made from the schema")
            }
        }

        /// The rows of a record batch.
        ///
        /// # Errors
        /// The batch lacks a column, or has one of another type.
        pub fn rows_of(batch: &RecordBatch) -> Result<Vec<Row>, ArrowError> {
            let arrays = columns_of(batch, schema().fields())?;
            let mut at = 0;
            $( let $name = { let from = at; at += <$type>::WIDTH; &arrays[from..at] }; )+
            Ok((0..batch.num_rows()).map(|row| Row { $( $name: <$type>::read($name, row), )+ }).collect())
        }

        impl Row {
            /// Adds what a later piece of the same flow has seen.
            pub fn absorb(&mut self, later: &Self) {
                let before = *self;
                $( self.$name = columns!(@$merge $name, before, later); )+
            }
        }
    };
    (@Key $name:ident, $before:ident, $later:ident) => { $before.$name };
    (@Min $name:ident, $before:ident, $later:ident) => { $before.$name.min($later.$name) };
    (@Max $name:ident, $before:ident, $later:ident) => { $before.$name.max($later.$name) };
    (@Sum $name:ident, $before:ident, $later:ident) => { $before.$name.saturating_add($later.$name) };
    (@Or $name:ident, $before:ident, $later:ident) => { $before.$name | $later.$name };
    (@First $name:ident, $before:ident, $later:ident) => { $before.$name.or($later.$name) };
    (@Last $name:ident, $before:ident, $later:ident) => { $later.$name.or($before.$name) };
    (@FirstByTime $name:ident, $before:ident, $later:ident) => {
        if $later.first_seen_ns < $before.first_seen_ns { $later.$name } else { $before.$name }
    };
    (@Events $name:ident, $before:ident, $later:ident) => {{
        let mut events = $before.$name;
        events.absorb(&$later.$name);
        events
    }};
    (@Slots $name:ident, $before:ident, $later:ident) => {{
        let mut hits = $before.$name;
        hits.absorb($later.$name);
        hits
    }};
    (@Isn $name:ident, $before:ident, $later:ident) => {{
        let from_a = stringify!($name).ends_with('a');
        if $later.sent_isn(from_a) && !$before.sent_isn(from_a) { $later.$name } else { $before.$name.or($later.$name) }
    }};
    (@OrDiffers $name:ident, $before:ident, $later:ident) => {{
        let first = |row: &Row| if stringify!($name).ends_with('a') { row.first_ack_a } else { row.first_ack_b };
        $before.$name | $later.$name
            | first(&$before).zip(first($later)).is_some_and(|(one, other)| one != other)
    }};
}

columns! {
    /// Which packets belong together: transport, addresses and ports
    key: Key, Key;
    /// The earliest packet came from b
    first_from_b: bool, FirstByTime;
    /// Another of a's acknowledgement numbers differs from the first: b sent something in between
    ack_moved_a: bool, OrDiffers;
    /// Another of b's acknowledgement numbers differs from the first: a sent something in between
    ack_moved_b: bool, OrDiffers;
    /// A TCP segment without SYN was seen
    past_opening: bool, Or;
    /// Ended early by a cap on flows
    evicted: bool, Or;
    /// The latest packet with payload, SYN and RST aside, came from b
    last_data_from_b: Option<bool>, Last;
    /// Outermost VLAN id
    vlan: Option<u16>, First;
    /// What its packets were wrapped in, outermost first
    tunnel: Path, First;
    /// Time of the earliest packet, nanoseconds since 1970 UTC
    first_seen_ns: i64, Min;
    /// Time of the latest packet, nanoseconds since 1970 UTC
    last_seen_ns: i64, Max;
    /// Packets from a to b
    packets_ab: u64, Sum;
    /// Packets from b to a
    packets_ba: u64, Sum;
    /// IP bytes on the wire from a to b
    bytes_ab: u64, Sum;
    /// IP bytes on the wire from b to a
    bytes_ba: u64, Sum;
    /// Bytes behind the transport header from a to b
    payload_bytes_ab: u64, Sum;
    /// Bytes behind the transport header from b to a
    payload_bytes_ba: u64, Sum;
    /// Signatures in a's first packets with payload
    hits_a: Hits, Slots;
    /// Signatures in b's first packets with payload
    hits_b: Hits, Slots;
    /// Packets that are copies of another, as a mirror port makes them
    duplicates: u64, Sum;
    /// Acknowledgement number of a's first segment with ACK and neither SYN nor RST
    first_ack_a: Option<u32>, First;
    /// Acknowledgement number of b's first segment with ACK and neither SYN nor RST
    first_ack_b: Option<u32>, First;
    /// Window of a's first segment with ACK and neither SYN nor RST, not scaled; 0 if not captured
    first_window_a: Option<u16>, First;
    /// Window of b's first segment with ACK and neither SYN nor RST, not scaled; 0 if not captured
    first_window_b: Option<u16>, First;
    /// First occurrences of the kinds of event at both ends
    events: Events, Events;
    /// Initial sequence number of a, from its SYN or SYN+ACK, else from b's SYN+ACK
    isn_a: Option<u32>, Isn;
    /// Initial sequence number of b, from its SYN or SYN+ACK, else from a's SYN+ACK
    isn_b: Option<u32>, Isn;
}

impl Row {
    /// A flow without packets yet.
    #[must_use]
    pub fn new(key: Key, time_ns: i64) -> Self {
        Self {
            key,
            first_from_b: false,
            ack_moved_a: false,
            ack_moved_b: false,
            past_opening: false,
            evicted: false,
            last_data_from_b: None,
            vlan: None,
            tunnel: Path::default(),
            first_seen_ns: time_ns,
            last_seen_ns: time_ns,
            packets_ab: 0,
            packets_ba: 0,
            bytes_ab: 0,
            bytes_ba: 0,
            payload_bytes_ab: 0,
            payload_bytes_ba: 0,
            hits_a: Hits::default(),
            hits_b: Hits::default(),
            duplicates: 0,
            first_ack_a: None,
            first_ack_b: None,
            first_window_a: None,
            first_window_b: None,
            events: Events::default(),
            isn_a: None,
            isn_b: None,
        }
    }

    /// Whether an end told its initial sequence number itself.
    #[must_use]
    pub fn sent_isn(&self, from_a: bool) -> bool {
        self.events.seen(Event::Syn, from_a) || self.events.seen(Event::SynAck, from_a)
    }
}

impl Rows {
    /// How many rows are waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether no row is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

/// The Arrow schema of the flow facts. Each field's metadata has `doc` and `merge`.
#[must_use]
pub fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// The keys of a record batch's rows.
///
/// # Errors
/// The batch lacks a column of the key, or has one of another type.
pub fn keys_of(batch: &RecordBatch) -> Result<Vec<Key>, ArrowError> {
    let arrays = columns_of(batch, &schema().fields()[..Key::WIDTH])?; // the key comes first
    Ok((0..batch.num_rows()).map(|row| Key::read(&arrays, row)).collect())
}

fn columns_of(batch: &RecordBatch, fields: &[FieldRef]) -> Result<Vec<ArrayRef>, ArrowError> {
    let column = |field: &FieldRef| match batch.column_by_name(field.name()) {
        Some(array) if array.data_type() == field.data_type() => Ok(Arc::clone(array)),
        _ => {
            Err(ArrowError::SchemaError(format!("no column {} of type {}", field.name(), field.data_type())))
        }
    };
    fields.iter().map(column).collect()
}

fn field(name: &str, data_type: DataType, nullable: bool, doc: &str, merge: Merge) -> Field {
    Field::new(name, data_type, nullable).with_metadata(HashMap::from([
        ("doc".to_owned(), doc.to_owned()),
        ("merge".to_owned(), format!("{merge:?}")),
    ]))
}

/// A type of the table: one Arrow column, or several that only make sense together.
trait Column: Sized {
    type Builder: Default;
    const WIDTH: usize = 1;
    fn fields(name: &str, doc: &str, merge: Merge, fields: &mut Vec<Field>);
    fn append(&self, builder: &mut Self::Builder);
    fn finish(builder: &mut Self::Builder, arrays: &mut Vec<ArrayRef>);
    fn read(arrays: &[ArrayRef], row: usize) -> Self;
}

macro_rules! plain_column {
    ($($type:ty, $builder:ty, $data_type:expr, $read:expr;)+) => { $(
        impl Column for $type {
            type Builder = $builder;
            fn fields(name: &str, doc: &str, merge: Merge, fields: &mut Vec<Field>) {
                fields.push(field(name, $data_type, false, doc, merge));
            }
            fn append(&self, builder: &mut $builder) { builder.append_value(*self); }
            fn finish(builder: &mut $builder, arrays: &mut Vec<ArrayRef>) { arrays.push(Arc::new(builder.finish())); }
            fn read(arrays: &[ArrayRef], row: usize) -> Self { $read(&arrays[0], row) }
        }
        impl Column for Option<$type> {
            type Builder = $builder;
            fn fields(name: &str, doc: &str, merge: Merge, fields: &mut Vec<Field>) {
                fields.push(field(name, $data_type, true, doc, merge));
            }
            fn append(&self, builder: &mut $builder) { builder.append_option(*self); }
            fn finish(builder: &mut $builder, arrays: &mut Vec<ArrayRef>) { arrays.push(Arc::new(builder.finish())); }
            fn read(arrays: &[ArrayRef], row: usize) -> Self { arrays[0].is_valid(row).then(|| $read(&arrays[0], row)) }
        }
    )+ };
}

plain_column! {
    bool, BooleanBuilder, DataType::Boolean, |array: &ArrayRef, row| array.as_boolean().value(row);
    u8, UInt8Builder, DataType::UInt8, |array: &ArrayRef, row| array.as_primitive::<UInt8Type>().value(row);
    u16, UInt16Builder, DataType::UInt16, |array: &ArrayRef, row| array.as_primitive::<UInt16Type>().value(row);
    u32, UInt32Builder, DataType::UInt32, |array: &ArrayRef, row| array.as_primitive::<UInt32Type>().value(row);
    u64, UInt64Builder, DataType::UInt64, |array: &ArrayRef, row| array.as_primitive::<UInt64Type>().value(row);
    i64, Int64Builder, DataType::Int64, |array: &ArrayRef, row| array.as_primitive::<Int64Type>().value(row);
}

/// Builders of the key's columns.
pub struct KeyBuilder {
    proto: UInt8Builder,
    ip_version: UInt8Builder,
    addr_a: FixedSizeBinaryBuilder,
    port_a: UInt16Builder,
    addr_b: FixedSizeBinaryBuilder,
    port_b: UInt16Builder,
    network_id: UInt32Builder,
}

impl Default for KeyBuilder {
    fn default() -> Self {
        Self {
            proto: UInt8Builder::default(),
            ip_version: UInt8Builder::default(),
            addr_a: FixedSizeBinaryBuilder::new(16),
            port_a: UInt16Builder::default(),
            addr_b: FixedSizeBinaryBuilder::new(16),
            port_b: UInt16Builder::default(),
            network_id: UInt32Builder::default(),
        }
    }
}

impl Column for Key {
    type Builder = KeyBuilder;
    const WIDTH: usize = 7;

    fn fields(_name: &str, _doc: &str, merge: Merge, fields: &mut Vec<Field>) {
        let mut column = |name, data_type, doc| fields.push(field(name, data_type, false, doc, merge));
        column("proto", DataType::UInt8, "IP protocol number of the transport");
        column("ip_version", DataType::UInt8, "4 or 6");
        column("addr_a", DataType::FixedSizeBinary(16), "Address of a; IPv4 as ::ffff:a.b.c.d");
        column("port_a", DataType::UInt16, "Port of a");
        column("addr_b", DataType::FixedSizeBinary(16), "Address of b; IPv4 as ::ffff:a.b.c.d");
        column("port_b", DataType::UInt16, "Port of b");
        column("network_id", DataType::UInt32, "VXLAN, Geneve or NVGRE network id; 0 outside of them");
    }

    fn append(&self, builder: &mut KeyBuilder) {
        builder.proto.append_value(self.proto);
        builder.ip_version.append_value(self.ip_version);
        builder.addr_a.append_value(self.addr_a).expect("addresses have 16 bytes");
        builder.port_a.append_value(self.port_a);
        builder.addr_b.append_value(self.addr_b).expect("addresses have 16 bytes");
        builder.port_b.append_value(self.port_b);
        builder.network_id.append_value(self.network_id);
    }

    fn finish(builder: &mut KeyBuilder, arrays: &mut Vec<ArrayRef>) {
        arrays.push(Arc::new(builder.proto.finish()));
        arrays.push(Arc::new(builder.ip_version.finish()));
        arrays.push(Arc::new(builder.addr_a.finish()));
        arrays.push(Arc::new(builder.port_a.finish()));
        arrays.push(Arc::new(builder.addr_b.finish()));
        arrays.push(Arc::new(builder.port_b.finish()));
        arrays.push(Arc::new(builder.network_id.finish()));
    }

    fn read(arrays: &[ArrayRef], row: usize) -> Self {
        let address = |array: &ArrayRef| {
            array.as_fixed_size_binary().value(row).try_into().expect("the column's width is 16")
        };
        Self {
            proto: u8::read(&arrays[0..], row),
            ip_version: u8::read(&arrays[1..], row),
            addr_a: address(&arrays[2]),
            port_a: u16::read(&arrays[3..], row),
            addr_b: address(&arrays[4]),
            port_b: u16::read(&arrays[5..], row),
            network_id: u32::read(&arrays[6..], row),
        }
    }
}

impl Column for Events {
    type Builder = (UInt64Builder, ListBuilder<Int64Builder>);
    const WIDTH: usize = 2;

    fn fields(name: &str, doc: &str, merge: Merge, fields: &mut Vec<Field>) {
        let packed = format!(
            "{doc}, in time order, four bits each from the lowest: 1 SYN, 2 SYN+ACK, 3 pure ACK, 4 data, 5 FIN, 6 RST of a, 7 ICMP says that a can't be reached; plus 8 of b"
        );
        fields.push(field(name, DataType::UInt64, false, &packed, merge));
        let times = DataType::new_list(DataType::Int64, true);
        fields.push(field("event_ns", times, false, "When each of `events` was first seen", merge));
    }

    fn append(&self, (order, times): &mut Self::Builder) {
        order.append_value(self.order());
        times.values().append_slice(self.times_ns());
        times.append(true);
    }

    fn finish((order, times): &mut Self::Builder, arrays: &mut Vec<ArrayRef>) {
        arrays.push(Arc::new(order.finish()));
        arrays.push(Arc::new(times.finish()));
    }

    fn read(arrays: &[ArrayRef], row: usize) -> Self {
        let times = arrays[1].as_list::<i32>().value(row);
        Self::new(u64::read(arrays, row), times.as_primitive::<Int64Type>().values())
    }
}

impl Column for Hits {
    type Builder = UInt64Builder;

    fn fields(name: &str, doc: &str, merge: Merge, fields: &mut Vec<Field>) {
        let packed = format!(
            "{doc}, 16 bits each, the first in the lowest: 0 no packet, 1 no signature, else its number plus 2, with 0x1000 opened, 0x2000 answered"
        );
        fields.push(field(name, DataType::UInt64, false, &packed, merge));
    }

    fn append(&self, builder: &mut UInt64Builder) {
        builder.append_value(self.0);
    }

    fn finish(builder: &mut UInt64Builder, arrays: &mut Vec<ArrayRef>) {
        arrays.push(Arc::new(builder.finish()));
    }

    fn read(arrays: &[ArrayRef], row: usize) -> Self {
        Self(u64::read(arrays, row))
    }
}

impl Column for Path {
    type Builder = StringBuilder;

    fn fields(name: &str, doc: &str, merge: Merge, fields: &mut Vec<Field>) {
        fields.push(field(name, DataType::Utf8, true, doc, merge));
    }

    fn append(&self, builder: &mut StringBuilder) {
        builder.append_option((!self.is_empty()).then(|| self.to_string()));
    }

    fn finish(builder: &mut StringBuilder, arrays: &mut Vec<ArrayRef>) {
        arrays.push(Arc::new(builder.finish()));
    }

    fn read(arrays: &[ArrayRef], row: usize) -> Self {
        let texts = arrays[0].as_string::<i32>();
        if texts.is_null(row) { Self::default() } else { Self::parse(texts.value(row)).unwrap_or_default() }
    }
}
