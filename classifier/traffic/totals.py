"""Sums over judged flows: by service, by server, by client, and the attempts that came to nothing.

Attempts (refused, unanswered, unsolicited) are counted apart, never as traffic of a service.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier import roles
from classifier.flows import addresses
from classifier.flows.spool import MEMORY_BYTES
from classifier.flows.table import COUNT, PROTOCOLS
from classifier.roles.late import LATE, Late
from classifier.traffic.adding import ATTEMPTS, KEYS, SUMS, adder, measured, numbers, total
from classifier.traffic.grouping import Grouping, Mask
from classifier.traffic.mismatches import Mismatches
from classifier.traffic.sums import Order, Sums, ranked, with_row
from classifier.traffic.tables import CLIENTS, CONVERSATIONS, SERVERS, SERVICES, TARGETS, TIME

_SERVER = ["service", "proto", "ip_version", "server_addr", "server_port"]
_CLIENT = ["ip_version", "client_addr"]
_USER = ["service", "proto", "client_addr"]


@dataclass(frozen=True, slots=True)
class _Views:
    """The pairs added up by less."""

    #: By service and server port; there are never many.
    services: Sums
    #: By server, with `clients`.
    servers: Sums
    #: By server that was tried in vain, with `sources`.
    targets: Sums
    #: By client, with `servers`.
    clients: Sums
    #: By service and client address.
    users: Sums


class Totals:
    """Adds up judged flows, exactly, in bounded memory.

    Tables are sorted, and cut to their `top` rows and a row `other` where that is asked for: memory
    grows with the rows that a table has, not with flows, servers and clients.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        """Start at nothing. Past so many bytes, sums of each kind go to a temporary file."""
        self._memory_bytes = memory_bytes
        #: A row for each service, server and client.
        self._pairs = Sums(adder(KEYS), ["server_addr", "client_addr"], memory_bytes)
        #: What evidence would have said of the flows whose server is proven.
        self.self_check = roles.self_check()
        self.mismatches = Mismatches(memory_bytes)

    def add(self, judged: pa.RecordBatch) -> None:
        """Add a batch of judged flows; all come before the first table is asked for."""
        late = [judged[f"late_{name}"].to_numpy(zero_copy_only=False) for name in LATE]
        self.self_check.add(Late(*late))
        self.mismatches.add(judged)
        self._pairs.add(measured(judged))

    def services(self) -> pa.Table:
        """Sums per service and transport, most bytes first, attempts-only ones last."""
        return self._services

    def servers(self, top: int | None = None) -> pa.Table:
        """Sums per server: endpoints that a handshake or other evidence shows to serve."""

        def described(sums: pa.Table) -> dict[str, pa.Array]:
            sends = np.where(numbers(sums, "server_packets") > 0, "inferred", "one_way")
            known_by = np.where(numbers(sums, "confirmed") > 0, "confirmed", sends)
            return {"server_ip": _texts(sums, "server_addr"), "known_by": pa.array(known_by, pa.string())}

        return _table(self._views.servers, SERVERS, described, [*_BY_BYTES, *_ties(_SERVER)], top)

    @property
    def server_count(self) -> int:
        """How many rows `servers` has."""
        return sum(part.num_rows for part in self._views.servers.parts())

    def clients(self, top: int | None = None) -> pa.Table:
        """Sums per client address, most bytes first; ambiguous flows left out."""

        def described(sums: pa.Table) -> dict[str, pa.Array]:
            return {"client_ip": _texts(sums, "client_addr")}

        return _table(self._views.clients, CLIENTS, described, [*_BY_BYTES, *_ties(_CLIENT)], top)

    def attempts(self, top: int | None = None) -> pa.Table:
        """Refused, unanswered and unsolicited attempts per target, most attempts first."""

        def described(sums: pa.Table) -> dict[str, pa.Array]:
            return {"target_ip": _texts(sums, "server_addr"), "target_port": sums["server_port"]}

        order = [("attempts", "descending"), ("attempt_packets", "descending"), *_ties(_SERVER)]
        return _table(self._views.targets, TARGETS, described, order, top)

    def conversations(self, top: int | None = None) -> pa.Table:
        """Sums per client, service and server, most bytes first; mere attempts left out."""

        def described(sums: pa.Table) -> dict[str, pa.Array]:
            return {name: _texts(sums, f"{name[:-3]}_addr") for name in ("client_ip", "server_ip")}

        return _table(self._pairs, CONVERSATIONS, described, [*_BY_BYTES, *_ties(KEYS)], top, _flowed)

    @cached_property
    def _services(self) -> pa.Table:
        ports = _whole(self._views.services)
        if not ports.num_rows:
            return SERVICES.empty_table()
        by = Grouping(ports, ["service", "proto"])
        sums = adder(["service", "proto"])(ports)
        everything = int(numbers(sums, "bytes").sum())
        keys = list(zip(*(sums[name].to_pylist() for name in ("service", "proto")), strict=True))
        servers = _counted(self._views.servers.parts(), "server_addr")
        clients = _counted(self._views.users.parts(), "client_addr")
        columns = {
            "server_ports": by.values("server_port", numbers(ports, "flows") > 0),
            "servers": pa.array([servers[key] for key in keys], COUNT),
            "clients": pa.array([clients[key] for key in keys], COUNT),
            "share": pa.array(numbers(sums, "bytes") / max(everything, 1)),
        }
        return _public(sums, SERVICES, columns).sort_by([*_BY_BYTES, *_ties(["service", "proto"])])

    @cached_property
    def _views(self) -> _Views:
        """All tables' sums, in one pass over the pairs."""
        views = _Views(
            services=Sums(adder(["service", "proto", "server_port"])),
            servers=Sums(adder(_SERVER, "clients"), ["server_addr"], self._memory_bytes),
            targets=Sums(adder(_SERVER, "sources"), ["server_addr"], self._memory_bytes),
            clients=Sums(adder(_CLIENT, "servers"), ["client_addr"], self._memory_bytes),
            users=Sums(_distinct_users, ["client_addr"], self._memory_bytes),
        )
        for pairs in self._pairs.parts():
            views.services.add(pairs)
            serving = pairs.filter(pa.array(_serving(pairs)))
            views.servers.add(serving.append_column("clients", _ones(serving)))
            views.users.add(serving)
            tried = pairs.filter(pa.array(_attempts(pairs) > 0))
            views.targets.add(tried.append_column("sources", _ones(tried)))
            known = pairs.filter(pa.array(_known(pairs)))
            views.clients.add(known.append_column("servers", _first(known, [*_CLIENT, "server_addr"])))
        return views


