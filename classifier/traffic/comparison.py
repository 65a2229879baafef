"""Comparison of two captures: services and servers that are new, gone or changed.

A server is an address, a port and a transport, as in the server inventory: failed attempts and ambiguous
flows never make one. A service counts if at least one of its servers is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows.table import COUNT, PORT
from classifier.traffic.totals import Totals

#: Factor by which clients or bytes must grow or shrink to count as changed: an order of magnitude.
FACTOR = 10.0
#: Kinds of changes of a server or a service.
CHANGES = ("services", "known_by", "clients", "bytes")
_KNOWN_BY = ("confirmed", "inferred", "one_way")
_TIME = pa.timestamp("ns", tz="UTC")
_BOTH = [
    ("services", pa.list_(pa.string()), "names of its services, most bytes first; empty: unknown"),
    ("known_by", pa.string(), "evidence for the server; see the server inventory"),
    ("clients", COUNT, "addresses of its clients, counted for each service"),
    ("flows", COUNT, "flows, without failed attempts"),
    ("bytes", COUNT, "IP bytes, both directions"),
]

SCHEMA = pa.schema(
    [
        pa.field("status", pa.string(), False, {"doc": "new, gone or changed"}),
        pa.field("kind", pa.string(), False, {"doc": "service, or server"}),
        pa.field("server_ip", pa.string(), True, {"doc": "address; null for a service"}),
        pa.field("server_port", PORT, True, {"doc": "port; null for a service"}),
        pa.field("proto", pa.string(), False, {"doc": "transport"}),
        pa.field(
            "changes",
            pa.list_(pa.string()),
            False,
            {"doc": "what changed: services, known_by, clients, bytes (by the factor at least)"},
        ),
        pa.field(
            "is_news",
            pa.bool_(),
            False,
            {"doc": "new, or a new service of a known server; and it was seen to send"},
        ),
        *(
            pa.field(f"{name}_{when}", kind, True, {"doc": f"{doc}; {where}"})
            for name, kind, doc in _BOTH
            for when, where in (("before", "in the first capture"), ("after", "in the second"))
        ),
        pa.field("first_seen", _TIME, False, {"doc": "in the second capture; if gone, in the first"}),
        pa.field("last_seen", _TIME, False, {"doc": "likewise"}),
    ]
)


class _Key(NamedTuple):
    kind: str
    ip: str | None
    port: int | None
    proto: str
    #: Name of a service; None for a server.
    name: str | None


@dataclass(slots=True)
class _Seen:
    """A service or a server, in one of the captures."""

    services: list[str]
    known_by: str
    clients: int
    flows: int
    bytes: int
    first_seen_ns: int
    last_seen_ns: int

    def add(self, other: _Seen) -> None:
        """Add another service of the same server, of fewer bytes."""
        self.services += other.services
        self.known_by = min(self.known_by, other.known_by, key=_KNOWN_BY.index)
        self.clients += other.clients
        self.flows += other.flows
        self.bytes += other.bytes
        self.first_seen_ns = min(self.first_seen_ns, other.first_seen_ns)
        self.last_seen_ns = max(self.last_seen_ns, other.last_seen_ns)


def compare(before: Totals, after: Totals, factor: float = FACTOR) -> pa.Table:
    """Return one row per difference: new, then gone, then changed, services before servers, by bytes.

    ValueError: the factor isn't above 1.
    """
    if not factor > 1:
        raise ValueError(f"factor {factor} is not above 1; choose a larger one")
    old, new = _seen(before), _seen(after)
    rows = [
        row
        for key in dict.fromkeys([*old, *new])
        if (row := _row(key, old.get(key), new.get(key), factor)) is not None
    ]
    columns = (
        [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)]
        if rows
        else []
    )
    table = pa.table(columns, schema=SCHEMA) if rows else SCHEMA.empty_table()
    order = {
        "status_order": pc.index_in(table["status"], pa.array(["new", "gone", "changed"])),
        "kind_order": pc.index_in(table["kind"], pa.array(["service", "server"])),
        "size": pc.coalesce(table["bytes_after"], table["bytes_before"]),
    }
    for name, column in order.items():
        table = table.append_column(name, column)
    sizes = [("status_order", "ascending"), ("kind_order", "ascending"), ("size", "descending")]
    ties = [(name, "ascending") for name in ("server_ip", "server_port", "proto")]
    return table.sort_by([*sizes, *ties]).select(SCHEMA.names)


def _seen(totals: Totals) -> dict[_Key, _Seen]:
    """Return all services and servers of a capture."""
    found: dict[_Key, _Seen] = {}
    for service, seen in _rows(totals.services()):
        if seen.services and service["confirmed"] + service["inferred"]:
            found[_Key("service", None, None, service["proto"], service["service"])] = seen
    for server, seen in _rows(totals.servers()):
        key = _Key("server", server["server_ip"], server["server_port"], server["proto"], None)
        if key in found:
            found[key].add(seen)
        else:
            found[key] = seen
    return found


def _rows(table: pa.Table) -> Iterator[tuple[dict[str, Any], _Seen]]:
    """Yield each row of the services or the servers, most bytes first."""
    for name in ("first_seen", "last_seen"):
        place = table.column_names.index(name)
        table = table.set_column(place, name, table[name].cast(pa.int64()))
    for row in table.to_pylist():
        sends = "inferred" if row["server_packets"] else "one_way"
        yield (
            row,
            _Seen(
                [row["service"]] if row["service"] else [],
                "confirmed" if row["confirmed"] else sends,
                *(row[name] for name in ("clients", "flows", "bytes", "first_seen", "last_seen")),
            ),
        )


def _row(key: _Key, old: _Seen | None, new: _Seen | None, factor: float) -> tuple[object, ...] | None:
    """Return the row for a service or server; None if it is unchanged."""
    changes = _changes(old, new, factor) if old and new else []
    if old and new and not changes:
        return None
    status = "changed" if old and new else "new" if new else "gone"
    added = set(new.services) - set(old.services) if old and new else set()
    is_news = bool(new and new.known_by != "one_way" and (status == "new" or added))
    latest = new or old
    assert latest
    values = [getattr(seen, name) if seen else None for name, _, _ in _BOTH for seen in (old, new)]
    times = (latest.first_seen_ns, latest.last_seen_ns)
    return (status, key.kind, key.ip, key.port, key.proto, changes, is_news, *values, *times)


def _changes(old: _Seen, new: _Seen, factor: float) -> list[str]:
    differs = (
        set(old.services) != set(new.services),
        old.known_by != new.known_by,
        _differ(old.clients, new.clients, factor),
        _differ(old.bytes, new.bytes, factor),
    )
    return [name for name, is_so in zip(CHANGES, differs, strict=True) if is_so]


def _differ(old: int, new: int, factor: float) -> bool:
    return max(old, new) >= factor * min(old, new) and old != new
