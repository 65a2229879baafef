"""Sums over judged flows: by service, by server, by client, and the attempts that came to nothing.

Attempts (refused, unanswered, unsolicited) are counted apart, never as traffic of a service.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows import addresses
from classifier.flows.table import PROTOCOLS

ATTEMPTS = ("refused", "unanswered", "unsolicited")
_ROLES = ("confirmed", "inferred", "ambiguous")
_VOLUMES = ("client_packets", "server_packets", "client_bytes", "server_bytes")
#: What flows are grouped by; `service` is the name, or the candidates joined by |, or null.
_KEYS = ["service", "proto", "ip_version", "server_addr", "server_port", "client_addr"]
_SUMS = ["flows", *_ROLES, *ATTEMPTS, *_VOLUMES, "attempt_packets", "attempt_bytes"]
_TIMES = [("first_seen_ns", "min"), ("last_seen_ns", "max")]
#: Groups are merged when so many have piled up.
_MERGE_ROWS = 500_000

_TIME = pa.timestamp("ns", tz="UTC")
_COUNTERS = [(name, pa.uint64()) for name in _SUMS]
_SPAN = [("first_seen", _TIME), ("last_seen", _TIME)]

SERVICES = pa.schema(
    [
        pa.field(
            "service",
            pa.string(),
            True,
            {"doc": "name; candidates joined by | while undecided; null: no rule"},
        ),
        pa.field("proto", pa.string(), False, {"doc": "transport"}),
        pa.field("server_ports", pa.list_(pa.uint16()), False, {"doc": "ports of its servers"}),
        pa.field(
            "servers", pa.uint64(), False, {"doc": "addresses that served it, ambiguous flows left out"}
        ),
        pa.field("clients", pa.uint64(), False, {"doc": "addresses that used it, ambiguous flows left out"}),
        pa.field("bytes", pa.uint64(), False, {"doc": "IP bytes both ways"}),
        pa.field("share", pa.float64(), False, {"doc": "of the bytes of all flows, attempts included"}),
        *(pa.field(name, kind, False) for name, kind in (*_COUNTERS, *_SPAN)),
    ]
)
SERVERS = pa.schema(
    [
        pa.field("server_ip", pa.string(), False, {"doc": "address"}),
        pa.field("server_port", pa.uint16(), False, {"doc": "port"}),
        pa.field("proto", pa.string(), False, {"doc": "transport"}),
        pa.field("service", pa.string(), True, {"doc": "name"}),
        pa.field(
            "known_by",
            pa.string(),
            False,
            {"doc": "confirmed: by a handshake; inferred: it sends; one_way: it was only ever spoken to"},
        ),
        pa.field("clients", pa.uint64(), False, {"doc": "addresses of its clients"}),
        pa.field("bytes", pa.uint64(), False, {"doc": "IP bytes both ways"}),
        *(pa.field(name, pa.uint64(), False) for name in ("flows", "confirmed", "inferred", *_VOLUMES)),
        *(pa.field(name, kind, False) for name, kind in _SPAN),
    ]
)


class Totals:
    """Adds up judged flows; memory grows with the pairs of client and server, not with flows."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._groups: list[pa.Table] = []
        self._rows = 0

    def add(self, judged: pa.RecordBatch) -> None:
        """Add a batch of judged flows."""
        if judged.num_rows:
            group = _grouped(_measured(judged))
            self._groups.append(group)
            self._rows += group.num_rows
            if self._rows > _MERGE_ROWS:
                self._rows = self._pairs().num_rows

    def services(self) -> pa.Table:
        """Sums per service and transport, most bytes first, attempts-only ones last."""
        pairs = self._pairs()
        sums = _sum_by(pairs, ["service", "proto"])
        known = _servers_of(pairs)
        return _described(
            sums,
            SERVICES,
            server_ports=_collected(pairs.filter(pc.greater(pairs["flows"], 0)), sums, "server_port"),
            servers=_counted(known, sums, ["ip_version", "server_addr"], ["service", "proto"]),
            clients=_counted(known, sums, ["ip_version", "client_addr"], ["service", "proto"]),
        )

    def servers(self) -> pa.Table:
        """Sums per server: endpoints that a handshake or other evidence shows to serve."""
        known = _servers_of(self._pairs())
        keys = ["service", "proto", "ip_version", "server_addr", "server_port"]
        sums = _sum_by(known, keys)
        sends = pc.if_else(pc.greater(sums["server_packets"], 0), "inferred", "one_way")
        return _described(
            sums,
            SERVERS,
            server_ip=_texts(sums, "server_addr"),
            known_by=pc.if_else(pc.greater(sums["confirmed"], 0), "confirmed", sends),
            clients=_counted(known, sums, ["client_addr"], keys),
        )

    def clients(self) -> pa.Table:
        """Sums per client address, most bytes first; ambiguous flows left out."""
        sums = _sum_by(_known(self._pairs()), ["ip_version", "client_addr"])
        servers = _counted(_known(self._pairs()), sums, ["server_addr"], ["ip_version", "client_addr"])
        table = sums.append_column("client_ip", _texts(sums, "client_addr")).append_column("servers", servers)
        return _by_bytes(table).select(["client_ip", "servers", "flows", "bytes", *_VOLUMES])

    def attempts(self) -> pa.Table:
        """Refused, unanswered and unsolicited attempts per target, most attempts first."""
        pairs = self._pairs()
        tried = pairs.filter(pc.greater(_attempts(pairs), 0))
        keys = ["service", "proto", "ip_version", "server_addr", "server_port"]
        sums = _sum_by(tried, keys)
        table = (
            sums.append_column("target_ip", _texts(sums, "server_addr"))
            .append_column("target_port", sums["server_port"])
            .append_column("sources", _counted(tried, sums, ["client_addr"], keys))
            .append_column("attempts", _attempts(sums))
            .set_column(sums.column_names.index("proto"), "proto", _proto_names(sums["proto"]))
        )
        order = [("attempts", "descending"), ("attempt_packets", "descending"), ("target_ip", "ascending")]
        columns = ["target_ip", "target_port", "proto", "service", "sources", *ATTEMPTS]
        return table.sort_by([*order, ("target_port", "ascending")]).select(
            [*columns, "attempt_packets", "attempt_bytes"]
        )

    def _pairs(self) -> pa.Table:
        """All groups as one table, one row for each client, server and service."""
        if not self._groups:
            self._groups = [_empty()]
        if len(self._groups) > 1:
            self._groups = [_regrouped(pa.concat_tables(self._groups), _KEYS)]
        return self._groups[0]


