"""Write CSV (RFC 4180), JSON and JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from classifier.reports.export import arrow_text

_QUOTED = '[",]'
#: Cells that a spreadsheet would run as a formula: https://owasp.org/www-community/attacks/CSV_Injection
_STEERING = f"[{arrow_text.STEERING}]"
_FORMULA = "^[=+\\-@＝＋－＠]"


def write_csv(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    """Write lines ending in CRLF, the first with the column names.

    Text may come from packets or file names: a cell that a spreadsheet would run as a formula gets a leading
    ', and characters that could control a terminal become U+FFFD.
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
    """Write one object per line."""
    for batch in batches:
        file.write(arrow_text.joined([_objects(batch)], "", "\n"))


def write_json(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: IO[bytes]) -> None:
    """Write one array of objects, one per line."""
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
