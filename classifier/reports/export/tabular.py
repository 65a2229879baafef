"""Write tables in formats for programs, batch by batch, for all commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from classifier.reports.export import csv_json, zeek
from classifier.reports.export.arrow_text import TIME_FORMAT

#: File name extensions, by format.
FORMATS = {
    "json": (".json",),
    "jsonl": (".jsonl", ".ndjson"),
    "csv": (".csv",),
    "parquet": (".parquet",),
    "arrow": (".arrow", ".feather"),
    "zeek": (".log",),
    "zeek-json": (),
}
#: Minimum rows of Parquet row groups and Arrow batches; much smaller ones are slow to read.
_GROUP_ROWS = 65_536
#: Rows converted to text at a time.
_TEXT_ROWS = 32_768


def write(
    rows: pa.Table | Iterable[pa.RecordBatch],
    schema: pa.Schema,
    file: IO[bytes],
    format: str,
    log: zeek.Log | None = None,
) -> None:
    """Write a table in one of `FORMATS`; `log` is the Zeek log that it becomes."""
    batches = rows.to_batches(max_chunksize=_TEXT_ROWS) if isinstance(rows, pa.Table) else rows
    match format:
        case "csv":
            csv_json.write_csv(batches, schema, file)
        case "json":
            csv_json.write_json(batches, schema, file)
        case "jsonl":
            csv_json.write_jsonl(batches, schema, file)
        case "parquet":
            _write_parquet(batches, schema, file)
        case "arrow":
            _write_arrow(batches, schema, file)
        case "zeek" if log:
            zeek.write_tsv(batches, log, file)
        case "zeek-json" if log:
            zeek.write_json(batches, log, file)
        case _:
            raise ValueError(f"this table can't be written as {format}")


def rows(table: pa.Table | pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows of a table, with values that JSON has."""
    columns = {name: _json_column(table[name]) for name in table.schema.names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _json_column(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = pc.strftime(column, format=TIME_FORMAT)
    values: list[Any] = column.to_pylist()
    return values


def _write_parquet(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    """Write Parquet; descriptions of the columns are in the schema's field metadata, as `doc`."""
    from pyarrow import parquet

    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _grouped(batches, schema):
            writer.write_table(group)


def _write_arrow(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    """Write an Arrow IPC file, with strings for dictionaries, which can't change between its batches."""
    plain = pa.schema([field.with_type(_plain(field.type)) for field in schema])
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(file, plain, options=options) as writer:
        for group in _grouped(batches, schema):
            writer.write_table(group.cast(plain))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _grouped(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Join small batches into row groups of a useful size."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        if count >= _GROUP_ROWS:
            yield pa.Table.from_batches(waiting, schema)
            waiting, count = [], 0
    if count:
        yield pa.Table.from_batches(waiting, schema)