def fold(table: pa.Table, top: int | None, label: str) -> pa.Table:
    """Keep the first `top` rows and add up the others in one more row, so that sums stay whole.

    `label` is the column that then says `other`; counts of distinct things can't be added, and are null.
    """
    if top is None or table.num_rows <= top:
        return table
    rest = table.slice(top)
    row: dict[str, object] = {name: None for name in table.column_names}
    for name in table.column_names:
        if name in _ADDS_UP:
            row[name] = pc.sum(rest[name]).as_py()
    row |= {name: pc.min(rest[name]).as_py() for name in row if name == "first_seen"}
    row |= {name: pc.max(rest[name]).as_py() for name in row if name == "last_seen"}
    row[label] = "other"
    nullable = pa.schema([field.with_nullable(True) for field in table.schema])
    return pa.concat_tables([table.slice(0, top).cast(nullable), pa.Table.from_pylist([row], nullable)])


_ADDS_UP = {*_SUMS, "bytes", "share", "attempts"}


def _measured(judged: pa.RecordBatch) -> pa.Table:
    """One row a flow: keys, and what it adds to each sum."""
    outcome = judged["outcome"].cast(pa.string())
    tried = pc.is_in(outcome, pa.array(ATTEMPTS))
    real = pc.cast(pc.invert(tried), pa.uint64())
    vain = pc.cast(tried, pa.uint64())
    role = judged["role"].cast(pa.string())
    joined = pc.binary_join(judged["service_candidates"], "|")
    label = pc.coalesce(judged["service"].cast(pa.string()), pc.if_else(pc.equal(joined, ""), None, joined))
    columns = {"service": label} | {name: judged[name] for name in _KEYS[1:]}
    columns["flows"] = real
    columns |= {name: pc.multiply(real, pc.cast(pc.equal(role, name), pa.uint64())) for name in _ROLES}
    columns |= {name: pc.cast(pc.equal(outcome, name), pa.uint64()) for name in ATTEMPTS}
    columns |= {name: pc.multiply(real, judged[name]) for name in _VOLUMES}
    for unit in ("packets", "bytes"):
        both = pc.add(judged[f"client_{unit}"], judged[f"server_{unit}"])
        columns[f"attempt_{unit}"] = pc.multiply(vain, both)
    columns |= {name: judged[name] for name, _ in _TIMES}
    return pa.table(columns)


def _grouped(table: pa.Table) -> pa.Table:
    return _regrouped(table, _KEYS)