def fold(table: pa.Table, top: int | None, label: str) -> pa.Table:
    """Keep the first `top` rows and add up the others in one more row, so that sums stay whole.

    `label` is the column that then says `other`; counts of distinct things can't be added, and are null.
    """
    if top is None or table.num_rows <= top:
        return table
    rest = table.slice(top)
    sums = {name: pa.repeat(pc.sum(rest[name]), 1) for name in _ADDS_UP & set(table.column_names)}
    sums |= {
        name: pa.repeat(find(rest[name]), 1) for name, find in _ENDS.items() if name in table.column_names
    }
    return with_row(table.slice(0, top), label, "other", sums)


_ENDS = {"first_seen": pc.min, "last_seen": pc.max}
_ADDS_UP = {*SUMS, "bytes", "share", "attempts"}


def public_sums(sums: pa.Table) -> dict[str, pa.Array]:
    """Return the columns of a table of sums that add up, and its times, as public tables have them."""
    found = {name: sums[name] for name in (*SUMS, "bytes")}
    found |= {name: sums[f"{name}_ns"].cast(TIME) for name in _ENDS}
    return found | {"attempts": pa.array(_attempts(sums))}


_BY_BYTES: Order = [("bytes", "descending")]


def _ties(keys: list[str]) -> Order:
    """Order rows that are equally large by all that identifies them, so that it never depends on chance."""
    return [(name, "ascending") for name in keys]


def _table(
    sums: Sums,
    schema: pa.Schema,
    described: Callable[[pa.Table], dict[str, pa.Array]],
    order: Order,
    top: int | None,
    chosen: Callable[[pa.Table], Mask] | None = None,
) -> pa.Table:
    """Rank sums, and bring the first `top` rows into a public schema; the rest is a row `other`."""
    parts = (part.append_column("attempts", pa.array(_attempts(part))) for part in sums.parts())
    if chosen:
        parts = (part.filter(pa.array(chosen(part))) for part in parts)
    found = ranked(parts, order, top, total)
    if not found:
        return schema.empty_table()
    best, rest = found
    table = _public(best, schema, described(best))
    if not rest.num_rows:
        return table
    adds_up = {name: column for name, column in public_sums(rest).items() if name in schema.names}
    return with_row(table, schema.names[0], "other", adds_up)


def _public(sums: pa.Table, schema: pa.Schema, columns: dict[str, pa.Array]) -> pa.Table:
    columns = public_sums(sums) | columns
    if "proto" in schema.names:
        columns["proto"] = _proto_names(sums)
    return pa.table(
        [columns[name] if name in columns else sums[name] for name in schema.names], schema=schema
    )


def _whole(sums: Sums) -> pa.Table:
    parts = list(sums.parts())
    return pa.concat_tables(parts) if parts else pa.table({})


def _distinct_users(table: pa.Table) -> pa.Table:
    return pa.table(Grouping(table, _USER).keys(*_USER))


def _counted(parts: Iterable[pa.Table], column: str) -> Counter[tuple[Any, Any]]:
    """Count the distinct values of a column by service and transport; none is in two parts."""
    counts: Counter[tuple[Any, Any]] = Counter()
    for part in parts:
        by = Grouping(part, ["service", "proto"])
        keys = (column.to_pylist() for column in by.keys("service", "proto").values())
        found = by.distinct([column], np.ones(part.num_rows, dtype=bool))
        counts.update(dict(zip(zip(*keys, strict=True), found.to_pylist(), strict=True)))
    return counts


def _ones(table: pa.Table) -> pa.Array:
    return pa.array(np.ones(table.num_rows, dtype=np.uint64))


def _first(table: pa.Table, keys: list[str]) -> pa.Array:
    """Return 1 for the first row of each group, 0 for the others (n)."""
    first = np.zeros(table.num_rows, dtype=np.uint64)
    first[Grouping(table, keys).first_rows] = 1
    return pa.array(first)


def _attempts(table: pa.Table) -> npt.NDArray[np.uint64]:
    attempts: npt.NDArray[np.uint64] = sum(numbers(table, name) for name in ATTEMPTS)  # type: ignore[assignment]
    return attempts


def _flowed(pairs: pa.Table) -> Mask:
    """Rows with more than attempts."""
    flowed: Mask = numbers(pairs, "flows") > 0
    return flowed


def _known(pairs: pa.Table) -> Mask:
    """Rows with a flow whose server is known, and that is more than an attempt."""
    known: Mask = numbers(pairs, "confirmed") + numbers(pairs, "inferred") > 0
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
