"""Arrow columns as text, a column at a time, for formats with one row per line."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

LIST_SEPARATOR = "|"
#: RFC 3339, with as many decimals of the second as the column has.
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
#: Characters that could control a terminal or reorder text: control, line separators, bidirectional.
STEERING = r"\p{Cc}\x{061C}\x{200E}\x{200F}\x{2028}-\x{202E}\x{2066}-\x{2069}"
#: Characters that JSON must escape, and those above.
_ESCAPED_IN_JSON = rf'["\\{STEERING}]'


def joined(cells: Sequence[pa.Array], separator: str, end: str) -> bytes:
    """Join columns of n texts into n lines."""
    rows = pc.binary_join_element_wise(*cells, separator)
    text = pc.binary_join_element_wise(rows, "", end)
    _, offsets, data = text.buffers()
    if not len(text):
        return b""
    # The texts of an Arrow array are contiguous.
    ends = memoryview(offsets).cast("i")
    first, last = ends[text.offset], ends[text.offset + len(text)]
    return bytes(memoryview(data)[first:last])


def text(column: pa.Array) -> pa.Array:
    """Return a column as strings; nulls stay nulls, lists are joined by `|`."""
    if pa.types.is_list(column.type):
        return pc.binary_join(column.cast(pa.list_(pa.string())), LIST_SEPARATOR)
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, format=TIME_FORMAT)
    return column.cast(pa.string())


def json_text(column: pa.Array) -> pa.Array:
    """Return a column as JSON values; a null becomes `null`."""
    kind = column.type
    if pa.types.is_list(kind):
        items = pa.ListArray.from_arrays(_offsets(column), json_text(column.flatten()))
        array = pc.binary_join_element_wise("[", pc.binary_join(items, ","), "]", "")
        return pc.if_else(column.is_null(), "null", array)
    values = text(column)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return values.fill_null("null")
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_finite(column), values, "null").fill_null("null")
    return _quoted(values).fill_null("null")


def _quoted(values: pa.Array) -> pa.Array:
    """Return strings as JSON strings; escape only those that need it, which are few."""
    plain = pc.binary_join_element_wise('"', values, '"', "")
    odd = pc.match_substring_regex(values, _ESCAPED_IN_JSON).fill_null(False)
    if not pc.any(odd).as_py():
        return plain
    escaped = pa.array([json.dumps(value) for value in values.filter(odd).to_pylist()], pa.string())
    return pc.replace_with_mask(plain, odd, escaped)


def _offsets(column: pa.ListArray) -> pa.Array:
    """Return offsets into `column.flatten()`, where slices and nulls take no space."""
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    ends = pc.cumulative_sum(lengths)
    return pa.concat_arrays([pa.array([0], ends.type), ends])
