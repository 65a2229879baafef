"""Tables for other programs: CSV, JSON, JSON Lines, Parquet. One place for all commands."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

LIST_SEPARATOR = "|"


def write(batches: Iterator[pa.RecordBatch], schema: pa.Schema, file: IO[bytes], format: str) -> None:
    """Write a table batch by batch as `csv`, `jsonl` or `parquet`."""
    {"csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet}[format](batches, schema, file)


def csv_text(table: pa.Table) -> str:
    """Return a whole table as CSV."""
    buffer = io.BytesIO()
    _write_csv(iter(table.to_batches()), table.schema, buffer)
    return buffer.getvalue().decode()


def rows(table: pa.Table | pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows of a table, fit for JSON."""
    columns = {name: _json_column(table[name]) for name in table.schema.names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _json_column(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    values: list[Any] = column.to_pylist()
    return values


def _write_csv(batches: Iterator[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    from pyarrow import csv

    flat = pa.schema([(field.name, _flat_type(field.type)) for field in schema])
    with csv.CSVWriter(file, flat) as writer:
        for batch in batches:
            columns = [_flat(column) for column in batch.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=flat))


def _flat_type(kind: pa.DataType) -> pa.DataType:
    text = pa.types.is_list(kind) or pa.types.is_dictionary(kind) or pa.types.is_timestamp(kind)
    return pa.string() if text else kind


def _flat(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type):
        return pc.binary_join(column.cast(pa.list_(pa.string())), LIST_SEPARATOR)
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    return column.cast(_flat_type(column.type))


def _write_jsonl(batches: Iterator[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    for batch in batches:
        lines = (json.dumps(row) for row in rows(batch))
        file.write("".join(f"{line}\n" for line in lines).encode())


def _write_parquet(batches: Iterator[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    from pyarrow import parquet

    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
