"""The report for people: tables that fit the terminal, plain text when piped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from classifier.reports.summary import REASONS

Row = dict[str, Any]
#: A pipe has no width: wide enough for every column.
PIPE_WIDTH = 200
#: Blanks between columns.
GAP = 2
#: Text that is wider may be folded before a column is left out for it.
TEXT_WIDTH = 21


@dataclass(frozen=True)
class Column:
    """A column of a table: how to make its text from a row, and whether it may be left out."""

    head: str
    text: Callable[[Row], str]
    number: bool = False
    #: Where the terminal is too narrow, the column with the highest goes first; 0 stays.
    spare: int = 0


def console() -> Console:
    """Return a console for standard output."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPE_WIDTH, color_system=None)


def show(out: Console, title: str, columns: Iterable[Column], rows: Iterable[Row]) -> None:
    """Print a table, unless it would be empty."""
    every = list(rows)
    if not every:
        return
    shown = _fitting({column: [clean(column.text(row)) for row in every] for column in columns}, out.width)
    # SIMPLE_HEAD brings one of the blanks between columns along.
    box, blanks = (SIMPLE_HEAD, GAP - 1) if out.is_terminal else (None, GAP)
    table = Table(box=box, padding=(0, blanks, 0, 0), show_edge=False, pad_edge=False)
    for column in shown:
        side: JustifyMethod = "right" if column.number else "left"
        table.add_column(column.head, justify=side, no_wrap=column.number, overflow="fold")
    for texts in zip(*shown.values(), strict=True):
        table.add_row(*map(Text, texts))
    if title:
        out.print(Text(title, style="bold"))
    with out.capture() as text:
        out.print(table)
    # No blanks at line ends: they get in the way where the text is pasted.
    out.file.write("\n".join(line.rstrip() for line in text.get().splitlines()) + "\n\n")


def _fitting(columns: dict[Column, list[str]], width: int) -> dict[Column, list[str]]:
    """Leave out columns until the others fit: no number is cut, no word of a header folded."""
    needs = {
        column: max(
            len(column.head),
            min(max(map(cell_len, texts)), width if column.number else TEXT_WIDTH),
        )
        for column, texts in columns.items()
    }
    while sum(needs.values()) + GAP * (len(needs) - 1) > width:
        last = max(needs, key=lambda column: column.spare)
        if not last.spare:
            break
        del needs[last]
    return {column: columns[column] for column in needs}


def clean(text: str) -> str:
    """Take out what could steer a terminal: text may come from packets, or from file names."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def print_report(out: Console, report: Row) -> None:
    """Print all of a report."""
    _print_head(out, report)
    show(out, "Services", _SERVICES, (row for row in report["services"] if row["flows"]))
    show(out, "Servers", SERVERS, report["servers"])
    show(out, "Clients", _CLIENTS, report["clients"])
    show(out, "Attempts that came to nothing (not counted above)", _ATTEMPTS, report["attempts"])
    _print_accounting(out, report)


def _print_head(out: Console, report: Row) -> None:
    files = report["captures"]
    names = ", ".join(files[:3]) + (f" and {len(files) - 3:,} more" if len(files) > 3 else "")
    out.print(Text(clean(names), style="bold"))
    span = (
        f"{report['first_seen']} to {report['last_seen']} ({report['duration_s']:,.1f} s)   "
        if report["first_seen"]
        else ""
    )
    drops = f"   {report['dropped']:,} dropped while capturing" if report["dropped"] else ""
    out.print(Text(f"{span}{report['packets']:,} packets   {size_text(report['wire_bytes'])}{drops}"))
    flows = report["flows"]
    attempts = flows["refused"] + flows["unanswered"] + flows["unsolicited"]
    out.print(
        Text(
            f"{flows['total']:,} flows, by how the server is known: {flows['confirmed']:,} confirmed, "
            f"{flows['inferred']:,} inferred, {flows['ambiguous']:,} ambiguous; {attempts:,} mere attempts"
        )
    )
    out.print()


def _print_accounting(out: Console, report: Row) -> None:
    counts = report["accounting"]
    parts = [f"{counts['in_flows']:,} in flows"]
    parts += [f"{counts[reason]:,} {words}" for reason, words in REASONS.items() if counts.get(reason)]
    out.print(Text(f"Packets: {counts['packets']:,} = " + " + ".join(parts)))


def _number(name: str, head: str, from_width: int = 0) -> Column:
    return Column(head, lambda row: "" if row[name] is None else f"{row[name]:,}", True, from_width)


def _size(name: str, head: str, from_width: int = 0) -> Column:
    return Column(head, lambda row: size_text(row[name]), True, from_width)


def size_text(size_bytes: int) -> str:
    """Write a number of bytes in decimal units."""
    return decimal(size_bytes).replace(" bytes", " B").replace(" byte", " B")


def _time(name: str, from_width: int) -> Column:
    """Column of a time, to the second."""
    return Column(
        name.replace("_", " ").capitalize(),
        lambda row: row[name][:19].replace("T", " "),
        from_width=from_width,
    )


def _service(row: Row) -> str:
    """Name a row's service; `--top` leaves rows that sum up many."""
    return row["service"] or ("(no rule)" if row["proto"] else "")


