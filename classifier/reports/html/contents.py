"""What the page says, as plain data: headline, charts, tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from classifier.reports import charts
from classifier.reports.data import ReportData
from classifier.reports.export.tabular import rows
from classifier.reports.summary import REASONS, types_text
from classifier.roles import Role
from classifier.traffic.judged_flows import JudgedFlows
from classifier.traffic.tables import ATTEMPTS
from classifier.wording import (
    counted,
    duration_text,
    endpoint,
    listed,
    named_by,
    role_text,
    service_text,
    size_text,
)

Row = dict[str, Any]
#: Longer tables are cut, with a remark.
MOST_ROWS = 2_000
#: Of longer lists a cell shows the first, and how many more there are.
_MOST_IN_CELL = 8


@dataclass(frozen=True)
class Column:
    """A column: its head, its kind (`text`, `list`, `count`, `bytes`, `share`, `time`), and its value."""

    head: str
    kind: str
    name: str


def contents(report: ReportData) -> dict[str, Any]:
    """Return all that the page shows; nothing in it is HTML."""
    traffic = report.traffic
    said = report.to_dict()
    flows, mismatches = _largest_flows(traffic)
    flows, mismatches = report.named(flows), report.named(mismatches)
    counted = said["flows"]
    served = _served(said)
    return {
        "title": listed(said["captures"], 1),
        "facts": _facts(said, traffic),
        "notes": _notes(said),
        "known": _known(traffic),
        "charts": charts.all_charts(report),
        "themes": {theme: charts.config(theme) for theme in ("light", "dark")},
        "tables": [
            _table("services", "Services", served, _SERVICES, len(served)),
            _table("servers", "Servers", said["servers"], _SERVERS, len(said["servers"])),
            _table("mismatches", "Protocol mismatches", rows(mismatches), _MISMATCHES, mismatches.num_rows),
            _table(
                "attempts",
                "Attempts that came to nothing",
                said["attempts"],
                _ATTEMPTS,
                len(said["attempts"]),
            ),
            _table("clients", "Clients", said["clients"], _CLIENTS, len(said["clients"])),
            _table("flows", "Flows", rows(flows), _FLOWS, counted["total"]),
        ],
        "accounting": [
            ["in flows", said["accounting"]["in_flows"]],
            *(
                [words, said["accounting"][key]]
                for key, words in REASONS.items()
                if said["accounting"].get(key)
            ),
            ["all packets", said["accounting"]["packets"]],
        ],
        "self_check": _self_check(said.get("self_check")),
    }


def _served(said: Row) -> list[Row]:
    """Return the services that something used; mere attempts have a table of their own."""
    return [row for row in said["services"] if row["flows"]]


def _facts(said: Row, traffic: JudgedFlows) -> list[list[str]]:
    span = f"{said['first_seen']} to\n{said['last_seen']}" if said["first_seen"] else "no packets"
    counted = said["flows"]
    served = sum(1 for row in _served(said) if row["proto"])
    return [
        ["Time", span],
        ["Lasting", duration_text(said["duration_s"])],
        ["Packets", f"{said['packets']:,}"],
        ["Bytes with link headers", size_text(said["wire_bytes"])],
        ["Flows", f"{counted['total']:,}"],
        ["Services", f"{served:,}"],
        ["Servers", f"{traffic.totals.server_count:,}"],
    ]


def _notes(said: Row) -> list[str]:
    notes = [*said["problems"], *said["remarks"]]
    if not said["packets"]:
        notes.insert(0, "The capture has no packets.")
    elif not said["accounting"]["in_flows"]:
        notes.insert(0, "No packet is in a flow that is shown; see where the packets went.")
    if said["dropped"]:
        notes.append(f"{counted(said['dropped'], 'packet was', 'packets were')} lost while capturing.")
    if types := said["unknown_types"]:
        notes.append(f"Unknown types: {types_text(types)}.")
    if said["evicted"]:
        notes.append(f"{counted(said['evicted'], 'flow was', 'flows were')} ended early by the cap on flows.")
    if filtered := said["accounting"].get("filtered"):
        packets = counted(filtered, "packet")
        are = "is" if filtered == 1 else "are"
        notes.append(f"{packets} of flows that were filtered out {are} not shown.")
    return notes


def _known(traffic: JudgedFlows) -> list[Row]:
    """How the servers are known, by flows, packets and bytes; and packets in no flow."""
    words = {
        Role.CONFIRMED: "by a handshake",
        Role.INFERRED: "by other evidence, 90 % sure or more",
        Role.AMBIGUOUS: "less sure than that",
        Role.ATTEMPTED: "failed connection attempts: refused, unanswered, unsolicited",
    }
    found = [
        {"name": role, "words": words[Role(role)], **{unit: sums[unit] for unit in _UNITS}}
        for role, sums in traffic.overview.roles.items()
    ]
    counts = traffic.accounting
    outside = counts["packets"] - counts["in_flows"] - counts.get("filtered", 0)
    rest = {
        "name": "in no flow",
        "words": "see the accounting",
        "flows": 0,
        "packets": outside,
        "bytes": None,
    }
    return [*found, rest]


_UNITS = ("flows", "packets", "bytes")


def _self_check(check: Row | None) -> str | None:
    """Say how far inference can be trusted here, where handshakes were seen to tell."""
    if not check or not check["flows"]:
        return None
    right = f", {check['inferred_right']:,} of them rightly" if check["inferred"] else ""
    whose = "its" if check["flows"] == 1 else "their"
    return (
        f"{counted(check['flows'], 'flow has', 'flows have')} a handshake that proves {whose} server. "
        "Had it been missed, "
        f"{check['inferred']:,} would have been inferred{right}."
    )


def _largest_flows(traffic: JudgedFlows) -> tuple[pa.Table, pa.Table]:
    """Return the flows with most bytes, and those whose payload is not the service of their port."""
    largest: pa.Table | None = None
    mismatched: pa.Table | None = None
    for batch in traffic.batches():
        table = pa.table(batch)
        for unit in _SUMS:
            table = table.append_column(unit, pc.add(table[f"client_{unit}"], table[f"server_{unit}"]))
        table = table.select([*_FLOW_COLUMNS, *_SUMS])
        largest = _most(largest, table)
        mismatched = _most(mismatched, table.filter(table["mismatch"]))
    if largest is None or mismatched is None:
        empty = pa.table({name: pa.array([], pa.string()) for name in (*_FLOW_COLUMNS, *_SUMS)})
        return empty, empty
    return largest, mismatched


def _most(one: pa.Table | None, other: pa.Table) -> pa.Table:
    both = other if one is None else pa.concat_tables([one, other]).unify_dictionaries()
    return both.sort_by([("bytes", "descending"), ("first_seen", "ascending")]).slice(0, MOST_ROWS)


def _table(name: str, title: str, found: list[Row], columns: list[Column], whole: int) -> dict[str, Any]:
    """Return a table's rows as lists of values; columns that are empty throughout are left out."""
    shown = found[:MOST_ROWS]
    values = [[_value(row, column) for row in shown] for column in columns]
    kept = [
        number for number, column in enumerate(values) if any(value not in (None, "") for value in column)
    ]
    return {
        "name": name,
        "title": title,
        "columns": [{"head": columns[number].head, "kind": columns[number].kind} for number in kept],
        "rows": [list(row) for row in zip(*(values[number] for number in kept), strict=True)],
        "whole": whole,
    }


