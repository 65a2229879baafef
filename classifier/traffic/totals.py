"""The totals of a report: all tables from one pass over the rows of flows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from classifier import roles
from classifier.flows.addresses import is_group
from classifier.flows.spool import MEMORY_BYTES, Spool
from classifier.flows.table import PORT
from classifier.roles.self_check import LATE, LateView, SelfCheck
from classifier.traffic.aggregate import (
    Aggregate,
    Mask,
    Rows,
    as_batch,
    counted,
    distinct_pairs,
    joined,
    numbered,
    plain,
    some,
    summed,
    sums,
)
from classifier.traffic.codes import Texts, address_bytes, flow_rows, mismatch_rows
from classifier.traffic.judged import Judged
from classifier.traffic.public import table
from classifier.traffic.views import (
    FLOW_KEYS,
    FLOW_MEASURES,
    MEASURES,
    SERVICE,
    VIEWS,
    View,
    words_of,
)

_KNOWN, _FLOWED, _TRIED = (
    np.logical_or.reduce([np.array(MEASURES[name].kinds) for name in names])
    for names in (("confirmed", "inferred"), ("flows",), ("attempts",))
)
_CLIENT_KEYS = ("service", "proto", *words_of("server"), "client_high", "client_low", "serving", "kind")


class Totals:
    """Exact totals of judged flows, in bounded memory.

    Tables are sorted, and rows beyond `top` are totalled as `other`: memory grows with the rows of a
    table, not with flows, servers and clients.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        """Create empty totals. Beyond `memory_bytes` rows spill to a temporary file."""
        self._memory_bytes = memory_bytes
        self._texts = Texts()
        self._flows = Aggregate(FLOW_KEYS, FLOW_MEASURES, words_of("server"), memory_bytes)
        view = VIEWS["mismatches"]
        self._mismatches = Aggregate(view.keys, FLOW_MEASURES, words_of("server"), memory_bytes // 8)
        #: Verdicts for confirmed flows with their handshakes hidden.
        self.self_check = roles.self_check()

    def rows(self, judged: Judged) -> tuple[Rows, Rows | None, SelfCheck]:
        """Return the rows of a batch of judged flows; may be called by several threads."""
        check = roles.self_check()
        check.add(LateView(*(judged[f"late_{name}"].to_numpy(zero_copy_only=False) for name in LATE)))
        return flow_rows(judged, self._texts), mismatch_rows(judged, self._texts), check

    def add(self, found: tuple[Rows, Rows | None, SelfCheck]) -> None:
        """Add the result of `rows`; all must be added before the first table is requested."""
        flows, mismatches, check = found
        self._flows.add(flows)
        if mismatches:
            self._mismatches.add(mismatches)
        self.self_check.merge(check)

    def services(self, top: int | None = None) -> pa.Table:
        """Return totals per service and transport, most bytes first, attempts-only ones last."""
        rows, more = self._services
        return table(VIEWS["services"], rows, self._texts, top, more=more)

    def servers(self, top: int | None = None) -> pa.Table:
        """Return totals per server: endpoints that a handshake or other evidence shows to serve."""
        return self._table("servers", top)

    @property
    def server_count(self) -> int:
        """Number of rows of `servers`."""
        return self._found.groups["servers"].rows

    def clients(self, top: int | None = None) -> pa.Table:
        """Return totals per client address, most bytes first, without ambiguous flows."""
        return self._table("clients", top)

    def attempts(self, top: int | None = None) -> pa.Table:
        """Return refused, unanswered and unsolicited attempts per target, most attempts first."""
        return self._table("attempts", top)

    def conversations(self, top: int | None = None) -> pa.Table:
        """Return totals per client, service and server, most bytes first, without failed attempts."""
        view = VIEWS["conversations"]
        parts = (grouped(view, *marked(rows)) for rows in self._flows.parts())
        return table(view, parts, self._texts, top)

    def mismatches(self, top: int | None = None) -> pa.Table:
        """Return protocol mismatches: flows whose payload isn't expected at their port, most flows first."""
        view = VIEWS["mismatches"]
        parts = (summed(rows, view.keys, view.sums) for rows in self._mismatches.parts())
        return table(view, parts, self._texts, top)

    def _table(self, name: str, top: int | None) -> pa.Table:
        parts = (
            {column: batch[column].to_numpy() for column in batch.schema.names}
            for batch in self._found.groups[name]
        )
        return table(VIEWS[name], parts, self._texts, top)

    @cached_property
    def _services(self) -> tuple[list[Rows], Callable[[Rows], dict[str, pa.Array]]]:
        """The rows of the services, and a function for their columns that aren't totals."""
        found = self._found
        clients, ports = _by_service(found.clients, "clients"), _by_service(found.ports, "server_port")
        view = VIEWS["services"]
        rows = (
            [summed(joined(found.services), SERVICE, plain(*view.sums, "servers"))] if found.services else []
        )

        def more(rows: Rows) -> dict[str, pa.Array]:
            keys = list(zip(*(rows[name].tolist() for name in SERVICE), strict=True))
            return {
                "server_ports": pa.array([sorted({*ports.get(key, ())}) for key in keys], pa.list_(PORT)),
                "clients": pa.array([sum(clients.get(key, ())) for key in keys]),
            }

        return rows, more

    @cached_property
    def _found(self) -> _Sums:
        """The rows of the tables, from one pass over the rows of flows."""
        found = _Sums({name: Spool(self._memory_bytes // 4) for name in ("servers", "attempts", "clients")})
        by_client = Aggregate(_CLIENT_KEYS, FLOW_MEASURES, words_of("client"), self._memory_bytes)
        for flows in self._flows.parts():
            rows, masks = marked(flows)
            for name in ("servers", "attempts"):
                found.add(name, grouped(VIEWS[name], rows, masks))
            found.add_services(rows, masks["serving"])
            if self._flows.is_on_disk:
                rows["serving"] = masks["serving"].astype(np.uint8)
                by_client.add(
                    some({name: rows[name] for name in (*_CLIENT_KEYS, *FLOW_MEASURES)}, masks["known"])
                )
            else:
                found.add_clients(rows, masks)
        for rows in by_client.parts():
            for name in ("server", "client"):
                rows[name] = numbered(rows, words_of(name))[0].astype(np.int32)
            serving = rows["serving"] > 0
            found.add_clients(rows, {"known": np.ones_like(serving), "serving": serving})
        return found


@dataclass(frozen=True)
class _Sums:
    """Rows of tables that are collected part by part."""

    groups: dict[str, Spool]
    #: By service and transport, to be summed.
    services: list[Rows] = field(default_factory=list)
    clients: list[Rows] = field(default_factory=list)
    ports: list[Rows] = field(default_factory=list)

    def add(self, name: str, rows: Rows) -> None:
        """Add rows of a table."""
        self.groups[name].add(as_batch(rows))

    def add_services(self, rows: Rows, serving: Mask) -> None:
        """Add the services of flows; all flows of a server address must be in one call."""
        ids, row = numbered(rows, SERVICE)
        keys = {name: rows[name][row] for name in SERVICE}
        servers = {"servers": counted(ids[serving], len(row), rows["server"][serving])}
        self.services.append(keys | sums(rows, ids, len(row), VIEWS["services"].sums) | servers)
        real = _FLOWED[rows["kind"]]
        group, port = distinct_pairs(ids[real], rows["server_port"][real])
        self.ports.append({name: keys[name][group] for name in SERVICE} | {"server_port": port})

    def add_clients(self, rows: Rows, masks: Mapping[str, Mask]) -> None:
        """Add the clients of flows; all flows of a client address must be in one call."""
        self.add("clients", grouped(VIEWS["clients"], rows, masks))
        users = some({name: rows[name] for name in (*SERVICE, "client")}, masks["serving"])
        ids, row = numbered(users, SERVICE)
        clients = counted(ids, len(row), users["client"])
        self.clients.append({name: users[name][row] for name in SERVICE} | {"clients": clients})


def _by_service(pieces: list[Rows], name: str) -> dict[tuple[int, ...], list[int]]:
    """Return the values of a column by service and transport."""
    found: dict[tuple[int, ...], list[int]] = {}
    for rows in pieces:
        for *key, value in zip(*(rows[column].tolist() for column in (*SERVICE, name)), strict=True):
            found.setdefault(tuple(key), []).append(value)
    return found


def marked(flows: Rows) -> tuple[Rows, dict[str, Mask]]:
    """Number servers, clients and their pairs; return rows with the numbers, and masks of rows for views."""
    rows = dict(flows)
    for name in ("server", "client"):
        rows[name] = numbered(rows, words_of(name))[0].astype(np.int32)
    rows["endpoint"] = numbered(rows, (*SERVICE, "server", "server_port"))[0].astype(np.int32)
    pair, row = numbered(rows, ("endpoint", "client"))
    rows["pair"] = pair.astype(np.int32)
    del pair
    masks: dict[str, Mask] = {}
    for name, kinds in (("known", _KNOWN), ("tried", _TRIED), ("flowed", _FLOWED)):
        found = np.zeros(len(row), dtype=bool)
        found[rows["pair"][kinds[rows["kind"]]]] = True
        masks[name] = found[rows["pair"]]
    masks["serving"] = masks["known"] & ~is_group(address_bytes(rows, "server"), pa.array(rows["ip_version"]))
    return rows, masks


def grouped(view: View, rows: Rows, masks: Mapping[str, Mask]) -> Rows:
    """Sum the rows of a view."""
    mask = masks[view.where]
    places = None if mask.all() else np.flatnonzero(mask)
    chosen = some({name: rows[name] for name in (view.id, *view.counts.values())}, mask)
    ids, row = numbered(chosen, (view.id,))
    counts = {name: counted(ids, len(row), chosen[column]) for name, column in view.counts.items()}
    first = row if places is None else places[row]
    return (
        {key: rows[key].take(first) for key in view.keys}
        | sums(rows, ids, len(row), view.sums, places)
        | counts
    )
