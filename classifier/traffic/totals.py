"""Sums over judged flows: by service, by server, by client, and the attempts that came to nothing.

Attempts (refused, unanswered, unsolicited) are counted apart, never as traffic of a service.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier import roles
from classifier.flows import addresses
from classifier.flows.table import PROTOCOLS
from classifier.roles.late import LATE, Late
from classifier.traffic.grouping import Grouping, Mask
from classifier.traffic.mismatches import Mismatches

ATTEMPTS = ("refused", "unanswered", "unsolicited")
_ROLES = ("confirmed", "inferred", "ambiguous")
_VOLUMES = ("client_packets", "server_packets", "client_bytes", "server_bytes")
#: What flows are grouped by; `service` is the name, or the candidates joined by |, or null.
_KEYS = ["service", "proto", "ip_version", "server_addr", "server_port", "client_addr"]
SUMS = ["flows", *_ROLES, "by_payload", *ATTEMPTS, *_VOLUMES, "attempt_packets", "attempt_bytes", "sources"]
#: Groups are merged when so many have piled up, or twice as many as there were after the last time.
_MERGE_ROWS = 75_000

_TIME = pa.timestamp("ns", tz="UTC")
_COUNTERS = [(name, pa.uint64()) for name in SUMS if name != "sources"]
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
        self._pieces: list[pa.Table] = []
        self._rows = 0
        self._merge_at = _MERGE_ROWS
        #: What evidence would have said of the flows whose server is proven.
        self.self_check = roles.self_check()
        self.mismatches = Mismatches()

    def add(self, judged: pa.RecordBatch) -> None:
        """Add a batch of judged flows."""
        late = [judged[f"late_{name}"].to_numpy(zero_copy_only=False) for name in LATE]
        self.self_check.add(Late(*late))
        self.mismatches.add(judged)
        flows = measured(judged)
        self._pieces.append(added(flows, Grouping(flows, _KEYS), _KEYS))
        self._rows += self._pieces[-1].num_rows
        if self._rows > self._merge_at:
            if self._pairs.num_rows > self._merge_at // 2:
                self._pieces = [_without_sources(self._pairs)]
            self._rows = self._pairs.num_rows
            self._merge_at = max(_MERGE_ROWS, 2 * self._rows)

    def services(self) -> pa.Table:
        """Sums per service and transport, most bytes first, attempts-only ones last."""
        pairs = self._pairs
        by = Grouping(pairs, ["service", "proto"])
        serving = _serving(pairs)
        return _described(
            added(pairs, by, ["service", "proto"]),
            SERVICES,
            server_ports=by.values("server_port", _numbers(pairs, "flows") > 0),
            servers=by.distinct(["server_addr"], serving),
            clients=by.distinct(["client_addr"], serving),
        )

    def servers(self) -> pa.Table:
        """Sums per server: endpoints that a handshake or other evidence shows to serve."""
        pairs = self._pairs
        serving = pairs.filter(pa.array(_serving(pairs)))
        keys = ["service", "proto", "ip_version", "server_addr", "server_port"]
        by = Grouping(serving, keys)
        sums = added(serving, by, keys)
        sends = np.where(_numbers(sums, "server_packets") > 0, "inferred", "one_way")
        known_by = np.where(_numbers(sums, "confirmed") > 0, "confirmed", sends)
        return _described(
            sums,
            SERVERS,
            server_ip=_texts(sums, "server_addr"),
            known_by=pa.array(known_by, pa.string()),
            clients=by.distinct(["client_addr"], np.ones(serving.num_rows, dtype=bool)),
        )

    def clients(self) -> pa.Table:
        """Sums per client address, most bytes first; ambiguous flows left out."""
        known = self._pairs.filter(pa.array(_known(self._pairs)))
        by = Grouping(known, ["ip_version", "client_addr"])
        sums = added(known, by, ["ip_version", "client_addr"])
        everywhere = np.ones(known.num_rows, dtype=bool)
        table = sums.append_column("client_ip", _texts(sums, "client_addr")).append_column(
            "servers", by.distinct(["server_addr"], everywhere)
        )
        return _by_bytes(table).select(["client_ip", "servers", "flows", "bytes", *_VOLUMES])

    def attempts(self) -> pa.Table:
        """Refused, unanswered and unsolicited attempts per target, most attempts first."""
        tried = self._pairs.filter(pa.array(_attempts(self._pairs) > 0))
        keys = ["service", "proto", "ip_version", "server_addr", "server_port"]
        by = Grouping(tried, keys)
        sums = added(tried, by, keys)
        named = _numbers(tried, "sources") == 0
        columns = {
            "target_ip": _texts(sums, "server_addr"),
            "target_port": sums["server_port"],
            "proto": _proto_names(sums),
            "service": sums["service"],
            "sources": pc.add(by.distinct(["client_addr"], named), sums["sources"]),
            **{name: sums[name] for name in (*ATTEMPTS, "attempt_packets", "attempt_bytes")},
        }
        table = pa.table({**columns, "attempts": _attempts(sums)})
        down = [(name, "descending") for name in ("attempts", "attempt_packets")]
        return table.sort_by([*down, *((name, "ascending") for name in ("target_ip", "target_port"))])

    def conversations(self) -> pa.Table:
        """Sums per client, service and server, most bytes first; mere attempts left out."""
        flowed = self._pairs.filter(pa.array(_numbers(self._pairs, "flows") > 0))
        columns = {
            "client_ip": _texts(flowed, "client_addr"),
            "service": flowed["service"],
            "proto": _proto_names(flowed),
            "server_ip": _texts(flowed, "server_addr"),
            "server_port": flowed["server_port"],
            **{name: flowed[name] for name in ("flows", "bytes", *_VOLUMES)},
        }
        ties = [(name, "ascending") for name in ("service", "server_ip", "server_port", "client_ip")]
        return pa.table(columns).sort_by([("bytes", "descending"), *ties])

    @property
    def _pairs(self) -> pa.Table:
        """All that was added, one row for each service, server and client."""
        if not self._pieces:
            self._pieces = [_NO_PAIRS.empty_table()]
        if len(self._pieces) > 1:
            pieces = pa.concat_tables(self._pieces)
            self._pieces = [added(pieces, Grouping(pieces, _KEYS), _KEYS)]
        return self._pieces[0]


def fold(table: pa.Table, top: int | None, label: str) -> pa.Table:
    """Keep the first `top` rows and add up the others in one more row, so that sums stay whole.

    `label` is the column that then says `other`; counts of distinct things can't be added, and are null.
    """
    if top is None or table.num_rows <= top:
        return table
    rest = table.slice(top)
    columns = []
    for field in table.schema:
        column = rest[field.name]
        if field.name == label:
            folded = pa.scalar("other")
        elif field.name in _ADDS_UP:
            folded = pc.sum(column).cast(field.type)
        elif field.name in _ENDS:
            folded = _ENDS[field.name](column)
        else:
            folded = pa.scalar(None, field.type)
        columns.append(pa.repeat(folded, 1))
    nullable = pa.schema([field.with_nullable(True) for field in table.schema])
    return pa.concat_tables([table.slice(0, top).cast(nullable), pa.table(columns, nullable)])


_ENDS = {"first_seen": pc.min, "last_seen": pc.max}
_ADDS_UP = {*SUMS, "bytes", "share", "attempts"}


def measured(judged: pa.RecordBatch) -> pa.Table:
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
    by_payload = pc.fill_null(pc.equal(judged["service_source"].cast(pa.string()), "payload"), False)
    columns["by_payload"] = pc.multiply(real, pc.cast(by_payload, pa.uint64()))
    columns |= {name: pc.cast(pc.equal(outcome, name), pa.uint64()) for name in ATTEMPTS}
    columns |= {name: pc.multiply(real, judged[name]) for name in _VOLUMES}
    columns["sources"] = pa.array(np.zeros(judged.num_rows, dtype=np.uint64))
    for unit in ("packets", "bytes"):
        both = pc.add(judged[f"client_{unit}"], judged[f"server_{unit}"])
        columns[f"attempt_{unit}"] = pc.multiply(vain, both)
    columns |= {name: judged[name] for name in ("first_seen_ns", "last_seen_ns")}
    return pa.table(columns)


def added(table: pa.Table, by: Grouping, keys: list[str]) -> pa.Table:
    """Add up the rows of each group: keys, sums, times, and the bytes both ways."""
    sums = by.sums(*SUMS)
    return pa.table(
        {
            **by.keys(*keys),
            **sums,
            "first_seen_ns": by.smallest("first_seen_ns"),
            "last_seen_ns": by.largest("last_seen_ns"),
            "bytes": pc.add(sums["client_bytes"], sums["server_bytes"]),
        }
    )


def _without_sources(pairs: pa.Table) -> pa.Table:
    """Add up mere attempts without telling their sources apart, but for the number of them.

    A flood comes from millions of forged addresses. Seen again later, a source counts again.
    """
    mere = (_numbers(pairs, "flows") == 0) & (_numbers(pairs, "sources") == 0)
    tried = pairs.filter(pa.array(mere))
    keys = [key for key in _KEYS if key != "client_addr"]
    by = Grouping(tried, keys)
    sums = added(tried, by, keys)
    counted = by.distinct(["client_addr"], np.ones(tried.num_rows, dtype=bool))
    sums = sums.set_column(sums.column_names.index("sources"), "sources", counted)
    nobody = pa.nulls(sums.num_rows, pairs.schema.field("client_addr").type)
    rest = pairs.filter(pa.array(~mere))
    return pa.concat_tables([rest, sums.append_column("client_addr", nobody).select(rest.column_names)])


def _attempts(table: pa.Table) -> npt.NDArray[np.uint64]:
    attempts: npt.NDArray[np.uint64] = sum(_numbers(table, name) for name in ATTEMPTS)  # type: ignore[assignment]
    return attempts


def _known(pairs: pa.Table) -> Mask:
    """Rows with a flow whose server is known, and that is more than an attempt."""
    known: Mask = _numbers(pairs, "confirmed") + _numbers(pairs, "inferred") > 0
    return known


def _serving(pairs: pa.Table) -> Mask:
    """As `_known`, without multicast and broadcast addresses: they serve nothing."""
    group = addresses.is_group(_one(pairs["server_addr"]), _one(pairs["ip_version"]))
    return _known(pairs) & ~group


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def _texts(table: pa.Table, column: str) -> pa.Array:
    return addresses.texts(_one(table[column]), _one(table["ip_version"]))


def _proto_names(table: pa.Table) -> pa.Array:
    return pa.array([PROTOCOLS[number] for number in table["proto"].to_pylist()], pa.string())


def _by_bytes(table: pa.Table) -> pa.Table:
    """Most bytes first; ties by all that identifies a row, so that the order never depends on chance."""
    keys = ("service", "proto", "server_addr", "server_port", "client_addr")
    ties = [(name, "ascending") for name in keys if name in table.column_names]
    return table.sort_by([("bytes", "descending"), *ties])


def _described(sums: pa.Table, schema: pa.Schema, **more: pa.Array) -> pa.Table:
    """Bring sums into a public schema, most bytes first."""
    table = sums.set_column(sums.column_names.index("proto"), "proto", _proto_names(sums))
    for name, column in more.items():
        table = table.append_column(name, column)
    table = _by_bytes(table)
    total = int(_numbers(table, "bytes").sum() + _numbers(table, "attempt_bytes").sum())
    derived = {
        "share": pa.array(_numbers(table, "bytes") / max(total, 1)),
        "first_seen": table["first_seen_ns"].cast(_TIME),
        "last_seen": table["last_seen_ns"].cast(_TIME),
    }
    columns = [derived[name] if name in derived else table[name] for name in schema.names]
    return pa.table(columns, schema=schema)


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.uint64]:
    numbers: npt.NDArray[np.uint64] = table[name].to_numpy()
    return numbers


_NO_PAIRS = pa.schema(
    [
        ("service", pa.string()),
        ("proto", pa.uint8()),
        ("ip_version", pa.uint8()),
        ("server_addr", pa.binary(16)),
        ("server_port", pa.uint16()),
        ("client_addr", pa.binary(16)),
        *_COUNTERS,
        ("sources", pa.uint64()),
        ("first_seen_ns", pa.int64()),
        ("last_seen_ns", pa.int64()),
        ("bytes", pa.uint64()),
    ]
)
