"""The traffic by one of many things, from services to categories: every flow is in exactly one row."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows import addresses
from classifier.flows.table import PROTOCOLS
from classifier.traffic.grouping import Grouping
from classifier.traffic.totals import SUMS, added, fold, measured

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
#: Sums that every table has; attempts are counted apart.
_COUNTED = [name for name in SUMS if name != "sources"]
#: Groups are merged when so many have piled up.
_MERGE_ROWS = 150_000


class Groups:
    """Adds up judged flows by some keys; memory grows with the groups."""

    def __init__(self, keys: list[str]) -> None:
        """Start at nothing."""
        self._keys = keys
        self._pieces: list[pa.Table] = []
        self._rows = 0

    def add(self, judged: pa.RecordBatch) -> None:
        """Add a batch of judged flows."""
        flows = measured(judged)
        for name in self._keys:
            if name not in flows.column_names:  # the service is made from two columns
                flows = flows.append_column(name, _plain(judged[name]))
        self._pieces.append(added(flows, Grouping(flows, self._keys), self._keys))
        self._rows += self._pieces[-1].num_rows
        if self._rows > _MERGE_ROWS:
            self._rows = self.table().num_rows

    def table(self) -> pa.Table:
        """Return all that was added, a row a group."""
        if len(self._pieces) > 1:
            pieces = pa.concat_tables(self._pieces)
            self._pieces = [added(pieces, Grouping(pieces, self._keys), self._keys)]
        return self._pieces[0] if self._pieces else pa.table({})


def breakdown(batches: Iterable[pa.RecordBatch], by: str, captures: list[str]) -> pa.Table:
    """Sum up judged flows by one of `BY`, most bytes first; every flow is in one row.

    Columns: those of the group, `bytes`, `share` of the bytes of all rows, `flows` and the others of
    the services. Flows whose server is not known count for the likelier one.
    """
    keys, names = BY[by]
    groups = Groups(keys)
    for judged in batches:
        groups.add(judged)
    table = groups.table()
    if not table.num_rows:
        return _schema(by).empty_table()
    columns = {name: _readable(table, name, captures) for name in names}
    moved = table["bytes"].to_numpy().astype(float)
    everything = moved.sum() + table["attempt_bytes"].to_numpy().astype(float).sum()
    columns = {"group": _label(columns)} | columns
    columns |= {"bytes": table["bytes"], "share": pa.array(moved / max(everything, 1))}
    columns |= {name: table[name] for name in _COUNTED}
    columns |= {name: table[f"{name}_ns"].cast(_TIME) for name in ("first_seen", "last_seen")}
    order = [("bytes", "descending"), ("attempt_bytes", "descending"), ("group", "ascending")]
    return pa.table(columns, schema=_schema(by)).sort_by(order)


def _schema(by: str) -> pa.Schema:
    kinds = {"server_port": pa.uint16(), "vlan": pa.uint16()}
    return pa.schema(
        [
            pa.field("group", pa.string(), False, {"doc": "the columns that follow, in one text"}),
            *(pa.field(name, kinds.get(name, pa.string())) for name in BY[by][1]),
            pa.field("bytes", pa.uint64(), False, {"doc": "IP bytes both ways"}),
            pa.field("share", pa.float64(), False, {"doc": "of the bytes of all rows, attempts included"}),
            *(pa.field(name, pa.uint64(), False) for name in _COUNTED),
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


def with_filtered(table: pa.Table, label: str, left_out: pa.Table, top: int | None) -> pa.Table:
    """Cut a table to its `top` rows and a row `other`, and add a row `filtered` for flows left out.

    `label` is the column that names these rows; what can't be added up is null in them.
    """
    cut = fold(table, top, label)
    if not left_out.num_rows:
        return cut
    nullable = pa.schema([field.with_nullable(True) for field in cut.schema])
    sums = {"bytes", *_COUNTED} & set(nullable.names)
    row = {field.name: pa.nulls(1, field.type) for field in nullable} | {label: pa.array(["filtered"])}
    row |= {name: left_out[name] for name in sums}
    row |= {name: left_out[f"{name}_ns"].cast(_TIME) for name in ("first_seen", "last_seen")}
    return pa.concat_tables([cut.cast(nullable), pa.table(row, schema=nullable)])
