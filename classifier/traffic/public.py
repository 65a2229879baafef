"""Totals as public tables: sorted, limited to their first rows, with readable texts and addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows import addresses
from classifier.flows.transports import NAMES
from classifier.traffic.aggregate import Rows, joined, plain, size, some, summed
from classifier.traffic.codes import Texts, address_bytes
from classifier.traffic.tables import SOURCES, TIME
from classifier.traffic.views import NULL, TEXTS, TIMES, View
from classifier.wording import NO_RULE


def table(
    view: View,
    parts: Iterable[Rows],
    texts: Texts,
    top: int | None = None,
    captures: Sequence[str] = (),
    more: Callable[[Rows], dict[str, pa.Array]] = lambda rows: {},
) -> pa.Table:
    """Return the totals of some parts as a public table; rows beyond `top` are totalled as `other`.

    `more` computes columns that aren't totals.
    """
    best, rest = ranked(view, parts, texts, top)
    if best is None:
        return view.schema.empty_table()
    show = _Public(
        texts, captures, sum(int(rows["bytes"].sum()) for rows in (best, rest) if rows and "bytes" in rows)
    )
    columns = more(best)
    columns |= {name: show(best, name) for name in view.schema.names if name not in (*columns, "group")}
    if "group" in view.schema.names:
        columns["group"] = _label({name: columns[name] for name in view.schema.names if name in _OF_GROUPS})
    public = pa.table([columns[one.name].cast(one.type) for one in view.schema], schema=view.schema)
    if not rest:
        return public
    return with_row(public, view.schema.names[0], "other", show.sums(rest, view.schema))


def ranked(
    view: View, parts: Iterable[Rows], texts: Texts, top: int | None
) -> tuple[Rows | None, Rows | None]:
    """Return the first `top` rows of all parts, and the totals of the others."""
    measures = plain(*view.sums)
    best: Rows | None = None
    rest: list[Rows] = []
    for part in parts:
        rows = part if best is None else joined([best, {name: part[name] for name in best}])
        if top is not None and size(rows) > top:
            sizes = rows[view.order[0]]
            least = np.partition(sizes, len(sizes) - top)[len(sizes) - top]
            rest.append(summed(some(rows, sizes < least), (), measures) if (sizes < least).any() else {})
            rows = some(rows, sizes >= least)
        by = [-rows[name] for name in view.order]
        by += [texts.ranks(rows[name]) if name in TEXTS else rows[name] for name in view.keys]
        order = np.lexsort(by[::-1])
        if top is not None and len(order) > top:
            rest.append(summed({name: rows[name][order[top:]] for name in rows}, (), measures))
            order = order[:top]
        best = {name: column[order] for name, column in rows.items()}
    rest = [rows for rows in rest if rows]
    return best, summed(joined(rest), (), measures) if rest else None


@dataclass(frozen=True)
class _Public:
    """Converts rows to public columns."""

    texts: Texts
    captures: Sequence[str]
    #: Bytes of all rows.
    moved: int

    def sums(self, rows: Rows, schema: pa.Schema) -> dict[str, pa.Array]:
        """Return the additive columns of a schema."""
        adds_up = (name for name in schema.names if name == "share" or TIMES.get(name, name) in rows)
        return {name: self(rows, name) for name in adds_up}

    def __call__(self, rows: Rows, name: str) -> pa.Array:
        """Return a column."""
        if name in TIMES:
            return pa.array(rows[TIMES[name]]).cast(TIME)
        if name in TEXTS:
            return self.texts.take(rows[name])
        if name == "proto":
            return pa.array([NAMES[number] for number in rows["proto"].tolist()], pa.string())
        if name.endswith("_ip"):
            side = "client" if name == "client_ip" else "server"
            return addresses.texts(address_bytes(rows, side), pa.array(rows["ip_version"]))
        if name == "target_port":
            return pa.array(rows["server_port"])
        if name == "vlan":
            return pa.array(rows["vlan"], mask=rows["vlan"] == NULL)
        if name == "capture":
            return pa.array(self.captures, pa.string()).take(pa.array(rows["capture"]))
        if name == "share":
            return pa.array(rows["bytes"] / max(self.moved, 1))
        if name == "service_source":
            return pa.array([SOURCES[rank] for rank in rows["source"].tolist()], pa.string())
        if name == "known_by":
            sends = np.where(rows["server_packets"] > 0, "inferred", "one_way")
            return pa.array(np.where(rows["confirmed"] > 0, "confirmed", sends), pa.string())
        return pa.array(rows[name])


def _label(columns: dict[str, pa.Array]) -> pa.Array:
    """Format groups as one text: `https/tcp`, `10.0.0.1:443/tcp`."""
    parts: list[pa.Array | str] = []
    for name, column in columns.items():
        text = column.cast(pa.string()).fill_null(_ABSENT.get(name, ""))
        if name == "server_ip":
            six = pc.match_substring(text, ":")
            text = pc.if_else(six, pc.binary_join_element_wise("[", text, "]", ""), text)
        parts += [_BETWEEN[name], text] if parts else [text]
    return pc.binary_join_element_wise(*parts, "")


_OF_GROUPS = ("service", "server_ip", "client_ip", "server_port", "proto", "vlan", "capture", "category")
_ABSENT = {"service": NO_RULE, "vlan": "no VLAN", "category": "uncategorised"}
_BETWEEN = {"proto": "/", "server_port": ":"}


def with_row(table: pa.Table, label: str, word: str, sums: Mapping[str, pa.Array]) -> pa.Table:
    """Add a row with `word` in the column `label`, and these sums; other columns are null."""
    nullable = pa.schema([field.with_nullable(True) for field in table.schema])
    row = {label: pa.array([word]), **sums}
    columns = [
        row[field.name].cast(field.type) if field.name in row else pa.nulls(1, field.type)
        for field in nullable
    ]
    return pa.concat_tables([table.cast(nullable), pa.table(columns, nullable)])


def with_filtered(table: pa.Table, label: str, left_out: Mapping[str, int]) -> pa.Table:
    """Add a row `filtered` with the totals of excluded flows by measure, if there are any.

    `label` is the column that names the row; columns that aren't additive are null.
    """
    if not left_out:
        return table
    sums = {
        name: pa.array([left_out[TIMES.get(name, name)]])
        for name in table.schema.names
        if TIMES.get(name, name) in left_out
    }
    return with_row(table, label, "filtered", sums)
