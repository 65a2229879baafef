"""The report for people: tables that fit the terminal, plain text when piped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console
from rich.filesize import decimal
from rich.text import Text

from classifier.reports.summary import REASONS
from classifier.traffic.totals import ATTEMPTS

Row = dict[str, Any]
#: A pipe has no width: wide enough for every column.
PIPE_WIDTH = 200
#: Blanks between columns.
GAP = 2
#: Text that is wider may be folded before a column is left out for it.
TEXT_WIDTH = 21


@dataclass(frozen=True)
class Column:
    """A column of a table: how to make its text from a row, and what may be done to it to save room."""

    head: str
    text: Callable[[Row], str]
    number: bool = False
    folds: bool = False
    #: Where the terminal is too narrow, the column with the highest is left out first; 0 stays.
    spare: int = 0


def console() -> Console:
    """Return a console for standard output."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPE_WIDTH, color_system=None)


def show(out: Console, title: str, columns: Iterable[Column], rows: Iterable[Row]) -> None:
    """Print a table, unless it would be empty. rich's own tables manage a thousand rows a second."""
    every = list(rows)
    if not every:
        return
    texts = {column: [clean(column.text(row)) for row in every] for column in columns}
    widths = _fitting(texts, out.width)
    if title:
        out.print(Text(title, style="bold"))
    heads = _lines([column.head for column in widths], widths)
    out.print(Text("\n".join(heads), style="bold"), soft_wrap=True)
    if out.is_terminal:
        rule = "─" if out.encoding.startswith("utf") else "-"
        out.file.write(rule * (sum(widths.values()) + GAP * (len(widths) - 1)) + "\n")
    for cells in zip(*(texts[column] for column in widths), strict=True):
        out.file.writelines(f"{line}\n" for line in _lines(cells, widths))
    out.file.write("\n")


def _fitting(texts: dict[Column, list[str]], room: int) -> dict[Column, int]:
    """Choose columns and their widths: no header is folded, no number cut."""
    widths = {column: max(cell_len(text) for text in [column.head, *texts[column]]) for column in texts}
    while any(column.spare for column in widths):
        least = (min(width, TEXT_WIDTH) if column.folds else width for column, width in widths.items())
        if sum(least) + GAP * (len(widths) - 1) <= room:
            break
        del widths[max(widths, key=lambda column: column.spare)]
    while sum(widths.values()) + GAP * (len(widths) - 1) > room:
        slack = {column: width - len(column.head) for column, width in widths.items() if column.folds}
        if not any(slack.values()):
            break
        widths[max(slack, key=lambda column: slack[column])] -= 1
    return widths


def _lines(cells: Sequence[str], widths: dict[Column, int]) -> Iterator[str]:
    """Lay out one row, of several lines where text is folded."""
    folded = [
        [cell] if cell_len(cell) <= width else chop_cells(cell, width)
        for cell, width in zip(cells, widths.values(), strict=True)
    ]
    for parts in zip_longest(*folded, fillvalue=""):
        padded = (
            " " * (width - cell_len(part)) + part if column.number else set_cell_size(part, width)
            for part, (column, width) in zip(parts, widths.items(), strict=True)
        )
        # No blanks at line ends: they get in the way where the text is pasted.
        yield (" " * GAP).join(padded).rstrip()


def clean(text: str) -> str:
    """Take out what could steer a terminal: text may come from packets, or from file names."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def print_report(out: Console, report: Row) -> None:
    """Print all of a report."""
    _print_head(out, report)
    show(out, "Services", _SERVICES, (row for row in report["services"] if row["flows"]))
    show(out, "Servers", SERVERS, report["servers"])
    show(out, "Clients", _CLIENTS, report["clients"])
    show(out, "Attempts that came to nothing (not counted above)", _ATTEMPTS, report["attempts"])
    show(out, "Payload that is not what the port promises", _MISMATCHES, report["mismatches"])
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
    _print_self_check(out, report["self_check"])
    out.print()


def _print_self_check(out: Console, check: Row) -> None:
    """Say how far inference can be trusted here; nothing where no handshake was seen."""
    if not check["flows"]:
        return
    of_flows = f"{check['inferred']:,} of {check['flows']:,} flows"
    text = f"Without their handshakes, {of_flows} would have been inferred"
    if check["inferred"]:
        text += (
            f" ({_percent(check['inferred'], check['flows'])}), "
            f"{_percent(check['inferred_right'], check['inferred'])} of these rightly"
        )
    out.print(Text(text))


def _percent(part: int, whole: int) -> str:
    """Write a share; only all is rounded up to 100 %."""
    return "100 %" if part == whole else f"{min(100 * part / whole, 99.9):.1f} %"


def _print_accounting(out: Console, report: Row) -> None:
    counts = report["accounting"]
    parts = [f"{counts['in_flows']:,} in flows"]
    parts += [f"{counts[reason]:,} {words}" for reason, words in REASONS.items() if counts.get(reason)]
    out.print(Text(f"Packets: {counts['packets']:,} = " + " + ".join(parts)))


def _number(name: str, head: str, spare: int = 0) -> Column:
    return Column(head, lambda row: "" if row[name] is None else f"{row[name]:,}", number=True, spare=spare)


def _size(name: str, head: str, spare: int = 0) -> Column:
    return Column(head, lambda row: size_text(row[name]), number=True, spare=spare)


def size_text(size_bytes: int) -> str:
    """Write a number of bytes in decimal units."""
    return decimal(size_bytes).replace(" bytes", " B").replace(" byte", " B")


def _time(name: str, spare: int) -> Column:
    """Column of a time, to the second."""
    head = name.replace("_", " ").capitalize()
    return Column(head, lambda row: row[name][:19].replace("T", " "), spare=spare)


def _end(side: str) -> Column:
    """Column of an address and port."""
    ip, port = f"{side}_ip", f"{side}_port"
    return Column(side.capitalize(), lambda row: endpoint(row[ip], row[port]), folds=True)


def _service(row: Row) -> str:
    """Name a row's service; `--top` leaves rows that sum up many."""
    return row["service"] or ("(no rule)" if row["proto"] else "")


