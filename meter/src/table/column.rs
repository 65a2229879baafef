//! Column types of the table: conversion to Arrow columns and back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, FixedSizeBinaryBuilder, Int64Builder, ListBuilder, StringBuilder, UInt8Builder,
    UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};

use super::Merge;
use crate::flow::{Events, Key, Numbers};
use crate::payload::Hits;
use crate::wire::Path;

/// A type of the table: one Arrow column, or several that only make sense together.
pub trait Column: Sized {
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
        }
    }
}

impl Column for Key {
    type Builder = KeyBuilder;
    const WIDTH: usize = 6;

    fn fields(_name: &str, _doc: &str, merge: Merge, fields: &mut Vec<Field>) {
        let mut column = |name, data_type, doc| fields.push(field(name, data_type, false, doc, merge));
        column("proto", DataType::UInt8, "IP protocol number of the transport");
        column("ip_version", DataType::UInt8, "4 or 6");
        column("addr_a", DataType::FixedSizeBinary(16), "Address of a; IPv4 as ::ffff:a.b.c.d");
        column("port_a", DataType::UInt16, "Port of a");
        column("addr_b", DataType::FixedSizeBinary(16), "Address of b; IPv4 as ::ffff:a.b.c.d");
        column("port_b", DataType::UInt16, "Port of b");
    }

    fn append(&self, builder: &mut KeyBuilder) {
        builder.proto.append_value(self.proto);
        builder.ip_version.append_value(self.ip_version);
        builder.addr_a.append_value(self.addr_a).expect("addresses have 16 bytes");
        builder.port_a.append_value(self.port_a);
        builder.addr_b.append_value(self.addr_b).expect("addresses have 16 bytes");
        builder.port_b.append_value(self.port_b);
    }

    fn finish(builder: &mut KeyBuilder, arrays: &mut Vec<ArrayRef>) {
        arrays.push(Arc::new(builder.proto.finish()));
        arrays.push(Arc::new(builder.ip_version.finish()));
        arrays.push(Arc::new(builder.addr_a.finish()));
        arrays.push(Arc::new(builder.port_a.finish()));
        arrays.push(Arc::new(builder.addr_b.finish()));
        arrays.push(Arc::new(builder.port_b.finish()));
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
        }
    }
}

/// Builders of the columns of one endpoint's numbers.
#[derive(Default)]
pub struct NumbersBuilder {
    numbers: [UInt32Builder; 5],
    first_window: UInt16Builder,
    reset_late: BooleanBuilder,
}

impl NumbersBuilder {
    const WIDTH: usize = 7;
}

impl Column for Events {
    type Builder = (UInt64Builder, ListBuilder<Int64Builder>);
    const WIDTH: usize = 2;

    fn fields(name: &str, doc: &str, merge: Merge, fields: &mut Vec<Field>) {
        let packed = format!(
            "{doc}, in time order, four bits each from the lowest: 1 SYN, 2 SYN+ACK, 3 pure ACK, 4 data, 5 FIN, 6 RST of a, 7 ICMP reports a as unreachable; plus 8 of b"
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

impl Column for Numbers {
    type Builder = [NumbersBuilder; 2];
    const WIDTH: usize = 2 * NumbersBuilder::WIDTH;

    fn fields(_name: &str, _doc: &str, merge: Merge, fields: &mut Vec<Field>) {
        for (end, peer) in [("a", "b"), ("b", "a")] {
            let mut column = |name: &str, data_type, doc: &str, merge| {
                fields.push(field(&format!("{name}_{end}"), data_type, name != "reset_late", doc, merge));
            };
            let doc = format!("First sequence number of {end} that {end} or its peer shows (TCP)");
            column("first_seq", DataType::UInt32, &doc, merge);
            let doc = format!("Next sequence number expected of {end} (TCP)");
            column("next_seq", DataType::UInt32, &doc, merge);
            let doc = format!(
                "Initial sequence number of {end}, from its SYN or SYN+ACK, else from {peer}'s SYN+ACK"
            );
            column("isn", DataType::UInt32, &doc, Merge::Isn);
            let doc = format!("Sequence number of {end}'s first RST (TCP)");
            column("reset_seq", DataType::UInt32, &doc, Merge::OfReset);
            let doc =
                format!("Acknowledgement number of {end}'s first segment with ACK and neither SYN nor RST");
            column("first_ack", DataType::UInt32, &doc, Merge::First);
            let doc = format!(
                "Window of {end}'s first segment with ACK and neither SYN nor RST, not scaled; 0 if not captured"
            );
            column("first_window", DataType::UInt16, &doc, Merge::First);
            let doc =
                format!("{end}'s first RST came after the next connection between the same ports was opened");
            column("reset_late", DataType::Boolean, &doc, Merge::Found);
        }
    }

    fn append(&self, builder: &mut Self::Builder) {
        for (end, builder) in builder.iter_mut().enumerate() {
            let [numbers @ .., _] = self.columns(end);
            for (column, number) in builder.numbers.iter_mut().zip(numbers) {
                column.append_option(number);
            }
            builder.first_window.append_option(self.first_window(end));
            builder.reset_late.append_value(self.is_reset_late(end));
        }
    }

    fn finish(builder: &mut Self::Builder, arrays: &mut Vec<ArrayRef>) {
        for builder in builder {
            arrays.extend(builder.numbers.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
            arrays.push(Arc::new(builder.first_window.finish()));
            arrays.push(Arc::new(builder.reset_late.finish()));
        }
    }

    fn read(arrays: &[ArrayRef], row: usize) -> Self {
        let of_end = |end: usize| &arrays[NumbersBuilder::WIDTH * end..];
        let columns = [0, 1].map(|end| {
            let window = Option::<u16>::read(&of_end(end)[5..], row).map(u32::from);
            let [first, next, isn, reset, ack] =
                std::array::from_fn(|column| Option::<u32>::read(&of_end(end)[column..], row));
            [first, next, isn, reset, ack, window]
        });
        Self::new(columns, [0, 1].map(|end| bool::read(&of_end(end)[6..], row)))
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

fn field(name: &str, data_type: DataType, nullable: bool, doc: &str, merge: Merge) -> Field {
    Field::new(name, data_type, nullable).with_metadata(HashMap::from([
        ("doc".to_owned(), doc.to_owned()),
        ("merge".to_owned(), format!("{merge:?}")),
    ]))
}