def _service_and_proto(row: Row) -> str:
    return f"{_service(row)}/{row['proto']}" if row["proto"] else ""


def _ports(row: Row) -> str:
    ports = row["server_ports"] or []
    several = ",".join(str(port) for port in ports[:4]) + (f" +{len(ports) - 4:,}" if len(ports) > 4 else "")
    return f"{several}/{row['proto']}" if row["proto"] else ""


def endpoint(ip: str, port: int | None) -> str:
    """Write an address and port, IPv6 in brackets."""
    if port is None:
        return ip
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


_SERVICES = [
    Column("Service", _service),
    Column("Port", _ports),
    _size("bytes", "Bytes"),
    Column("Share", lambda row: f"{row['share']:.1%}", True),
    _size("client_bytes", "from clients", 112),
    _size("server_bytes", "from servers", 112),
    _number("flows", "Flows"),
    _number("confirmed", "confirmed"),
    _number("inferred", "inferred"),
    _number("ambiguous", "ambiguous"),
    _number("servers", "Servers", 90),
    _number("clients", "Clients", 100),
]

SERVERS = [
    Column("Server", lambda row: endpoint(row["server_ip"], row["server_port"])),
    Column("Service", _service_and_proto),
    Column("Known by", lambda row: (row["known_by"] or "").replace("_", " ")),
    _size("bytes", "Bytes"),
    _size("client_bytes", "from clients", 112),
    _size("server_bytes", "from server", 100),
    _number("flows", "Flows"),
    _number("clients", "Clients"),
    _time("first_seen", 120),
    _time("last_seen", 142),
]

_CLIENTS = [
    Column("Client", lambda row: row["client_ip"]),
    _size("bytes", "Bytes"),
    _size("client_bytes", "sent", 60),
    _size("server_bytes", "received", 60),
    _number("flows", "Flows"),
    _number("servers", "Servers"),
]

_ATTEMPTS = [
    Column("Target", lambda row: endpoint(row["target_ip"], row["target_port"])),
    Column("Service", _service_and_proto),
    _number("refused", "refused"),
    _number("unanswered", "unanswered"),
    _number("unsolicited", "unsolicited"),
    _number("sources", "Sources", 90),
    _number("attempt_packets", "Packets"),
]

FLOWS = [
    _time("first_seen", 100),
    Column("Client", lambda row: endpoint(row["client_ip"], row["client_port"])),
    Column("Server", lambda row: endpoint(row["server_ip"], row["server_port"])),
    Column("Proto", lambda row: row["proto"]),
    Column("Service", lambda row: row["service"] or "|".join(row["service_candidates"]) or "(no rule)"),
    Column(
        "Role",
        lambda row: row["role"] + (f" {row['role_confidence']:.0%}" if row["role"] != "confirmed" else ""),
    ),
    Column("Evidence", lambda row: ", ".join(row["role_evidence"]), from_width=150),
    Column("Outcome", lambda row: row["outcome"]),
    Column("State", lambda row: row["conn_state"], from_width=130),
    _size("client_bytes", "from client", 110),
    _size("server_bytes", "from server", 110),
]