def _value(row: Row, column: Column) -> Any:
    match column.name:
        case "server" | "client" | "target":
            host = row.get(f"{column.name}_host") or row[f"{column.name}_ip"]
            return endpoint(host, row.get(f"{column.name}_port"))
        case "service":
            if row["proto"] is None:  # a sum of others
                return row["service"]
            return service_text(row["service"], row["proto"], row.get("service_candidates") or ())
        case "named_by":
            return named_by(row["service_source"])
        case "role":
            return role_text(row["role"], row["role_confidence"])
        case "attempts":
            return sum(row[name] for name in ATTEMPTS)
        case "tries":
            return ", ".join(f"{row[name]:,} {name}" for name in ATTEMPTS if row[name])
        case "first_seen" | "last_seen":
            return row[column.name][:23].replace("T", " ")
    value = row[column.name]
    if isinstance(value, list):
        more = f" +{len(value) - _MOST_IN_CELL:,}" if len(value) > _MOST_IN_CELL else ""
        return ", ".join(map(str, value[:_MOST_IN_CELL])) + more
    return value.replace("_", " ") if column.name in ("known_by", "outcome") and value else value


def _columns(*described: tuple[str, str, str]) -> list[Column]:
    return [Column(head, kind, name) for head, kind, name in described]


_VOLUMES = (
    ("from clients", "bytes", "client_bytes"),
    ("from servers", "bytes", "server_bytes"),
)
_TIMES = (("First seen (UTC)", "time", "first_seen"), ("Last seen (UTC)", "time", "last_seen"))
_SERVICES = _columns(
    ("Service", "text", "service"),
    ("Named by", "text", "named_by"),
    ("Ports", "text", "server_ports"),
    ("Bytes", "bytes", "bytes"),
    ("Share", "share", "share"),
    *_VOLUMES,
    ("Flows", "count", "flows"),
    *((name, "count", name) for name in ("confirmed", "inferred", "ambiguous")),
    ("Hosts", "count", "servers"),
    ("Clients", "count", "clients"),
    ("Attempts", "count", "attempts"),
)
_SERVERS = _columns(
    ("Server", "text", "server"),
    ("Service", "text", "service"),
    ("Named by", "text", "named_by"),
    ("Role", "text", "known_by"),
    ("Bytes", "bytes", "bytes"),
    *_VOLUMES,
    ("Flows", "count", "flows"),
    ("Clients", "count", "clients"),
    *_TIMES,
)
_CLIENTS = _columns(
    ("Client", "text", "client"),
    ("Bytes", "bytes", "bytes"),
    *_VOLUMES,
    ("Flows", "count", "flows"),
    ("Hosts", "count", "servers"),
)
_ATTEMPTS = _columns(
    ("Target", "text", "target"),
    ("Service", "text", "service"),
    ("Attempts", "text", "tries"),
    ("Sources", "count", "sources"),
    ("Packets", "count", "attempt_packets"),
)
_FLOWS = _columns(
    ("First seen (UTC)", "time", "first_seen"),
    ("Client", "text", "client"),
    ("Server", "text", "server"),
    ("Service", "text", "service"),
    ("Named by", "text", "named_by"),
    ("Payload", "text", "payload"),
    ("Name", "text", "server_name"),
    ("Role", "text", "role"),
    ("Evidence", "list", "role_evidence"),
    ("Outcome", "text", "outcome"),
    ("Bytes", "bytes", "bytes"),
    ("Packets", "count", "packets"),
)
_MISMATCHES = _columns(
    ("First seen (UTC)", "time", "first_seen"),
    ("Client", "text", "client"),
    ("Server", "text", "server"),
    ("Expected (port)", "text", "expected"),
    ("Detected (payload)", "text", "payload"),
    ("Role", "text", "role"),
    ("Outcome", "text", "outcome"),
    ("Bytes", "bytes", "bytes"),
    ("Packets", "count", "packets"),
    ("Flow", "text", "flow_id"),
)
_FLOW_COLUMNS: Iterable[str] = (
    *("first_seen", "client_ip", "client_port", "server_ip", "server_port", "proto", "service"),
    *("service_source", "service_candidates", "payload", "server_name", "mismatch", "expected", "flow_id"),
    *("role", "role_confidence", "role_evidence", "outcome"),
)
_SUMS = ("packets", "bytes")
