"""What people see: tables that fit their terminal, and a progress bar where there is time for one."""

from __future__ import annotations

import io
import re
import struct
import time
from pathlib import Path
from typing import IO

import pytest
from launching import HANDSHAKES, OFFICE, SAMPLES, Result, fifo, on_terminal, run
from rich.console import Console

from classifier.cli.progress import PATIENCE_S
from classifier.errors import ExitStatus
from classifier.reports.text import tables, terminal

STYLE = re.compile(r"\x1b\[([0-9;]*)m")
TABLES = {"servers": terminal.SERVERS, "flows": terminal.FLOWS}


def lines(result: Result) -> list[str]:
    """The lines as they look, without bold print."""
    assert result.status == ExitStatus.OK
    return STYLE.sub("", result.output.decode()).splitlines()


@pytest.mark.parametrize("width", [20, 40, 80, 100, 120, 160, 200])
@pytest.mark.parametrize("command", ["report", "servers", "flows"])
def test_tables_fit(command: str, width: int) -> None:
    shown = lines(on_terminal(command, OFFICE, width=width))
    if width > 20:  # so little only has not to fail
        assert max(map(len, shown)) <= width


@pytest.mark.parametrize(
    "file", [HANDSHAKES, SAMPLES / "trouble/ipv6-extensions.pcap"], ids=lambda file: file.name
)
@pytest.mark.parametrize("width", [40, 80])
def test_tables_of_other_captures_fit(file: Path, width: int) -> None:
    for command in ("report", "flows"):
        assert max(map(len, lines(on_terminal(command, file, width=width)))) <= width


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("command", ["servers", "flows"])
def test_heads_are_whole(command: str, width: int) -> None:
    shown = lines(on_terminal(command, OFFICE, width=width))
    rule = next(number for number, line in enumerate(shown) if line.startswith("──"))
    heads = re.split(r"\s{2,}", shown[rule - 1])
    known = [column.head for column in TABLES[command]]
    assert heads == [head for head in known if head in heads]
    assert len(heads) >= 2 and (width < 200 or heads == known)


def test_the_report_at_80_columns_tells_how_servers_are_known() -> None:
    shown = "\n".join(lines(on_terminal(OFFICE, width=80)))
    assert re.search(r"^Service +Named by +Port +Bytes +Share +Flows +Confirmed", shown, re.M)
    assert re.search(r"^Server +Service +Named by +Role +Bytes ", shown, re.M)
    assert re.search(r"^Target +Service +Failed attempts +Sources +Packets$", shown, re.M)
    assert re.search(r"^https +payload +443/tcp +", shown, re.M)


def test_names_are_folded_before_anything_is_lost() -> None:
    columns = [
        tables.Column("Name", lambda row: row["name"], folds=True),
        tables.Column("Bytes", lambda row: f"{row['bytes']:,}", number=True),
        tables.Column("Remark", lambda row: "a remark to leave out", folds=True, spare=1),
    ]
    name = "the-name-of-a-service-that-is-long"
    rows = [{"name": name, "bytes": 12_345_678_901_234}, {"name": "short", "bytes": 1}]
    text = io.StringIO()
    tables.show(Console(width=30, file=text), "Title", columns, rows)
    shown = text.getvalue().splitlines()
    assert shown[:2] == ["Title", "Name" + " " * 21 + "Bytes"]
    assert shown[2].endswith("  12,345,678,901,234") and shown[-2] == "short" + " " * 24 + "1"
    assert shown[2].split()[0] + "".join(shown[3:-2]) == name
    assert max(map(len, shown)) == 30


def at_width(width: int, columns: list[tables.Column], *rows: dict[str, str]) -> list[str]:
    text = io.StringIO()
    tables.show(Console(width=width, file=text), "", columns, rows)
    return text.getvalue().splitlines()


def test_less_important_columns_go_before_an_address_is_broken() -> None:
    address = "[2001:db8:9:d5ae:a4d3:fe47:691e:807d]:443"
    columns = [
        tables.Column("Server", lambda row: address, folds=True, whole=True),
        tables.Column("Service", lambda row: "https", spare=1),
        tables.Column("First seen", lambda row: "2026-11-23 00:40:36", spare=7),
    ]
    assert at_width(60, columns, {})[1].split() == [address, "https"]
    narrow = [line.split() for line in at_width(34, columns, {})[1:-1]]
    assert "https" in narrow[0] and "".join(words[0] for words in narrow) == address


