"""The command line of `live`: errors, and its other outputs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from feeding import OFFICE
from launching import COMMAND, environment, finish, on_terminal, run, start, wait_until_idle
from world import needs_filters, needs_root

from classifier.errors import ExitStatus

LINUX = sys.platform == "linux"
needs_linux = pytest.mark.skipif(not LINUX, reason="packet sockets are Linux's")


def unprivileged(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it without the right to capture, as a user who can still read this program."""

    def child() -> None:
        import ctypes

        for capability in (12, 13):  # CAP_NET_ADMIN, CAP_NET_RAW: from the bounding set
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)

    return subprocess.run(
        [*COMMAND, *arguments],
        preexec_fn=child,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )


def test_no_such_interface_names_those_there_are() -> None:
    result = run("live", "no-such-one")
    assert result.status == ExitStatus.NO_INPUT
    assert result.complaint.startswith("classifier: no-such-one: no such interface; choose from ")
    assert "lo" in result.complaint


@needs_linux
@needs_root
def test_without_the_right_it_says_how_to_get_it() -> None:
    done = unprivileged("live", "lo", "--engine", "socket")
    assert done.returncode == ExitStatus.NO_INPUT
    assert "no permission to capture" in done.stderr
    assert "sudo setcap cap_net_raw+ep /" in done.stderr and "usermod -aG wireshark" in done.stderr


@needs_linux
@needs_root
@needs_filters
def test_a_bad_filter_is_told_before_the_start() -> None:
    result = run("live", "lo", "--filter", "tcp port 443 und host 10.0.0.1")
    assert result.status == ExitStatus.USAGE
    assert "at 'und host 10.0.0.1' (character 14)" in result.complaint


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["lo", "--window", "soon"], "'soon' is not a duration such as"),
        (["lo", "--for", "0"], "'0' is not a duration"),
        (["lo", "--buffer", "much"], "'much' is not a size such as"),
        (["lo", "--write", "folder/"], "not a Parquet file; give DIR/NAME.parquet"),
        (["lo", "--rotate", "5m"], "add --write DIR/NAME.parquet"),
        (["lo", "eth0", "lo"], "lo is given twice"),
        (["lo", "--events", "surprise"], "choose from new-server, mismatch"),
        (["lo", "--events-file", "x"], "needs --events"),
        (["lo", "--format", "screen"], "--format screen needs a terminal"),
        (["-", "--filter", "tcp"], "tcpdump -w - tcp"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_wrong_usage(arguments: list[str], complaint: str) -> None:
    result = run("live", *arguments)
    assert result.status == ExitStatus.USAGE
    assert complaint in result.complaint
    assert result.output == b""


def test_a_terminal_is_no_stream() -> None:
    result = on_terminal("live", "-", ends=("stdin",))
    assert result.status == ExitStatus.NO_INPUT
    assert b"ssh host tcpdump -U -w - | classifier live -" in result.error


def test_what_is_no_capture_is_told() -> None:
    result = run("live", "-", stdin=b"GET / HTTP/1.1\r\n\r\n")
    assert result.status == ExitStatus.NOT_A_CAPTURE
    assert "not a capture" in result.complaint


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_report(number: signal.Signals, tmp_path: Path) -> None:
    page = tmp_path / "page.html"  # as root: nobody could open it after the start
    process = start("live", "-", *(["--html", str(page)] if number == signal.SIGTERM else []))
    assert process.stdin
    process.stdin.write(OFFICE.read_bytes())
    process.stdin.flush()
    assert process.stdout
    head = process.stdout.readline()
    process.send_signal(number)
    result = finish(process)
    assert result.status == ExitStatus.OK
    assert b"packets/s" in head
    assert "Packets: 791 = " in result.text and "Services" in result.text
    if number == signal.SIGTERM:
        assert "<dt>Packets</dt><dd>791</dd>" in page.read_text()


def test_a_page_in_no_folder_is_told_before_the_start(tmp_path: Path) -> None:
    result = run("live", "-", "--html", tmp_path / "nowhere" / "page.html")
    assert result.status == ExitStatus.NOT_WRITTEN
    assert "can't be written by the current user (No such file or directory)" in result.complaint


def test_events_take_the_place_of_the_table() -> None:
    result = run("live", "-", "--events", "new-server,mismatch", stdin=OFFICE.read_bytes())
    assert result.status == ExitStatus.OK
    events = [json.loads(line) for line in result.text.splitlines()]
    assert {event["event"] for event in events} == {"new-server", "mismatch"}
    assert {"server_ip": "10.77.0.10", "server_port": 443}.items() <= next(
        event for event in events if event["server_port"] == 443
    ).items()


def test_events_go_to_a_file_beside_the_table(tmp_path: Path) -> None:
    same_user = ("--user", "root") if os.geteuid() == 0 else ()  # the folder is nobody else's
    file = tmp_path / "events.jsonl"
    result = run(
        "live", "-", "--events", "new-server", "--events-file", file, *same_user, stdin=OFFICE.read_bytes()
    )
    assert "Packets: 791 = " in result.text
    assert len(file.read_text().splitlines()) > 10


def test_on_a_terminal_without_a_screen_a_table_updates_itself() -> None:
    with open(OFFICE, "rb") as stdin:
        result = on_terminal("live", "-", "--format", "table", width=120, stdin=stdin)
    text = result.output.decode()
    assert result.status == ExitStatus.OK
    assert "Bytes/s" in text and "https/tcp" in text and "Packets: 791 = " in text


def test_count_ends_it() -> None:
    process = start("live", "-", "--count", "100", "--format", "jsonl")
    assert process.stdin
    with contextlib.suppress(BrokenPipeError):  # it may end before all is written
        process.stdin.write(OFFICE.read_bytes())
        process.stdin.flush()
    result = finish(process)  # the stream is still open
    assert result.status == ExitStatus.OK
    assert json.loads(result.text.splitlines()[-1])["report"]["packets"] >= 100


def test_nothing_came() -> None:
    process = start("live", "-", "--for", "0.3")
    wait_until_idle(process)
    result = finish(process)
    assert result.status == ExitStatus.OK
    assert result.complaint == "classifier: no packets were received\n"


def test_interfaces_are_listed() -> None:
    listed = json.loads(run("interfaces", "--format", "json").text)
    names = [interface["name"] for interface in listed]
    assert "lo" in names or not LINUX
    table = run("interfaces").text.splitlines()
    assert len(table) >= len(names) + 1
    assert table[0].split() == ["Interface", "State", "Kind", "Addresses", "Backends"]


@needs_linux
@needs_root
def test_interfaces_say_what_may_capture() -> None:
    listed = json.loads(run("interfaces", "--format", "json").text)
    assert all("socket" in interface["engines"] for interface in listed)
    done = unprivileged("interfaces", "--format", "json")
    assert all("socket" not in interface["engines"] for interface in json.loads(done.stdout))


@needs_linux
@needs_root
def test_the_screen_comes_and_goes_as_another_user() -> None:
    """Who may not even be able to read the folder this is installed in."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, "live", "lo", "--for", "60"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=environment(),
    )
    os.close(theirs)
    shown = b""
    try:
        while b"Packets: " not in shown and select.select([ours], [], [], 60)[0]:
            shown += os.read(ours, 1 << 16)
            if b"packets/s" in shown:
                os.write(ours, b"q")
    except OSError:  # it has closed its end
        pass
    assert process.wait(60) == ExitStatus.OK
    os.close(ours)
    assert b"Freeze" in shown and b"Packets: " in shown and b"Traceback" not in shown
