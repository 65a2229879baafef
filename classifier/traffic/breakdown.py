"""The traffic by one of many things, from services to categories: every flow is in exactly one row."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows import addresses
from classifier.flows.spool import MEMORY_BYTES
from classifier.flows.table import COUNT, PORT, PROTOCOLS, VLAN
from classifier.traffic.adding import SUMS, adder, measured, numbers, total
from classifier.traffic.sums import Sums, ranked, with_row
from classifier.traffic.totals import public_sums

_TIME = pa.timestamp("ns", tz="UTC")
#: What flows can be grouped by: the facts, and the public columns made from them.
BY: dict[str, tuple[list[str], list[str]]] = {
    "service": (["service", "proto"], ["service", "proto"]),
    "server": (
        ["ip_version", "server_addr", "server_port", "proto"],
        ["server_ip", "server_port", "proto"],
    ),
    "client": (["ip_version", "client_addr"], ["client_ip"]),
    "port": (["server_port", "proto"], ["server_port", "proto"]),
    "vlan": (["vlan"], ["vlan"]),
    "capture": (["capture"], ["capture"]),
    "category": (["category"], ["category"]),
}


def breakdown(
    batches: Iterable[pa.RecordBatch],
    by: str,
    captures: list[str],
    top: int | None = None,
    memory_bytes: int = MEMORY_BYTES,
) -> pa.Table:
    """Sum up judged flows by one of `BY`, most bytes first; every flow is in one row.

    Columns: those of the group, `bytes`, `share` of all such bytes, `flows` and the others of
    the services. Flows whose server is not known count for the likelier one. With `top` rows past so
    many are summed up in one, `other`; past `memory_bytes` sums go to a temporary file.
    """
    keys, names = BY[by]
    sums = Sums(adder(keys), [key for key in keys if key.endswith("_addr")], memory_bytes)
    for judged in batches:
        flows = measured(judged)
        for name in set(keys) - set(flows.column_names):  # the service is made from two columns
            flows = flows.append_column(name, _plain(judged[name]))
        sums.add(flows)
    order = [("bytes", "descending"), ("attempt_bytes", "descending"), *((key, "ascending") for key in keys)]
    found = ranked(sums.parts(), order, top, total)
    if not found:
        return _schema(by).empty_table()
    table, rest = found
    columns = {name: _readable(table, name, captures) for name in names}
    columns = {"group": _label(columns)} | columns | public_sums(table)
    moved = sum(float(numbers(some, "bytes").sum()) for some in found)
    columns["share"] = pa.array(numbers(table, "bytes") / max(moved, 1))
    schema = _schema(by)
    public = pa.table([columns[name] for name in schema.names], schema=schema)
    if not rest.num_rows:
        return public
    others = public_sums(rest) | {"share": pa.array(numbers(rest, "bytes") / max(moved, 1))}
    return with_row(public, "group", "other", {name: others[name] for name in schema.names if name in others})


def _schema(by: str) -> pa.Schema:
    kinds = {"server_port": PORT, "vlan": VLAN}
    return pa.schema(
        [
            pa.field("group", pa.string(), False, {"doc": "the columns that follow, in one text"}),
            *(pa.field(name, kinds.get(name, pa.string())) for name in BY[by][1]),
            pa.field("bytes", COUNT, False, {"doc": "IP bytes both ways"}),
            pa.field("share", pa.float64(), False, {"doc": "of the bytes of all rows"}),
            *(pa.field(name, COUNT, False) for name in SUMS),
            *(pa.field(name, _TIME, False) for name in ("first_seen", "last_seen")),
        ]
    )


def _label(columns: dict[str, pa.Array]) -> pa.Array:
    """Name groups in one text: `https/tcp`, `10.0.0.1:443/tcp`."""
    parts: list[pa.Array | str] = []
    for name, column in columns.items():
        text = column.cast(pa.string()).fill_null(_ABSENT.get(name, ""))
        if name == "server_ip":
            six = pc.match_substring(text, ":")
            text = pc.if_else(six, pc.binary_join_element_wise("[", text, "]", ""), text)
        parts += [_BETWEEN[name], text] if parts else [text]
    return pc.binary_join_element_wise(*parts, "")


_ABSENT = {"service": "(no rule)", "vlan": "no VLAN", "category": "uncategorised"}
_BETWEEN = {"proto": "/", "server_port": ":"}


def _readable(table: pa.Table, name: str, captures: list[str]) -> pa.Array:
    if name.endswith("_ip"):
        return addresses.texts(_one(table[f"{name[:-3]}_addr"]), _one(table["ip_version"]))
    if name == "proto":
        return pa.array([PROTOCOLS[number] for number in table["proto"].to_pylist()], pa.string())
    if name == "capture":
        return pa.array(captures, pa.string()).take(_one(table["capture"]))
    return _one(table[name])


def _plain(column: pa.Array) -> pa.Array:
    """Return words as strings: batches number them differently."""
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def with_filtered(table: pa.Table, label: str, left_out: pa.Table) -> pa.Table:
    """Add a row `filtered` for flows left out, of which there are sums: one row, or none.

    `label` is the column that names the row; what can't be added up is null in it.
    """
    if not left_out.num_rows:
        return table
    sums = {name: column for name, column in public_sums(left_out).items() if name in table.column_names}
    return with_row(table, label, "filtered", sums)
