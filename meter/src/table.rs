//! The flow facts: every column, its meaning, and how it merges.
//!
//! The schema is declared here and nowhere else. [`FlowRecord`] is a flow while it is metered, and one row of the
//! Arrow table when it has ended.

mod column;

use std::sync::{Arc, LazyLock};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, FieldRef, Schema, SchemaRef};

pub(crate) use self::column::Column;
use crate::flow::{Event, Events, Key, Numbers};
use crate::payload::Hits;
use crate::wire::Path;

/// How a column of a later piece merges with that of an earlier piece of the same flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Part of the key: the same in both.
    Key,
    /// Minimum.
    Min,
    /// Maximum.
    Max,
    /// Sum.
    Sum,
    /// Logical or.
    Or,
    /// The earlier piece's value, unless it is null.
    First,
    /// The later piece's value, unless it is null.
    Last,
    /// The value of the piece that begins earlier.
    FirstByTime,
    /// The earliest occurrence of each kind of event, in time order.
    Events,
    /// The endpoint's own number before one acknowledged by the peer, else the earlier piece's.
    Isn,
    /// Logical or; also true where the first acknowledgement numbers differ.
    OrDiffers,
    /// The earlier piece's packets, then the later's, until all slots are full.
    Slots,
    /// The first of the earlier piece that has one, the furthest of both; a RST's only where there is no other.
    Numbers,
    /// The value of the earlier RST.
    OfReset,
    /// Recomputed whenever rows are stitched.
    Found,
}

macro_rules! columns {
    ($( $(#[doc = $doc:literal])+ $name:ident: $type:ty, $merge:ident; )+) => {
        /// A flow: observed facts, without a verdict.
        ///
        /// Fields are laid out as declared, so that a packet of a known flow touches only the first cache lines.
        #[repr(C, align(64))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct FlowRecord { $( $(#[doc = $doc])+ pub $name: $type, )+ }

        static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
            let mut fields = Vec::new();
            $( <$type>::fields(stringify!($name), concat!($($doc),+).trim(), Merge::$merge, &mut fields); )+
            Arc::new(Schema::new(fields))
        });

        /// Builders of a record batch of rows.
        #[derive(Default)]
        pub struct FlowRecords { $( $name: <$type as Column>::Builder, )+ waiting: usize }

        impl FlowRecords {
            /// Adds a row.
            pub fn push(&mut self, row: &FlowRecord) {
                $( row.$name.append(&mut self.$name); )+
                self.waiting += 1;
            }

            /// Returns the record batch of all rows since the last call.
            pub fn take(&mut self) -> RecordBatch {
                let mut arrays = Vec::with_capacity(SCHEMA.fields().len());
                $( <$type>::finish(&mut self.$name, &mut arrays); )+
                self.waiting = 0;
                RecordBatch::try_new(schema(), arrays).expect("the builders are made from the schema")
            }
        }

        /// Returns the rows of a record batch.
        ///
        /// # Errors
        /// A column is missing or of another type.
        pub fn rows_of(batch: &RecordBatch) -> Result<Vec<FlowRecord>, ArrowError> {
            let arrays = columns_of(batch, schema().fields())?;
            let mut at = 0;
            $( let $name = { let from = at; at += <$type>::WIDTH; &arrays[from..at] }; )+
            Ok((0..batch.num_rows()).map(|row| FlowRecord { $( $name: <$type>::read($name, row), )+ }).collect())
        }

        impl FlowRecord {
            /// Merges a later piece of the same flow.
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
    (@Numbers $name:ident, $before:ident, $later:ident) => { Numbers::merged(&$before, $later) };
    (@Found $name:ident, $before:ident, $later:ident) => { $before.$name };
    (@OrDiffers $name:ident, $before:ident, $later:ident) => {{
        let first = |row: &FlowRecord| row.numbers.first_ack(usize::from(stringify!($name).ends_with('b')));
        $before.$name | $later.$name
            | first(&$before).zip(first($later)).is_some_and(|(one, other)| one != other)
    }};
}

columns! {
    /// Flow key: transport, addresses and ports
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
    /// VXLAN, Geneve or NVGRE network id of the first packet; 0 if none
    network_id: u32, FirstByTime;
    /// Some packets are duplicates of packets in another VLAN or virtual network
    copied_across: bool, Or;
    /// Rows of several VLANs or virtual networks were joined
    across: bool, Or;
    /// Number among the rows of the same key that begin at one time
    ordinal: u16, Found;
    /// Encapsulation of the packets, outermost first
    tunnel: Path, First;
    /// Duplicate packets, as from a mirror port
    duplicates: u32, Sum;
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
    /// Bytes after the transport header from a to b
    payload_bytes_ab: u64, Sum;
    /// Bytes after the transport header from b to a
    payload_bytes_ba: u64, Sum;
    /// Sequence and acknowledgement numbers of both endpoints
    numbers: Numbers, Numbers;
    /// Signatures in a's first packets with payload
    hits_a: Hits, Slots;
    /// Signatures in b's first packets with payload
    hits_b: Hits, Slots;
    /// First occurrences of each kind of event at both endpoints
    events: Events, Events;
}

impl FlowRecord {
    /// Creates a flow without packets.
    #[must_use]
    pub fn new(key: Key, network_id: u32, time_ns: i64) -> Self {
        Self {
            key,
            first_from_b: false,
            ack_moved_a: false,
            ack_moved_b: false,
            past_opening: false,
            evicted: false,
            last_data_from_b: None,
            vlan: None,
            network_id,
            copied_across: false,
            across: false,
            ordinal: 0,
            tunnel: Path::default(),
            duplicates: 0,
            first_seen_ns: time_ns,
            last_seen_ns: time_ns,
            packets_ab: 0,
            packets_ba: 0,
            bytes_ab: 0,
            bytes_ba: 0,
            payload_bytes_ab: 0,
            payload_bytes_ba: 0,
            numbers: Numbers::default(),
            hits_a: Hits::default(),
            hits_b: Hits::default(),
            events: Events::default(),
        }
    }

    /// Returns the VLAN, 0 for none, and the virtual network of its packets.
    #[inline]
    #[must_use]
    pub fn lane(&self) -> (u16, u32) {
        (self.vlan.unwrap_or(0), self.network_id)
    }

    /// Returns whether it consists of RSTs only.
    #[must_use]
    pub fn is_reset_alone(&self) -> bool {
        self.events.are_all(Event::Rst)
    }

    /// Returns whether it has a SYN or SYN+ACK.
    #[must_use]
    pub fn opens(&self) -> bool {
        self.sent_isn(true) || self.sent_isn(false)
    }

    /// Returns whether an endpoint sent its initial sequence number itself.
    #[must_use]
    pub fn sent_isn(&self, from_a: bool) -> bool {
        self.events.seen(Event::Syn, from_a) || self.events.seen(Event::SynAck, from_a)
    }
}

impl FlowRecords {
    /// Returns the number of rows since the last batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Returns whether no row was added since the last batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

/// Returns the Arrow schema of the flow facts. Each field's metadata has `doc` and `merge`.
#[must_use]
pub fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// Returns the keys of a record batch's rows.
///
/// # Errors
/// A column of the key is missing or of another type.
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
