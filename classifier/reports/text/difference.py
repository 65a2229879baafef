"""The differences between two captures, on a terminal."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
from rich.console import Console
from rich.text import Text

from classifier.reports.export.tabular import rows
from classifier.reports.summary import seconds_text, time_text
from classifier.reports.text.tables import Column, Row, clean, show
from classifier.traffic.judged_flows import JudgedFlows
from classifier.wording import counted, duration_text, endpoint, service_text, size_text, value_text


def print_difference(out: Console, before: JudgedFlows, after: JudgedFlows, difference: pa.Table) -> None:
    """Print which services and servers are new, gone or changed."""
    for title, traffic in (("Before", before), ("After", after)):
        metered = traffic.metered
        span = f"{time_text(metered.begin_ns)}, {duration_text((metered.end_ns - metered.begin_ns) / 1e9)}, "
        files = ", ".join(metered.captures[:3]) + ("" if len(metered.captures) <= 3 else " …")
        packets = counted(metered.counters.packets, "packet")
        out.print(Text(clean(f"{title}: {files} ({span if metered.counters.packets else ''}{packets})")))
    found = rows(difference)
    for kind in ("service", "server"):
        counts = Counter(row["status"] for row in found if row["kind"] == kind)
        text = ", ".join(f"{counts[status]:,} {status}" for status in ("new", "gone", "changed"))
        out.print(Text(f"{kind.capitalize()}s: {text}"))
    out.print()
    show(out, "Services", _SERVICES, [row for row in found if row["kind"] == "service"])
    show(out, "Servers", _SERVERS, [row for row in found if row["kind"] == "server"])


def _server(row: Row) -> str:
    return endpoint(row.get("server_host") or row["server_ip"], row["server_port"])


def _services(row: Row) -> str:
    """Return the services, before and after where they differ."""
    before, after = (
        ", ".join(f"{name}/{row['proto']}" for name in row[f"services_{when}"] or ())
        or service_text(None, row["proto"])
        for when in ("before", "after")
    )
    if row["status"] == "changed" and before != after:
        return f"{before} → {after}"
    return before if row["status"] == "gone" else after


def _known(row: Row) -> str:
    texts = [value_text(row[f"known_by_{when}"]) for when in ("before", "after")]
    return " → ".join(dict.fromkeys(text for text in texts if text))


def _number(name: str, head: str, spare: int) -> Column:
    def text(row: Row) -> str:
        values = (row[f"{name}_before"], row[f"{name}_after"])
        write = size_text if name == "bytes" else "{:,}".format
        return " → ".join(dict.fromkeys(write(value) for value in values if value is not None))

    return Column(head, text, number=True, spare=spare)


def _change(name: str) -> str:
    return "role" if name == "known_by" else name


_STATUS = Column("Status", lambda row: row["status"])
_REST = [
    Column("Changed", lambda row: ", ".join(map(_change, row["changes"])), folds=True, spare=5),
    Column("Role", _known, spare=2),
    _number("clients", "Clients", 3),
    _number("flows", "Flows", 4),
    _number("bytes", "Bytes", 1),
]
_SERVICES = [_STATUS, Column("Service", _services, folds=True), *_REST]
_SERVERS = [
    _STATUS,
    Column("Server", _server, folds=True),
    Column("Service", _services, folds=True),
    *_REST,
    Column("First seen", lambda row: seconds_text(row["first_seen"]), spare=6),
]
