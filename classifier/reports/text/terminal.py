"""The report for people, on a terminal or piped."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from classifier.ports.rules import with_familiar
from classifier.reports.summary import REASONS, reason_text, types_text
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
)


def print_report(out: Console, report: Row) -> None:
    """Print all of a report."""
    _print_head(out, report)
    for title, columns, rows in tables(report, out.encoding):
        show(out, title, columns, rows)
    _print_accounting(out, report)


def tables(report: Row, encoding: str) -> Iterator[tuple[str, list[Column], list[Row]]]:
    """Yield the tables of a report: title, columns, rows; some may be empty."""
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
    yield "Attempts that came to nothing (not counted above)", _ATTEMPTS, report["attempts"]
    yield (
        "Protocol mismatches: expected at the port, detected in the payload",
        _MISMATCHES,
        report["mismatches"],
    )


def _print_head(out: Console, report: Row) -> None:
    title, *lines = headline(report)
    out.print(Text(clean(title), style="bold"))
    for line in lines:
        out.print(Text(line))
    out.print()


def headline(report: Row) -> list[str]:
    """Say in a few lines what a report is about; the first names the captures."""
    span = (
        f"{report['first_seen']} to {report['last_seen']} ({duration_text(report['duration_s'])})   "
        if report["first_seen"]
        else ""
    )
    drops = f"   {report['dropped']:,} dropped while capturing" if report["dropped"] else ""
    flows = report["flows"]
    return [
        listed(report["captures"], 3),
        f"{span}{counted(report['packets'], 'packet')}   {size_text(report['wire_bytes'])}{drops}",
        f"{counted(flows['total'], 'flow')}, by how the server is known: {flows['confirmed']:,} confirmed, "
        f"{flows['inferred']:,} inferred, {flows['ambiguous']:,} ambiguous; "
        f"{counted(flows['attempted'], 'mere attempt')}",
        *_self_check(report["self_check"]),
    ]


def _self_check(check: Row) -> Iterator[str]:
    """Say how far inference can be trusted here; nothing where no handshake was seen."""
    if not check["flows"]:
        return
    inferred, right = check["inferred"], check["inferred_right"]
    text = f"Check with handshakes hidden: {inferred:,} of {counted(check['flows'], 'flow')} inferred"
    if inferred:
        # All is all, nothing is rounded up to it.
        text += (
            ", all rightly" if right == inferred else f", {min(100 * right / inferred, 99.9):.1f} % rightly"
        )
    yield text


def _print_accounting(out: Console, report: Row) -> None:
    counts = report["accounting"]
    parts = [f"{counts['in_flows']:,} in flows"]
    parts += [reason_text(reason, counts[reason]) for reason in REASONS if counts.get(reason)]
    out.print(Text(f"Packets: {counts['packets']:,} = " + " + ".join(parts)))
    if types := report["unknown_types"]:
        out.print(Text("Unknown types: " + types_text(types)))
    if report["duplicates"] and not counts["duplicate"]:
        are, them = ("is a copy", "it") if report["duplicates"] == 1 else ("are copies", "them")
        out.print(Text(f"{report['duplicates']:,} of them {are} of another (--dedup leaves {them} out)"))
    bad = report["bad_checksums"]
    if bad is not None:
        out.print(
            Text(
                f"Wrong checksums: {bad['ipv4_header']:,} of IPv4 headers, {bad['transport']:,} of TCP and "
                "UDP (normal where the capturing machine sends)"
            )
        )


def _number(name: str, head: str, spare: int = 0) -> Column:
    return Column(head, lambda row: "" if row[name] is None else f"{row[name]:,}", number=True, spare=spare)


def _size(name: str, head: str, spare: int = 0) -> Column:
    return Column(head, lambda row: size_text(row[name]), number=True, spare=spare)


def _time(name: str, spare: int) -> Column:
    """Column of a time, to the second."""
    head = f"{name.replace('_', ' ').capitalize()} (UTC)"
    return Column(head, lambda row: row[name][:19].replace("T", " "), spare=spare)


def _end(side: str) -> Column:
    """Column of an address and port."""
    ip, port = f"{side}_ip", f"{side}_port"
    return Column(side.capitalize(), lambda row: endpoint(_host(row, ip), row[port]), folds=True, whole=True)


def _named_by(spare: int) -> Column:
    """Column of where the name of a service comes from."""
    return Column("Named by", lambda row: named_by(row["service_source"]), spare=spare)


def _host(row: Row, ip: str) -> str:
    """Name an address, if a hosts file does; rows that sum up many have none."""
    return row.get(f"{ip[:-3]}_host") or row[ip] or ""


def _service(row: Row) -> str:
    """Name a row's service; `--top` leaves rows that sum up many."""
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
#: How many flows there are, and how their servers are known.
_KNOWN = [
    _number("flows", "Flows"),
    _number("confirmed", "confirmed", 3),
    _number("inferred", "inferred", 4),
    _number("ambiguous", "ambiguous", 5),
]

