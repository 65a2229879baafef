"""The contents of the page as plain data: headline, charts, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from classifier.reports import charts
from classifier.reports.columns import COLUMNS, Row
from classifier.reports.data import ReportData
from classifier.reports.export.tabular import rows
from classifier.reports.summary import REASONS, types_text
from classifier.roles import Role
from classifier.traffic.judged_flows import JudgedFlows
from classifier.wording import counted, duration_text, listed, size_text

#: Rows of a table; longer ones are cut, with a note.
MOST_ROWS = 2_000


def contents(report: ReportData) -> dict[str, Any]:
    """Return everything that the page shows, as plain text and numbers."""
    traffic = report.traffic
    data = report.to_dict()
    flows, mismatches = _largest_flows(traffic)
    flows, mismatches = report.named(flows), report.named(mismatches)
    counted = data["flows"]
    served = _served(data)
    return {
        "title": listed(data["captures"], 1),
        "facts": _facts(data, traffic),
        "notes": _notes(data),
        "known": _known(traffic),
        "charts": charts.all_charts(report),
        "themes": {theme: charts.config(theme) for theme in ("light", "dark")},
        "tables": [
            _table("services", "Services", served, _SERVICES, len(served)),
            _table("servers", "Servers", data["servers"], _SERVERS, len(data["servers"])),
            _table("mismatches", "Protocol mismatches", rows(mismatches), _MISMATCHES, mismatches.num_rows),
            _table(
                "attempts",
                "Failed connection attempts",
                data["attempts"],
                _ATTEMPTS,
                len(data["attempts"]),
            ),
            _table("clients", "Clients", data["clients"], _CLIENTS, len(data["clients"])),
            _table("flows", "Flows", rows(flows), _FLOWS, counted["total"]),
        ],
        "accounting": [
            ["in flows", data["accounting"]["in_flows"]],
            *(
                [words, data["accounting"][key]]
                for key, words in REASONS.items()
                if data["accounting"].get(key)
            ),
            ["all packets", data["accounting"]["packets"]],
        ],
        "self_check": _self_check(data.get("self_check")),
    }


def _served(data: Row) -> list[Row]:
    """Return the services with flows; failed attempts have a table of their own."""
    return [row for row in data["services"] if row["flows"]]


def _facts(data: Row, traffic: JudgedFlows) -> list[list[str]]:
    span = f"{data['first_seen']} to\n{data['last_seen']}" if data["first_seen"] else "no packets"
    counted = data["flows"]
    served = sum(1 for row in _served(data) if row["proto"])
    return [
        ["Time", span],
        ["Duration", duration_text(data["duration_s"])],
        ["Packets", f"{data['packets']:,}"],
        ["Bytes on the wire", size_text(data["wire_bytes"])],
        ["Flows", f"{counted['total']:,}"],
        ["Services", f"{served:,}"],
        ["Servers", f"{traffic.totals.server_count:,}"],
    ]


def _notes(data: Row) -> list[str]:
    notes = [*data["problems"], *data["remarks"]]
    if not data["packets"]:
        notes.insert(0, "The capture has no packets.")
    elif not data["accounting"]["in_flows"]:
        notes.insert(0, "No flows to show; see Packet accounting.")
    if data["dropped"]:
        notes.append(f"{counted(data['dropped'], 'packet')} dropped by the capture.")
    if types := data["unknown_types"]:
        notes.append(f"Unknown types: {types_text(types)}.")
    if data["evicted"]:
        notes.append(f"{counted(data['evicted'], 'flow')} evicted early (--max-flows).")
    if filtered := data["accounting"].get("filtered"):
        notes.append(f"Filter excluded flows with {counted(filtered, 'packet')}.")
    return notes


def _known(traffic: JudgedFlows) -> list[Row]:
    """Return flows, packets and bytes by role, and the packets in no flow."""
    words = {
        Role.CONFIRMED: "proven by a handshake",
        Role.INFERRED: "other evidence, confidence 90% or more",
        Role.AMBIGUOUS: "confidence below 90%",
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
        "words": "see Packet accounting",
        "flows": 0,
        "packets": outside,
        "bytes": None,
    }
    return [*found, rest]


_UNITS = ("flows", "packets", "bytes")


def _self_check(check: Row | None) -> str | None:
    """Return the sentence of the self-check, if any handshake was seen."""
    if not check or not check["flows"]:
        return None
    right = f", {check['inferred_right']:,} of them correctly" if check["inferred"] else ""
    return (
        f"Self-check with handshakes hidden: of {counted(check['flows'], 'confirmed flow')}, "
        f"{check['inferred']:,} would be inferred{right}."
    )


def _largest_flows(traffic: JudgedFlows) -> tuple[pa.Table, pa.Table]:
    """Return the flows with the most bytes, and the mismatched ones likewise."""
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


def _table(name: str, title: str, found: list[Row], columns: Sequence[str], whole: int) -> dict[str, Any]:
    """Return a table's rows as lists of values, without empty columns."""
    shown = found[:MOST_ROWS]
    values = {column: [COLUMNS[column].plain(row) for row in shown] for column in columns}
    kept = [column for column in columns if any(value not in (None, "") for value in values[column])]
    return {
        "name": name,
        "title": title,
        "columns": [{"head": COLUMNS[column].head, "kind": COLUMNS[column].kind} for column in kept],
        "rows": [list(row) for row in zip(*(values[column] for column in kept), strict=True)],
        "whole": whole,
    }


_ROLES = ("flows", "confirmed", "inferred", "ambiguous")
_VOLUMES = ("bytes", "client_bytes", "server_bytes")
_SERVICES = (
    *(
        "service_and_proto",
        "service_source",
        "server_ports",
        "bytes",
        "share",
        "client_bytes",
        "server_bytes",
        *_ROLES,
    ),
    *("servers", "clients", "attempts"),
)
_SERVERS = (
    *("server", "service_and_proto", "service_source", "known_by", *_VOLUMES, "flows", "clients"),
    *("first_seen", "last_seen"),
)
_CLIENTS = ("client", "bytes", "sent", "received", "flows", "servers_contacted")
_ATTEMPTS = ("target", "service_and_proto", "outcomes", "sources", "attempt_packets")
_FLOWS = (
    *("first_seen", "client", "server", "service_and_proto", "service_source", "payload", "server_name"),
    *("role", "role_evidence", "outcome", "bytes", "packets"),
)
_MISMATCHES = (
    *("first_seen", "client", "server", "expected", "payload", "role", "outcome", "bytes", "packets"),
    "flow_id",
)
_FLOW_COLUMNS: Iterable[str] = (
    *("first_seen", "client_ip", "client_port", "server_ip", "server_port", "proto", "service"),
    *("service_source", "service_candidates", "payload", "server_name", "mismatch", "expected", "flow_id"),
    *("role", "role_confidence", "role_evidence", "outcome"),
)
_SUMS = ("packets", "bytes")
