"""The columns of reports: header, kind and value of each, for every renderer.

A renderer chooses columns by name, and adds only their layout. Rows are those of the tables in
`traffic.tables`, and of the flow table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from classifier.ports.rules import with_familiar
from classifier.reports.summary import milliseconds_text, seconds_text
from classifier.traffic.tables import ATTEMPTS
from classifier.wording import endpoint, named_by, role_text, service_name, size_text, value_text

Row = dict[str, Any]
#: `text` and `list` are shown as they are; `time` is a time; the others are numbers.
Kind = Literal["text", "list", "time", "count", "bytes", "share"]
#: Items of a list that are shown; the rest are counted.
_SHOWN_ITEMS = 8


class ReportColumn(NamedTuple):
    """A column: its header, its kind, and its value, given a row. None: nothing to show."""

    head: str
    kind: Kind
    value: Callable[[Row], Any]

    @property
    def is_number(self) -> bool:
        """Return whether its values are numbers: aligned on the right, sorted by size."""
        return self.kind in ("count", "bytes", "share")

    def text(self, row: Row) -> str:
        """Return the value as text."""
        value = self.value(row)
        if value is None:
            return ""
        match self.kind:
            case "count":
                return f"{value:,}"
            case "bytes":
                return size_text(value)
            case "share":
                return f"{value:.1%}"
            case "time":
                return seconds_text(value)
        return str(value)

    def plain(self, row: Row) -> Any:
        """Return a number as it is, everything else as text; times to the millisecond."""
        value = self.value(row)
        return milliseconds_text(value) if self.kind == "time" and value is not None else value


def _endpoint(side: str) -> Callable[[Row], str]:
    """Return what formats one side's host name, else its address, with the port if there is one."""

    def value(row: Row) -> str:
        host = row.get(f"{side}_host") or row[f"{side}_ip"] or ""  # rows of totals have none
        return endpoint(host, row.get(f"{side}_port"))

    return value


def _service(row: Row) -> str:
    """Return the service, or its candidates; rows of totals have a label instead."""
    if row["proto"] is None:
        return row["service"] or ""
    return with_familiar(service_name(row["service"], row.get("service_candidates") or ()))


def _service_and_proto(row: Row) -> str:
    return f"{_service(row)}/{row['proto']}" if row["proto"] else _service(row)


def _ports(row: Row) -> str:
    ports = row["server_ports"] or []
    more = f" +{len(ports) - _SHOWN_ITEMS:,}" if len(ports) > _SHOWN_ITEMS else ""
    several = ",".join(map(str, ports[:_SHOWN_ITEMS])) + more
    return f"{several}/{row['proto']}" if row["proto"] else ""


def _group(row: Row) -> str:
    host = row.get("server_host") or row.get("client_host")
    return f"{row['group']} ({host})" if host else str(row["group"])


def _outcomes(row: Row) -> str:
    return ", ".join(f"{row[outcome]:,} {outcome}" for outcome in ATTEMPTS if row[outcome])


def _named(name: str) -> Callable[[Row], Any]:
    return lambda row: row[name]


def _counts(*names: str) -> dict[str, ReportColumn]:
    return {name: ReportColumn(name.capitalize(), "count", _named(name)) for name in names}


COLUMNS = {
    "server": ReportColumn("Server", "text", _endpoint("server")),
    "client": ReportColumn("Client", "text", _endpoint("client")),
    "target": ReportColumn("Target", "text", _endpoint("target")),
    "group": ReportColumn("Group", "text", _group),
    "service": ReportColumn("Service", "text", _service),
    "service_and_proto": ReportColumn("Service", "text", _service_and_proto),
    "service_source": ReportColumn("Named by", "text", lambda row: named_by(row["service_source"])),
    "server_ports": ReportColumn("Port", "text", _ports),
    "proto": ReportColumn("Proto", "text", _named("proto")),
    "payload": ReportColumn("Detected (payload)", "text", _named("payload")),
    "expected": ReportColumn("Expected (port)", "text", _named("expected")),
    "server_name": ReportColumn("Server name", "text", _named("server_name")),
    "role": ReportColumn("Role", "text", lambda row: role_text(row["role"], row["role_confidence"])),
    "known_by": ReportColumn("Role", "text", lambda row: value_text(row["known_by"])),
    "role_evidence": ReportColumn("Evidence", "list", lambda row: ", ".join(row["role_evidence"])),
    "outcome": ReportColumn("Outcome", "text", lambda row: value_text(row["outcome"])),
    "outcomes": ReportColumn("Failed attempts", "text", _outcomes),
    "conn_state": ReportColumn("State", "text", _named("conn_state")),
    "flow_id": ReportColumn("Flow", "text", _named("flow_id")),
    "curve": ReportColumn("Over time", "text", _named("curve")),
    "start": ReportColumn("Start", "time", _named("start")),
    "first_seen": ReportColumn("First seen", "time", _named("first_seen")),
    "last_seen": ReportColumn("Last seen", "time", _named("last_seen")),
    **_counts("flows", "packets", "confirmed", "inferred", "ambiguous", "servers", "clients", "sources"),
    "by_payload": ReportColumn("Detected (payload)", "count", _named("by_payload")),
    "attempts": ReportColumn("Failed attempts", "count", lambda row: sum(row[name] for name in ATTEMPTS)),
    "client_packets": ReportColumn("Client packets", "count", _named("client_packets")),
    "server_packets": ReportColumn("Server packets", "count", _named("server_packets")),
    "attempt_packets": ReportColumn("Packets", "count", _named("attempt_packets")),
    "bytes": ReportColumn("Bytes", "bytes", _named("bytes")),
    "client_bytes": ReportColumn("Client bytes", "bytes", _named("client_bytes")),
    "server_bytes": ReportColumn("Server bytes", "bytes", _named("server_bytes")),
    "attempt_bytes": ReportColumn("Attempt bytes", "bytes", _named("attempt_bytes")),
    "share": ReportColumn("Share", "share", _named("share")),
    # In the table of clients, whose own bytes they are.
    "sent": ReportColumn("Sent", "bytes", _named("client_bytes")),
    "received": ReportColumn("Received", "bytes", _named("server_bytes")),
    "servers_contacted": ReportColumn("Servers contacted", "count", _named("servers")),
}