def _regrouped(table: pa.Table, keys: list[str]) -> pa.Table:
    sums = table.group_by(keys).aggregate([*((name, "sum") for name in _SUMS), *_TIMES])
    names = {f"{name}_sum": name for name in _SUMS} | {f"{name}_{how}": name for name, how in _TIMES}
    return sums.rename_columns([names.get(name, name) for name in sums.column_names])


def _sum_by(table: pa.Table, keys: list[str]) -> pa.Table:
    return _with_bytes(_regrouped(table, keys))


def _with_bytes(sums: pa.Table) -> pa.Table:
    return sums.append_column("bytes", pc.add(sums["client_bytes"], sums["server_bytes"]))


def _attempts(table: pa.Table) -> pa.ChunkedArray:
    refused, unanswered, unsolicited = (table[name] for name in ATTEMPTS)
    return pc.add(pc.add(refused, unanswered), unsolicited)


def _known(pairs: pa.Table) -> pa.Table:
    """Rows whose server is known: those with a flow that is not ambiguous, nor a mere attempt."""
    return pairs.filter(pc.greater(pc.add(pairs["confirmed"], pairs["inferred"]), 0))


def _servers_of(pairs: pa.Table) -> pa.Table:
    """As `_known`, without groups: multicast and broadcast addresses serve nothing."""
    known = _known(pairs).combine_chunks()
    if not known.num_rows:
        return known
    group = addresses.is_group(_one(known["server_addr"]), _one(known["ip_version"]))
    return known.filter(pa.array(~group))


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _texts(table: pa.Table, column: str) -> pa.Array:
    return addresses.texts(_one(table[column]), _one(table["ip_version"]))


def _proto_names(proto: pa.ChunkedArray) -> pa.Array:
    return pa.array([PROTOCOLS[number] for number in proto.to_pylist()], pa.string())


def _rows_of(table: pa.Table, keys: Sequence[str]) -> list[tuple[object, ...]]:
    return list(zip(*(table[key].to_pylist() for key in keys), strict=True))


def _counted(table: pa.Table, sums: pa.Table, what: list[str], keys: list[str]) -> pa.Array:
    """For each row of `sums`, grouped by `keys`, how many distinct `what` the table has."""
    distinct = table.group_by([*keys, *(name for name in what if name not in keys)]).aggregate([])
    counts = distinct.group_by(keys).aggregate([([], "count_all")])
    found = dict(zip(_rows_of(counts, keys), counts["count_all"].to_pylist(), strict=True))
    return pa.array([found.get(key, 0) for key in _rows_of(sums, keys)], pa.uint64())


def _collected(table: pa.Table, sums: pa.Table, what: str) -> pa.Array:
    """For each row of `sums` the sorted distinct values of a column."""
    keys = ["service", "proto"]
    lists = table.group_by(keys).aggregate([(what, "distinct")])
    found = dict(zip(_rows_of(lists, keys), lists[f"{what}_distinct"].to_pylist(), strict=True))
    return pa.array([sorted(found.get(key, [])) for key in _rows_of(sums, keys)], pa.list_(pa.uint16()))


def _by_bytes(table: pa.Table) -> pa.Table:
    """Most bytes first; ties by all that identifies a row, so that the order never depends on chance."""
    ties = [
        name
        for name in ("service", "proto", "server_addr", "server_port", "client_addr")
        if name in table.column_names
    ]
    return table.sort_by([("bytes", "descending"), *((name, "ascending") for name in ties)])


def _described(sums: pa.Table, schema: pa.Schema, **more: pa.Array) -> pa.Table:
    """Bring sums into a public schema, most bytes first."""
    table = sums
    for name, column in more.items():
        table = table.append_column(name, column)
    table = _by_bytes(table)
    total = max(int(np.sum(_numbers(table, "bytes")) + np.sum(_numbers(table, "attempt_bytes"))), 1)
    derived = {
        "proto": _proto_names(table["proto"]),
        "share": pa.array(_numbers(table, "bytes") / total),
        "first_seen": table["first_seen_ns"].cast(_TIME),
        "last_seen": table["last_seen_ns"].cast(_TIME),
    }
    columns = [derived[name] if name in derived else table[name] for name in schema.names]
    return pa.table(columns, schema=schema)


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.uint64]:
    numbers: npt.NDArray[np.uint64] = table[name].to_numpy()
    return numbers


def _empty() -> pa.Table:
    kinds = {
        "service": pa.string(),
        "proto": pa.uint8(),
        "ip_version": pa.uint8(),
        "server_addr": pa.binary(16),
        "server_port": pa.uint16(),
        "client_addr": pa.binary(16),
    }
    fields = [*kinds.items(), *_COUNTERS, *((name, pa.int64()) for name, _ in _TIMES)]
    return pa.schema(fields).empty_table()
