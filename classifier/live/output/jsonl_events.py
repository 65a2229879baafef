"""Windows and events as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from classifier.live.windows.running_totals import RunningTotals, WindowChanges
from classifier.live.windows.window import Window
from classifier.roles import Role
from classifier.traffic.tables import SOURCES

NEW_SERVER, MISMATCH = "new-server", "mismatch"
EVENTS = (NEW_SERVER, MISMATCH)


def window_line(window: Window, totals: RunningTotals, change: WindowChanges) -> dict[str, Any]:
    """Return a window as plain data: its counts, and its services, the busiest first."""
    metered = window.traffic.metered
    busy = [service for service in totals.services.values() if service.flows_now]
    return {
        "time": time_text(window.time_ns) if window.time_ns else None,
        "window_s": round(window.seconds, 3),
        "packets": metered.counters.packets,
        "bytes": metered.counters.wire_bytes,
        "dropped": metered.counters.dropped,
        "evicted": metered.counters.evicted,
        "active_flows": window.active_flows,
        "services": [
            {
                "service": service.name,
                "service_source": SOURCES[service.source],
                "proto": service.proto,
                "bytes_per_s": round(service.rates[-1], 1),
                "flows": service.flows_now,
                "servers": service.servers_now,
                "clients": service.clients_now,
                "total_bytes": sum(count for role, count in service.bytes.items() if role != Role.ATTEMPTED),
            }
            for service in sorted(busy, key=lambda service: -service.rates[-1])
        ],
        "new_servers": [server.row for server in change.new_servers],
        "unmetered": {reason: count for reason, count in metered.counters.unmetered.items() if count},
        "news": window.news,
    }


def event_lines(change: WindowChanges, wanted: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Yield the wanted events (of `EVENTS`) of a window."""
    if NEW_SERVER in wanted:
        for server in change.new_servers:
            yield {"event": NEW_SERVER, "time": time_text(server.first_seen_ns)} | server.row
    if MISMATCH in wanted:
        for row in change.mismatches:
            columns = (
                *("flow_id", "client_ip", "client_port", "server_ip", "server_port", "proto", "service"),
                *("expected", "payload"),
            )
            yield {"event": MISMATCH, "time": row["last_seen"]} | {name: row[name] for name in columns}


def time_text(time_ns: int) -> str:
    """Return a time as RFC 3339 text to the millisecond."""
    return (
        datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