def test_the_middle_of_a_path_gives_way() -> None:
    columns = [tables.Column("Capture", lambda row: row["path"], folds=True, whole=True, shortens=True)]
    shown = at_width(21, columns, {"path": "/captures/november/edge-1.pcap"}, {"path": "a.pcap"})
    assert shown[1:3] == ["/captures/…dge-1.pcap", "a.pcap"]


def test_a_pipe_gets_every_column_and_no_escapes() -> None:
    for command, columns in TABLES.items():
        result = run(command, OFFICE)
        assert b"\x1b" not in result.output
        head = next(line for line in result.text.splitlines() if line.startswith(columns[0].head + "  "))
        assert re.split(r"\s{2,}", head) == [column.head for column in columns]
    for args in ((OFFICE,), ("--help",), ("report", "--help"), ("missing.pcap",), ("--bad",)):
        result = run(*args)
        assert b"\x1b" not in result.output + result.error


def test_the_width_of_a_terminal_elsewhere_does_not_matter_to_a_pipe() -> None:
    assert run("flows", OFFICE, env={"COLUMNS": "40"}).output == run("flows", OFFICE).output


def test_no_color_is_respected() -> None:
    result = on_terminal(OFFICE, env={"NO_COLOR": "1"})
    codes = {code for found in STYLE.findall(result.output.decode()) for code in found.split(";")}
    assert codes <= {"", "0", "1", "22"}, "bold is no colour"


def test_a_dumb_terminal_gets_plain_text() -> None:
    result = on_terminal(OFFICE, env={"TERM": "dumb"})
    assert result.status == ExitStatus.OK
    assert b"\x1b" not in result.output


def test_only_what_is_confirmed_is_certain() -> None:
    roles = re.findall(r" (confirmed|attempted|(?:inferred|ambiguous) \d+\.\d%) ", run("flows", OFFICE).text)
    assert len(roles) > 50
    assert not [role for role in roles if "100.0%" in role]


def packets(count: int) -> bytes:
    """Return a pcap of raw IP with one datagram repeated."""
    header = bytes.fromhex("4500001c 00000000 40110000 0a000001 0a000002 d4310035 00080000")
    return (struct.pack("<4I", 1_700_000_000, 0, len(header), len(header)) + header) * count


PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
#: Progress is looked at after each 2^18 packets.
STEP = packets(300_000)


def slowly(pipe: IO[bytes]) -> None:
    pipe.write(PCAP + STEP)
    time.sleep(PATIENCE_S + 0.5)
    pipe.write(STEP)


def test_long_work_shows_its_progress(tmp_path: Path) -> None:
    with fifo(tmp_path / "[b]live\x07", slowly) as pipe:
        result = on_terminal("report", pipe, ends=("stderr",))
    assert result.status == ExitStatus.OK
    assert b"packets/s" in result.output
    assert b"[b]live" in result.output and b"\x07" not in result.output


def test_progress_is_only_for_terminals(tmp_path: Path) -> None:
    with fifo(tmp_path / "live", slowly) as pipe:
        result = run("report", pipe)
    assert (result.status, result.error) == (ExitStatus.OK, b"")
    with fifo(tmp_path / "again", slowly) as pipe:
        result = on_terminal("report", pipe, ends=("stdout",))
    assert (result.status, result.error) == (ExitStatus.OK, b"")
    assert b"packets/s" not in result.output


def test_short_work_shows_no_progress() -> None:
    begin = time.monotonic()
    result = on_terminal("report", OFFICE, ends=("stderr",))
    if time.monotonic() - begin < 1:  # else this machine is too busy for the test
        assert result.output == b""
    assert result.status == ExitStatus.OK


def test_progress_leaves_nothing_behind_on_the_report(tmp_path: Path) -> None:
    """Both on one terminal: the bar is gone when the report begins."""
    with fifo(tmp_path / "live", slowly) as pipe:
        result = on_terminal("report", pipe)
    shown = result.output.decode()
    assert "packets/s" in shown
    assert "packets/s" not in shown[shown.index("Services") :]


def test_a_row_that_sums_up_many_names_no_server() -> None:
    other = {"client_ip": "other", "server_ip": None, "server_port": None, "proto": None}
    text = io.StringIO()
    columns = [tables.Column("Client", lambda row: row["client_ip"]), terminal.SERVERS[0]]
    tables.show(Console(width=80, file=text), "", columns, [other])
    assert text.getvalue().splitlines()[-2].split() == ["other"]
