"""The report as text, on a terminal or piped."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from classifier.reports.columns import COLUMNS
from classifier.reports.summary import REASONS, reason_text, types_text
from classifier.reports.text.sparkline import sparkline
from classifier.reports.text.tables import Column, Row, clean, show
from classifier.wording import counted, duration_text, listed, size_text


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


#: Columns whose text may be folded; and those folded only when nothing less important is left to drop.
_FOLDS = {
    *("service", "service_and_proto", "server_ports", "role_evidence", "outcomes", "expected", "payload"),
    *("server", "client", "target", "group"),
}
_WHOLE = {"server", "client", "target", "group"}


def _columns(*names: str, **spare: int) -> list[Column]:
    """Return columns by name; a narrow terminal drops those with the highest `spare` first."""
    return [
        Column(
            (column := COLUMNS[name]).head,
            column.text,
            number=column.is_number,
            folds=name in _FOLDS,
            whole=name in _WHOLE,
            spare=spare.get(name, 0),
        )
        for name in names
    ]


_ROLES = ("flows", "confirmed", "inferred", "ambiguous")
_SERVICES = _columns(
    *("service", "service_source", "server_ports", "bytes", "share", "client_bytes", "server_bytes", *_ROLES),
    *("by_payload", "servers", "clients", "curve"),
    **{"service_source": 3, "server_ports": 2, "share": 1, "client_bytes": 9, "server_bytes": 8},
    **{
        "confirmed": 3,
        "inferred": 4,
        "ambiguous": 5,
        "by_payload": 6,
        "servers": 6,
        "clients": 7,
        "curve": 10,
    },
)
_TIMELINE = _columns(
    *(
        "start",
        "service_and_proto",
        "flows",
        "client_bytes",
        "server_bytes",
        "client_packets",
        "server_packets",
    ),
    client_packets=2,
    server_packets=1,
)


def _groups(by: str) -> list[Column]:
    group, *others = _columns(
        *("group", "bytes", "share", "client_bytes", "server_bytes", *_ROLES, "attempts", "attempt_bytes"),
        **{"share": 1, "client_bytes": 8, "server_bytes": 7, "confirmed": 3, "inferred": 4, "ambiguous": 5},
        **{"attempts": 2, "attempt_bytes": 6},
    )
    return [group._replace(head=by.capitalize(), shortens=by == "capture"), *others]


SERVERS = _columns(
    *("server", "service_and_proto", "service_source", "known_by", "bytes", "client_bytes", "server_bytes"),
    *("flows", "clients", "first_seen", "last_seen"),
    **{"service_source": 3, "known_by": 2, "bytes": 1, "client_bytes": 6, "server_bytes": 5},
    **{"flows": 3, "clients": 4, "first_seen": 7, "last_seen": 8},
)
_CLIENTS = _columns(
    *("client", "bytes", "sent", "received", "flows", "servers_contacted"),
    **{"sent": 3, "received": 4, "flows": 1, "servers_contacted": 2},
)
_ATTEMPTS = _columns(
    *("target", "service_and_proto", "outcomes", "sources", "attempt_packets"),
    **{"service_and_proto": 1, "sources": 2, "attempt_packets": 3},
)
_MISMATCHES = _columns(
    *("client", "server", "proto", "expected", "payload", "flows", "bytes"),
    **{"proto": 2, "flows": 1, "bytes": 3},
)
FLOWS = _columns(
    *("first_seen", "client", "server", "proto", "service", "service_source", "role", "role_evidence"),
    *("outcome", "conn_state", "client_bytes", "server_bytes"),
    **{"first_seen": 6, "proto": 3, "service": 1, "service_source": 6, "role": 2, "role_evidence": 9},
    **{"outcome": 4, "conn_state": 8, "client_bytes": 7, "server_bytes": 5},
)
