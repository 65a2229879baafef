"""The columns of reports: header, kind and value of each, for every renderer.

A renderer chooses columns by name, and adds only their layout. Rows are those of the tables in
`traffic.tables`, and of the flow table.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
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


#: Columns that show a field of the row: header and kind.
_FIELDS: dict[str, tuple[str, Kind]] = {
    "proto": ("Proto", "text"),
    "payload": ("Detected (payload)", "text"),
    "expected": ("Expected (port)", "text"),
    "server_name": ("Server name", "text"),
    "conn_state": ("State", "text"),
    "flow_id": ("Flow", "text"),
    "curve": ("Over time", "text"),
    "start": ("Start", "time"),
    "first_seen": ("First seen", "time"),
    "last_seen": ("Last seen", "time"),
    "flows": ("Flows", "count"),
    "packets": ("Packets", "count"),
    "confirmed": ("Confirmed", "count"),
    "inferred": ("Inferred", "count"),
    "ambiguous": ("Ambiguous", "count"),
    "servers": ("Servers", "count"),
    "clients": ("Clients", "count"),
    "sources": ("Sources", "count"),
    "by_payload": ("Detected (payload)", "count"),
    "client_packets": ("Client packets", "count"),
    "server_packets": ("Server packets", "count"),
    "attempt_packets": ("Packets", "count"),
    "bytes": ("Bytes", "bytes"),
    "client_bytes": ("Client bytes", "bytes"),
    "server_bytes": ("Server bytes", "bytes"),
    "attempt_bytes": ("Attempt bytes", "bytes"),
    "share": ("Share", "share"),
}
COLUMNS = {
    **{name: ReportColumn(head, kind, itemgetter(name)) for name, (head, kind) in _FIELDS.items()},
    "server": ReportColumn("Server", "text", _endpoint("server")),
    "client": ReportColumn("Client", "text", _endpoint("client")),
    "target": ReportColumn("Target", "text", _endpoint("target")),
    "group": ReportColumn("Group", "text", _group),
    "service": ReportColumn("Service", "text", _service),
    "service_and_proto": ReportColumn("Service", "text", _service_and_proto),
    "service_source": ReportColumn("Named by", "text", lambda row: named_by(row["service_source"])),
    "server_ports": ReportColumn("Port", "text", _ports),
    "role": ReportColumn("Role", "text", lambda row: role_text(row["role"], row["role_confidence"])),
    "known_by": ReportColumn("Role", "text", lambda row: value_text(row["known_by"])),
    "role_evidence": ReportColumn("Evidence", "list", lambda row: ", ".join(row["role_evidence"])),
    "outcome": ReportColumn("Outcome", "text", lambda row: value_text(row["outcome"])),
    "outcomes": ReportColumn("Failed attempts", "text", _outcomes),
    "attempts": ReportColumn("Failed attempts", "count", lambda row: sum(row[name] for name in ATTEMPTS)),
    # In the table of clients, whose own bytes they are.
    "sent": ReportColumn("Sent", "bytes", itemgetter("client_bytes")),
    "received": ReportColumn("Received", "bytes", itemgetter("server_bytes")),
    "servers_contacted": ReportColumn("Servers contacted", "count", itemgetter("servers")),
}
