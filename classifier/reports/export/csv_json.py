"""CSV by RFC 4180, JSON and JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from classifier.reports.export import arrow_text

_QUOTED = '[",]'
_STEERING = f"[{arrow_text.STEERING}]"
#: A spreadsheet takes such a cell for a formula, and runs it: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = "^[=+\\-@＝＋－＠]"


def write_csv(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    """Write lines that end in CRLF, the first with the names of the columns.

    Text may come from packets, or from names of files: what a spreadsheet would take for a formula has a '
    put in front, and what could steer a terminal becomes U+FFFD.
    """
    file.write(",".join(schema.names).encode() + b"\r\n")
    for batch in batches:
        file.write(arrow_text.joined([_csv_cells(column) for column in batch.columns], ",", "\r\n"))


def _csv_cells(column: pa.Array) -> pa.Array:
    kind = column.type
    cells = arrow_text.text(column).fill_null("")
    if pa.types.is_list(kind) or pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        if pc.any(pc.match_substring_regex(cells, _STEERING)).as_py():
            cells = pc.replace_substring_regex(cells, _STEERING, "\N{REPLACEMENT CHARACTER}")
        formula = pc.match_substring_regex(cells, _FORMULA)
        if pc.any(formula).as_py():
            cells = pc.if_else(formula, pc.binary_join_element_wise("'", cells, ""), cells)
        special = pc.match_substring_regex(cells, _QUOTED)
        if pc.any(special).as_py():
            doubled = pc.replace_substring(cells, '"', '""')
            cells = pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), cells)
    return cells


def write_jsonl(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    """Write an object a line."""
    for batch in batches:
        file.write(arrow_text.joined([_objects(batch)], "", "\n"))


def write_json(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    """Write one array of objects, an object a line."""
    before = b"[\n"
    for batch in batches:
        if batch.num_rows:
            file.write(before + arrow_text.joined([_objects(batch)], "", ",\n")[:-2])
            before = b",\n"
    file.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _objects(batch: pa.RecordBatch) -> pa.Array:
    cells: list[pa.Array] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        key = f"{', ' if cells else ''}{json.dumps(name)}: "
        cells.append(pc.binary_join_element_wise(key, arrow_text.json_text(column), ""))
    return pc.binary_join_element_wise("{", *cells, "}", "")
