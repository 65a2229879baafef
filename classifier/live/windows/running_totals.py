"""Running totals of a live capture, per service and per server, in bounded memory.

A flow is counted in every window in which it has packets: what it gained since the previous window is added
to its current service; earlier gains stay with the earlier service. So totals only grow, and nothing is kept
of ended flows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows import addresses
from classifier.flows.hashing import Hashes
from classifier.flows.table import present
from classifier.flows.transports import NAMES
from classifier.live.windows.window import Window
from classifier.metering.counters import Counters
from classifier.reports.export.tabular import rows
from classifier.roles import Role
from classifier.traffic.aggregate import Rows, counted, numbered, plain, sums
from classifier.traffic.codes import Texts, address_bytes, address_words, source_ranks
from classifier.traffic.overview import ROLES
from classifier.traffic.tables import SOURCES
from classifier.traffic.views import words_of
from classifier.wording import NO_RULE

#: Services, beyond which the rest are totalled as `other`; servers, beyond which the longest-idle is dropped.
MOST_SERVICES = 1_000
MOST_SERVERS = 20_000
OTHER = "other"
#: Windows whose rates are kept.
RATES = 60
#: Flows of a window that are shown.
MOST_FLOWS = 200
#: Mismatched servers and protocols remembered; others are reported again.
MOST_MISMATCHED = 20_000

_TEXTS = ("name", "known")
_MEASURES = plain("gained_bytes", "gained_packets", "ended", "one", "source", "first_seen_ns", "last_seen_ns")
_Counts = npt.NDArray[np.int64]


@dataclass(slots=True)
class ServiceTotals:
    """Totals of a service since the start."""

    name: str
    proto: str
    #: By role: bytes, packets, and flows that have ended.
    bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, 0))
    packets: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, 0))
    flows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, 0))
    #: Index into `SOURCES`: the strongest source of its name.
    source: int = 0
    #: In this window: flows with packets, servers, clients, bytes per second.
    flows_now: int = 0
    servers_now: int = 0
    clients_now: int = 0
    rates: deque[float] = field(default_factory=lambda: deque([0.0] * RATES, RATES))


@dataclass(slots=True)
class ServerTotals:
    """A server and its totals."""

    ip: str
    port: int
    proto: str
    service: str
    known_by: str
    first_seen_ns: int
    last_seen_ns: int
    #: Index into `SOURCES`: the strongest source of its service's name.
    source: int = 0
    bytes: int = 0
    flows: int = 0
    clients_now: int = 0
    rate: float = 0.0

    @property
    def row(self) -> dict[str, Any]:
        """Its endpoint, service and role, as in the table of servers."""
        return {
            "server_ip": self.ip,
            "server_port": self.port,
            "proto": self.proto,
            "service": self.service,
            "service_source": SOURCES[self.source],
            "known_by": self.known_by,
        }


@dataclass(slots=True)
class WindowChanges:
    """The changes of a window."""

    new_servers: list[ServerTotals]
    #: Rows of the public flow table and `rate`, in bytes per second, the busiest first.
    flows: list[dict[str, Any]]
    #: Likewise, flows with another protocol than expected: the first of each server and protocol.
    mismatches: list[dict[str, Any]]


class RunningTotals:
    """Running totals over windows."""

    def __init__(self) -> None:
        self.services: dict[tuple[str, str], ServiceTotals] = {}
        self.servers: dict[tuple[Any, ...], ServerTotals] = {}
        #: Bytes per second in each of the latest windows.
        self.rates: deque[float] = deque([0.0] * RATES, RATES)
        self.counters = Counters()
        self.active_flows = 0
        self._known = _Known()
        self._mismatched: set[tuple[Any, ...]] = set()

    def take(self, window: Window) -> WindowChanges:
        """Add a window, and return its changes."""
        metered = window.traffic.metered
        self.counters += metered.counters
        self.active_flows = window.active_flows
        self.rates.append(metered.counters.wire_bytes / max(window.seconds, 1e-3))
        for service in self.services.values():
            service.flows_now = service.servers_now = service.clients_now = 0
            service.rates.append(0.0)
        for server in self.servers.values():
            server.rate, server.clients_now = 0.0, 0
        if not window.judged:
            return WindowChanges([], [], [])
        flows = self._gains(window)
        self._add_services(flows, window.seconds)
        new = list(self._add_servers(flows, window.seconds))
        busiest = np.argsort(-flows["gained_bytes"].to_numpy(), kind="stable")[:MOST_FLOWS]
        strange = self._new_mismatches(flows)
        return WindowChanges(
            new, _shown(flows.take(pa.array(busiest)), window), _shown(flows.take(pa.array(strange)), window)
        )

    def _new_mismatches(self, flows: pa.Table) -> npt.NDArray[np.int64]:
        """Return the indices of mismatched flows whose server and protocol were not reported yet."""
        rows = np.flatnonzero(flows["new_mismatch"].to_numpy(zero_copy_only=False))
        keys = flows.select(["server_addr", "server_port", "proto", "network_id", "payload"]).take(
            pa.array(rows)
        )
        found = []
        for row, key in zip(rows.tolist(), keys.to_pylist(), strict=True):
            known = tuple(key.values())
            if known not in self._mismatched:
                found.append(row)
                if len(self._mismatched) < MOST_MISMATCHED:
                    self._mismatched.add(known)
        return np.array(found[:MOST_FLOWS], dtype=np.int64)

    def _gains(self, window: Window) -> pa.Table:
        """Return the judged flows with their gains since the previous window."""
        flows = pa.Table.from_batches(window.judged).unify_dictionaries().combine_chunks()
        counts = np.stack(
            [
                pc.add(flows[f"client_{unit}"], flows[f"server_{unit}"]).to_numpy().astype(np.int64)
                for unit in ("bytes", "packets")
            ]
            + [flows["mismatch"].to_numpy(zero_copy_only=False).astype(np.int64)],
            axis=1,
        )
        gained = np.maximum(counts - self._known.swap(window.ids, counts, window.ended), 0)
        more = {
            "name": flows["label"].cast(pa.string()).fill_null(NO_RULE),
            "known": flows["role"].cast(pa.string()),
            "source": pa.array(source_ranks(_one(flows["service_source"]))),
            "gained_bytes": pa.array(gained[:, 0]),
            "gained_packets": pa.array(gained[:, 1]),
            "new_mismatch": pa.array(gained[:, 2] > 0),
            "ended": pa.array(window.ended.astype(np.int64)),
            "one": pa.array(np.ones(flows.num_rows, dtype=np.int64)),
        }
        for name, column in more.items():
            flows = flows.append_column(name, column)
        return flows

    def _add_services(self, flows: pa.Table, seconds: float) -> None:
        for row in _sums(flows, ("name", "proto", "known")):
            service = self._service(row["name"], NAMES[row["proto"]])
            service.source = max(service.source, row["source"])
            service.bytes[row["known"]] += row["gained_bytes"]
            service.packets[row["known"]] += row["gained_packets"]
            service.flows[row["known"]] += row["ended"]
            if row["known"] != Role.ATTEMPTED:
                service.rates[-1] += row["gained_bytes"] / max(seconds, 1e-3)
                service.flows_now += row["one"]
                service.servers_now += row["servers"]
                service.clients_now += row["clients"]

    def _service(self, name: str, proto: str) -> ServiceTotals:
        key = (name, proto)
        if key not in self.services and len(self.services) >= MOST_SERVICES:
            key = (OTHER, proto)
        return self.services.setdefault(key, ServiceTotals(*key))

    def _add_servers(self, flows: pa.Table, seconds: float) -> Iterator[ServerTotals]:
        """Add the servers of this window, and yield the new ones."""
        group = addresses.is_group(_one(flows["server_addr"]), _one(flows["ip_version"]))
        known = pc.is_in(flows["known"], pa.array(["confirmed", "inferred"]))
        serving = flows.filter(pc.and_(known, pa.array(~group)))
        if not serving.num_rows:
            return
        for row in _sums(serving, (*words_of("server"), "proto", "server_port", "name", "known")):
            key = (row["proto"], row["ip_version"], row["server_addr"], row["server_port"])
            new = key not in self.servers
            if not new:
                server = self.servers.pop(key)
            else:
                first_ns, last_ns = row["first_seen_ns"], row["last_seen_ns"]
                server = ServerTotals(
                    _ip(row),
                    row["server_port"],
                    NAMES[row["proto"]],
                    row["name"],
                    row["known"],
                    first_ns,
                    last_ns,
                )
            self.servers[key] = server  # the latest is the last
            server.source = max(row["source"], server.source if server.service == row["name"] else 0)
            server.service = row["name"]
            server.known_by = "confirmed" if server.known_by == "confirmed" else row["known"]
            server.last_seen_ns = max(server.last_seen_ns, row["last_seen_ns"])
            server.bytes += row["gained_bytes"]
            server.flows += row["ended"]
            server.rate += row["gained_bytes"] / max(seconds, 1e-3)
            server.clients_now += row["clients"]
            if new:
                yield server
        while len(self.servers) > MOST_SERVERS:
            del self.servers[next(iter(self.servers))]


class _Known:
    """The counts of active flows as of their previous window."""

    def __init__(self) -> None:
        self._ids: Hashes = np.empty(0, dtype=np.uint64)
        self._counts: _Counts = np.empty((0, 3), dtype=np.int64)

    def swap(self, ids: Hashes, counts: _Counts, ended: npt.NDArray[np.bool_]) -> _Counts:
        """Store the counts (n, 3) of n flows, except ended ones; return their previous counts."""
        before = np.zeros_like(counts)
        if len(self._ids):
            place = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
            found = self._ids[place] == ids
            before[found] = self._counts[place[found]]
        others = ~np.isin(self._ids, ids)
        kept = np.concatenate([self._ids[others], ids[~ended]])
        order = np.argsort(kept)
        self._ids = kept[order]
        self._counts = np.concatenate([self._counts[others], counts[~ended]])[order]
        return before


def _sums(flows: pa.Table, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Total the flows of each group, of which there are few; the larger ones first."""
    texts = Texts()
    rows: Rows = {name: texts.codes(_one(flows[name]).dictionary_encode()) for name in _TEXTS}
    rows |= {name: flows[name].to_numpy() for name in ("proto", "ip_version", "server_port", *_MEASURES)}
    for side in ("client", "server"):
        rows |= address_words(_one(flows[f"{side}_addr"]), side)
        rows[side], _ = numbered(rows, words_of(side)[1:])
    ids, row = numbered(rows, keys)
    groups = len(row)
    np.minimum.at(row, ids, np.arange(len(ids)))
    found = sums(rows, ids, groups, _MEASURES)
    for side in ("client", "server"):
        found[f"{side}s"] = counted(ids, groups, rows[side])
    order = np.lexsort((row, -found["gained_bytes"]))
    keyed = {name: texts.take(rows[name][row]) for name in _TEXTS}
    keyed |= {name: pa.array(rows[name][row]) for name in ("proto", "ip_version", "server_port")}
    keyed["server_addr"] = address_bytes({name: rows[name][row] for name in words_of("server")}, "server")
    table = pa.table(keyed | {name: pa.array(found[name]) for name in found})
    summed: list[dict[str, Any]] = table.take(pa.array(order)).to_pylist()
    return summed


def _shown(flows: pa.Table, window: Window) -> list[dict[str, Any]]:
    """Return flows as rows of the public table."""
    if not flows.num_rows:
        return []
    (batch,) = flows.combine_chunks().to_batches()
    public = rows(present(batch, window.traffic.metered.captures))
    rates = batch["gained_bytes"].to_numpy() / max(window.seconds, 1e-3)
    return [row | {"rate": float(rate)} for row, rate in zip(public, rates, strict=True)]


def _ip(row: dict[str, Any]) -> str:
    raw = row["server_addr"]
    return str(IPv4Address(raw[12:]) if row["ip_version"] == 4 else IPv6Address(raw))


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()