_SERVICES = [
    Column("Service", _service, folds=True),
    _named_by(3),
    Column("Port", _ports, folds=True, spare=2),
    _size("bytes", "Bytes"),
    _SHARE,
    _size("client_bytes", "from clients", 9),
    _size("server_bytes", "from servers", 8),
    *_KNOWN,
    _number("by_payload", "by payload", 6),
    _number("servers", "Hosts", 6),
    _number("clients", "Clients", 7),
    Column("Over time", lambda row: row["curve"], spare=10),
]

_TIMELINE = [
    _time("start", 0),
    Column("Service", lambda row: service_text(row["service"], row["proto"]), folds=True),
    _number("flows", "Flows"),
    _size("client_bytes", "from clients"),
    _size("server_bytes", "from servers"),
    _number("client_packets", "packets of clients", 2),
    _number("server_packets", "packets of servers", 1),
]


def _groups(by: str) -> list[Column]:
    return [Column(by.capitalize(), _group, folds=True, whole=True, shortens=by == "capture"), *_GROUPS]


_GROUPS = [
    _size("bytes", "Bytes"),
    _SHARE,
    _size("client_bytes", "from clients", 8),
    _size("server_bytes", "from servers", 7),
    *_KNOWN,
    Column("Attempts", lambda row: f"{sum(row[name] for name in ATTEMPTS):,}", number=True, spare=2),
    _size("attempt_bytes", "attempt bytes", 6),
]

SERVERS = [
    _end("server"),
    Column("Service", _service_and_proto, folds=True),
    _named_by(3),
    Column("Role", lambda row: (row["known_by"] or "").replace("_", " "), spare=2),
    _size("bytes", "Bytes", 1),
    _size("client_bytes", "from clients", 6),
    _size("server_bytes", "from servers", 5),
    _number("flows", "Flows", 3),
    _number("clients", "Clients", 4),
    _time("first_seen", 7),
    _time("last_seen", 8),
]

_CLIENTS = [
    Column("Client", lambda row: _host(row, "client_ip"), folds=True, whole=True),
    _size("bytes", "Bytes"),
    _size("client_bytes", "from clients", 3),
    _size("server_bytes", "from servers", 4),
    _number("flows", "Flows", 1),
    _number("servers", "Hosts", 2),
]

_ATTEMPTS = [
    Column(
        "Target", lambda row: endpoint(_host(row, "target_ip"), row["target_port"]), folds=True, whole=True
    ),
    Column("Service", _service_and_proto, folds=True, spare=1),
    Column("Attempts", _attempts, folds=True),
    _number("sources", "Sources", 2),
    _number("attempt_packets", "Packets", 3),
]

_MISMATCHES = [
    Column("Client", lambda row: row["client_ip"], folds=True, whole=True),
    _end("server"),
    Column("Proto", lambda row: row["proto"] or "", spare=2),
    Column("Expected", lambda row: row["expected"] or ""),
    Column("Detected", lambda row: row["payload"] or ""),
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
    Column("Outcome", lambda row: row["outcome"], spare=4),
    Column("State", lambda row: row["conn_state"], spare=8),
    _size("client_bytes", "from client", 7),
    _size("server_bytes", "from server", 5),
]