def _service_and_proto(row: Row) -> str:
    return f"{_service(row)}/{row['proto']}" if row["proto"] else ""


def _ports(row: Row) -> str:
    ports = row["server_ports"] or []
    several = ",".join(str(port) for port in ports[:4]) + (f" +{len(ports) - 4:,}" if len(ports) > 4 else "")
    return f"{several}/{row['proto']}" if row["proto"] else ""


def _attempts(row: Row) -> str:
    return ", ".join(f"{row[outcome]:,} {outcome}" for outcome in ATTEMPTS if row[outcome])


def _role(row: Row) -> str:
    """Name the role; only what is confirmed is certain, so nothing else is rounded up to 100 %."""
    if row["role"] == "confirmed":
        return "confirmed"
    return f"{row['role']} {int(row['role_confidence'] * 100)}%"


def endpoint(ip: str, port: int | None) -> str:
    """Write an address and port, IPv6 in brackets."""
    if port is None:
        return ip
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


_SERVICES = [
    Column("Service", _service, folds=True),
    Column("Port", _ports, folds=True, spare=2),
    _size("bytes", "Bytes"),
    Column("Share", lambda row: f"{row['share']:.1%}", number=True, spare=1),
    _size("client_bytes", "from clients", 9),
    _size("server_bytes", "from servers", 8),
    _number("flows", "Flows"),
    _number("confirmed", "confirmed", 3),
    _number("inferred", "inferred", 4),
    _number("ambiguous", "ambiguous", 5),
    _number("by_payload", "by payload", 6),
    _number("servers", "Servers", 6),
    _number("clients", "Clients", 7),
]

SERVERS = [
    _end("server"),
    Column("Service", _service_and_proto, folds=True),
    Column("Known by", lambda row: (row["known_by"] or "").replace("_", " "), spare=2),
    _size("bytes", "Bytes", 1),
    _size("client_bytes", "from clients", 6),
    _size("server_bytes", "from server", 5),
    _number("flows", "Flows", 3),
    _number("clients", "Clients", 4),
    _time("first_seen", 7),
    _time("last_seen", 8),
]

_CLIENTS = [
    Column("Client", lambda row: row["client_ip"], folds=True),
    _size("bytes", "Bytes"),
    _size("client_bytes", "sent", 3),
    _size("server_bytes", "received", 4),
    _number("flows", "Flows", 1),
    _number("servers", "Servers", 2),
]

_ATTEMPTS = [
    Column("Target", lambda row: endpoint(row["target_ip"], row["target_port"]), folds=True),
    Column("Service", _service_and_proto, folds=True, spare=1),
    Column("Attempts", _attempts, folds=True),
    _number("sources", "Sources", 2),
    _number("attempt_packets", "Packets", 3),
]

_MISMATCHES = [
    Column("Client", lambda row: row["client_ip"], folds=True),
    _end("server"),
    Column("Proto", lambda row: row["proto"] or "", spare=2),
    Column("Promised", lambda row: row["promised"] or ""),
    Column("Spoken", lambda row: row["spoken"] or ""),
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
        lambda row: row["service"] or "|".join(row["service_candidates"]) or "(no rule)",
        folds=True,
        spare=1,
    ),
    Column("Role", _role, spare=2),
    Column("Evidence", lambda row: ", ".join(row["role_evidence"]), folds=True, spare=9),
    Column("Outcome", lambda row: row["outcome"], spare=4),
    Column("State", lambda row: row["conn_state"], spare=8),
    _size("client_bytes", "from client", 7),
    _size("server_bytes", "from server", 5),
]
