"""The report as text, on a terminal or piped."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from classifier.ports.rules import with_familiar
from classifier.reports.summary import REASONS, reason_text, seconds_text, types_text
from classifier.reports.text.sparkline import sparkline
from classifier.reports.text.tables import Column, Row, clean, show
from classifier.traffic.tables import ATTEMPTS
from classifier.wording import (
    counted,
    duration_text,
    endpoint,
    listed,
    named_by,
    role_text,
    service_name,
    service_text,
    size_text,
    value_text,
)


def print_report(out: Console, report: Row) -> None:
    """Print a report."""
    _print_head(out, report)
    for title, columns, rows in tables(report, out.encoding):
        show(out, title, columns, rows)
    _print_accounting(out, report)


def tables(report: Row, encoding: str) -> Iterator[tuple[str, list[Column], list[Row]]]:
    """Yield the tables of a report: title, columns, rows; some may have no rows."""
    if by := report.get("by"):
        yield f"By {by}", _groups(by), report["groups"]
        return
    if "timeline" in report:
        yield "Services over time", _TIMELINE, report["timeline"]
        return
    curves = {(row["service"], row["proto"]): row["bytes"] for row in report["over_time"]["services"]}
    served = [
        row | {"curve": sparkline(curves.get((row["service"], row["proto"]), []), encoding)}
        for row in report["services"]
        if row["flows"]
    ]
    yield "Services", _SERVICES, served
    yield "Servers", SERVERS, report["servers"]
    yield "Clients", _CLIENTS, report["clients"]
    yield "Failed connection attempts (not counted above)", _ATTEMPTS, report["attempts"]
    yield "Protocol mismatches", _MISMATCHES, report["mismatches"]


def _print_head(out: Console, report: Row) -> None:
    title, *lines = headline(report)
    out.print(Text(clean(title), style="bold"))
    for line in lines:
        out.print(Text(line))
    out.print()


def headline(report: Row) -> list[str]:
    """Return the lines above the tables, the first with the captures."""
    span = (
        f"{report['first_seen']} to {report['last_seen']} ({duration_text(report['duration_s'])})   "
        if report["first_seen"]
        else ""
    )
    drops = f"   {report['dropped']:,} dropped" if report["dropped"] else ""
    flows = report["flows"]
    return [
        listed(report["captures"], 3),
        f"{span}{counted(report['packets'], 'packet')}   {size_text(report['wire_bytes'])}{drops}",
        f"{counted(flows['total'], 'flow')}. Role: {flows['confirmed']:,} confirmed, "
        f"{flows['inferred']:,} inferred, {flows['ambiguous']:,} ambiguous; "
        f"{counted(flows['attempted'], 'failed attempt')}",
        *_self_check(report["self_check"]),
    ]


def _self_check(check: Row) -> Iterator[str]:
    """Yield the line of the self-check, if any handshake was seen."""
    if not check["flows"]:
        return
    inferred, right = check["inferred"], check["inferred_right"]
    flows = counted(check["flows"], "confirmed flow")
    text = f"Self-check with handshakes hidden: {inferred:,} of {flows} inferred"
    if inferred:
        share = (
            "100" if right == inferred else f"{min(100 * right / inferred, 99.9):.1f}"
        )  # never rounded up to 100
        text += f", {right:,} correct ({share}%)"
    yield text


def _print_accounting(out: Console, report: Row) -> None:
    counts = report["accounting"]
    parts = [f"{counts['in_flows']:,} in flows"]
    parts += [reason_text(reason, counts[reason]) for reason in REASONS if counts.get(reason)]
    out.print(Text(f"Packets: {counts['packets']:,} = " + " + ".join(parts)))
    if types := report["unknown_types"]:
        out.print(Text("Unknown types: " + types_text(types)))
    if report["duplicates"] and not counts["duplicate"]:
        out.print(
            Text(f"Duplicates: {counted(report['duplicates'], 'packet')}, counted (--dedup ignores them)")
        )
    bad = report["bad_checksums"]
    if bad is not None:
        out.print(
            Text(
                f"Bad checksums: {bad['ipv4_header']:,} IPv4, {bad['transport']:,} TCP or UDP "
                "(expected in packets sent by the capturing host: checksum offload)"
            )
        )


def _number(name: str, head: str, spare: int = 0) -> Column:
    return Column(head, lambda row: "" if row[name] is None else f"{row[name]:,}", number=True, spare=spare)


def _size(name: str, head: str, spare: int = 0) -> Column:
    return Column(head, lambda row: size_text(row[name]), number=True, spare=spare)


def _time(name: str, spare: int) -> Column:
    """Return a column of a time, to the second."""
    return Column(name.replace("_", " ").capitalize(), lambda row: seconds_text(row[name]), spare=spare)


def _end(side: str) -> Column:
    """Return a column of an address and port."""
    ip, port = f"{side}_ip", f"{side}_port"
    return Column(side.capitalize(), lambda row: endpoint(_host(row, ip), row[port]), folds=True, whole=True)


def _named_by(spare: int) -> Column:
    """Return the column that shows where the name of a service comes from."""
    return Column("Named by", lambda row: named_by(row["service_source"]), spare=spare)


def _host(row: Row, ip: str) -> str:
    """Return the host name or address of a row; rows of totals have none."""
    return row.get(f"{ip[:-3]}_host") or row[ip] or ""


def _service(row: Row) -> str:
    """Return the service of a row; rows of totals have a label instead."""
    return with_familiar(service_name(row["service"])) if row["proto"] else row["service"] or ""


def _service_and_proto(row: Row) -> str:
    return f"{_service(row)}/{row['proto']}" if row["proto"] else ""


def _ports(row: Row) -> str:
    ports = row["server_ports"] or []
    several = ",".join(str(port) for port in ports[:4]) + (f" +{len(ports) - 4:,}" if len(ports) > 4 else "")
    return f"{several}/{row['proto']}" if row["proto"] else ""


def _attempts(row: Row) -> str:
    return ", ".join(f"{row[outcome]:,} {outcome}" for outcome in ATTEMPTS if row[outcome])


def _group(row: Row) -> str:
    host = row.get("server_host") or row.get("client_host")
    return f"{row['group']} ({host})" if host else str(row["group"])


_SHARE = Column(
    "Share", lambda row: "" if row["share"] is None else f"{row['share']:.1%}", number=True, spare=1
)
#: Flows, in total and by role.
_KNOWN = [
    _number("flows", "Flows"),
    _number("confirmed", "Confirmed", 3),
    _number("inferred", "Inferred", 4),
    _number("ambiguous", "Ambiguous", 5),
]

_SERVICES = [
    Column("Service", _service, folds=True),
    _named_by(3),
    Column("Port", _ports, folds=True, spare=2),
    _size("bytes", "Bytes"),
    _SHARE,
    _size("client_bytes", "Client bytes", 9),
    _size("server_bytes", "Server bytes", 8),
    *_KNOWN,
    _number("by_payload", "Detected (payload)", 6),
    _number("servers", "Servers", 6),
    _number("clients", "Clients", 7),
    Column("Over time", lambda row: row["curve"], spare=10),
]

_TIMELINE = [
    _time("start", 0),
    Column("Service", lambda row: service_text(row["service"], row["proto"]), folds=True),
    _number("flows", "Flows"),
    _size("client_bytes", "Client bytes"),
    _size("server_bytes", "Server bytes"),
    _number("client_packets", "Client packets", 2),
    _number("server_packets", "Server packets", 1),
]


def _groups(by: str) -> list[Column]:
    return [Column(by.capitalize(), _group, folds=True, whole=True, shortens=by == "capture"), *_GROUPS]


_GROUPS = [
    _size("bytes", "Bytes"),
    _SHARE,
    _size("client_bytes", "Client bytes", 8),
    _size("server_bytes", "Server bytes", 7),
    *_KNOWN,
    Column("Failed attempts", lambda row: f"{sum(row[name] for name in ATTEMPTS):,}", number=True, spare=2),
    _size("attempt_bytes", "Attempt bytes", 6),
]

SERVERS = [
    _end("server"),
    Column("Service", _service_and_proto, folds=True),
    _named_by(3),
    Column("Role", lambda row: value_text(row["known_by"]), spare=2),
    _size("bytes", "Bytes", 1),
    _size("client_bytes", "Client bytes", 6),
    _size("server_bytes", "Server bytes", 5),
    _number("flows", "Flows", 3),
    _number("clients", "Clients", 4),
    _time("first_seen", 7),
    _time("last_seen", 8),
]

_CLIENTS = [
    Column("Client", lambda row: _host(row, "client_ip"), folds=True, whole=True),
    _size("bytes", "Bytes"),
    _size("client_bytes", "Sent", 3),
    _size("server_bytes", "Received", 4),
    _number("flows", "Flows", 1),
    _number("servers", "Servers contacted", 2),
]

_ATTEMPTS = [
    Column(
        "Target", lambda row: endpoint(_host(row, "target_ip"), row["target_port"]), folds=True, whole=True
    ),
    Column("Service", _service_and_proto, folds=True, spare=1),
    Column("Failed attempts", _attempts, folds=True),
    _number("sources", "Sources", 2),
    _number("attempt_packets", "Packets", 3),
]

_MISMATCHES = [
    Column("Client", lambda row: row["client_ip"], folds=True, whole=True),
    _end("server"),
    Column("Proto", lambda row: row["proto"] or "", spare=2),
    Column("Expected (port)", lambda row: row["expected"] or "", folds=True),
    Column("Detected (payload)", lambda row: row["payload"] or "", folds=True),
    _number("flows", "Flows", 1),
    _size("bytes", "Bytes", 3),
]

FLOWS = [
    _time("first_seen", 6),
    _end("client"),
    _end("server"),
    Column("Proto", lambda row: row["proto"], spare=3),
    Column(
        "Service",
        lambda row: with_familiar(service_name(row["service"], row["service_candidates"])),
        folds=True,
        spare=1,
    ),
    _named_by(6),
    Column("Role", lambda row: role_text(row["role"], row["role_confidence"]), spare=2),
    Column("Evidence", lambda row: ", ".join(row["role_evidence"]), folds=True, spare=9),
    Column("Outcome", lambda row: value_text(row["outcome"]), spare=4),
    Column("State", lambda row: row["conn_state"], spare=8),
    _size("client_bytes", "Client bytes", 7),
    _size("server_bytes", "Server bytes", 5),
]
