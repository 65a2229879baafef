"""Errors in the input or the call: one line with what is wrong, where, and what to do."""

from __future__ import annotations

import os
import random
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from launching import HANDSHAKES, OFFICE, SAMPLES, Result, drop_privilege, on_terminal, run

from classifier.errors import ExitStatus

COMMANDS = ("report", "flows", "servers")


def said(result: Result, status: ExitStatus) -> str:
    """The one line on standard error, after a look at everything else."""
    assert "Traceback" not in result.complaint
    lines = result.complaint.splitlines()
    assert len(lines) == 1, result.complaint
    assert lines[0].startswith("classifier: ")
    assert result.status == status
    return lines[0].removeprefix("classifier: ")


def refused(result: Result, status: ExitStatus) -> str:
    """Return the one line of an error without a report."""
    assert not result.output
    return said(result, status)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_file(command: str, tmp_path: Path) -> None:
    line = refused(run(command, "missing.pcap", cwd=tmp_path), ExitStatus.NO_INPUT)
    assert line == "missing.pcap: no such file; check the path"


def test_a_missing_file_among_others_is_found_before_reading() -> None:
    line = refused(run(OFFICE, "missing.pcap"), ExitStatus.NO_INPUT)
    assert line.startswith("missing.pcap: ")


def test_a_path_through_a_file() -> None:
    line = refused(run(OFFICE / "more.pcap"), ExitStatus.NO_INPUT)
    assert line.startswith(f"{OFFICE / 'more.pcap'}: Not a directory")


def test_a_directory_without_captures(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.txt").touch()
    line = refused(run(tmp_path), ExitStatus.NO_INPUT)
    some = ", ".join(str(tmp_path / f"{name}.txt") for name in "abc")
    assert line == (
        f"{tmp_path}: no files with a capture's extension, only {some} and 1 more; name captures directly"
    )


def test_a_pattern_that_matches_nothing(tmp_path: Path) -> None:
    line = refused(run(f"{tmp_path}/*.pcap"), ExitStatus.NO_INPUT)
    assert line == f"{tmp_path}/*.pcap: no such file, and no match as a pattern; check the path"


def test_what_cant_be_read_among_others_is_told_and_they_are_reported(forbidden: Path) -> None:
    result = run("secret.pcap", OFFICE, cwd=forbidden, preexec_fn=drop_privilege)
    assert said(result, ExitStatus.PARTIAL).startswith("secret.pcap: no permission to read; ")
    assert "Packets: 791 = " in result.text


@pytest.fixture
def forbidden(tmp_path: Path) -> Iterator[Path]:
    """A folder with a capture that nobody may read, and that nobody may write to."""
    shutil.copy(HANDSHAKES, tmp_path / "secret.pcap")
    (tmp_path / "secret.pcap").chmod(0)
    tmp_path.chmod(0o555)
    check = [sys.executable, "-c", "open('secret.pcap')"]
    if not subprocess.run(check, cwd=tmp_path, capture_output=True, preexec_fn=drop_privilege).returncode:
        pytest.skip("this user may read anything")
    yield tmp_path
    tmp_path.chmod(0o755)


def test_no_permission(forbidden: Path) -> None:
    result = run("secret.pcap", cwd=forbidden, preexec_fn=drop_privilege)
    line = refused(result, ExitStatus.NO_INPUT)
    assert line.startswith("secret.pcap: no permission to read; ")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.pcap").touch()
    line = refused(run("empty.pcap", cwd=tmp_path), ExitStatus.NOT_A_CAPTURE)
    assert re.match(r"empty\.pcap: the file is empty \(0 bytes\); \w", line)


def test_an_empty_pipe() -> None:
    line = refused(run("-", stdin=b""), ExitStatus.NOT_A_CAPTURE)
    assert line.startswith("standard input: ") and "empty" in line


def test_random_bytes(tmp_path: Path) -> None:
    (tmp_path / "noise.pcap").write_bytes(b"\x98" + random.Random(1).randbytes(5000))
    line = refused(run("noise.pcap", cwd=tmp_path), ExitStatus.NOT_A_CAPTURE)
    assert re.match(r"noise\.pcap: not a capture \(starts 98( \w\w){3}, .*\); .*--via tshark", line)


def test_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Monday: 10.0.0.1 spoke to 10.0.0.2\n")
    line = refused(run("notes.txt", cwd=tmp_path), ExitStatus.NOT_A_CAPTURE)
    assert re.match(r"notes\.txt: not a capture \(starts 4d 6f 6e 64, looks like text\); .*text2pcap", line)


def test_what_is_no_capture_is_none_behind_a_pipe_either() -> None:
    line = refused(run("-", stdin=b"Monday: 10.0.0.1 spoke to 10.0.0.2\n"), ExitStatus.NOT_A_CAPTURE)
    assert line.startswith("standard input: not a capture (starts 4d 6f 6e 64, looks like text); ")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_cut_inside_a_packet_is_reported_up_to_there(command: str) -> None:
    file = SAMPLES / "trouble/cut-inside-packet.pcap"
    result = run(command, file)
    line = said(result, ExitStatus.PARTIAL)
    # The tenth packet is there in part.
    place = re.match(rf"{re.escape(str(file))}: byte (\d+): the file ends inside packet 10 \(.*\); \w", line)
    assert place and 24 < int(place[1]) < file.stat().st_size
    assert "10.4.0.2:80" in result.text and "http" in result.text
    if command == "report":
        assert "Packets: 9 = 9 in flows" in result.text


def test_a_pcapng_cut_inside_a_block_is_reported_up_to_there(tmp_path: Path) -> None:
    (tmp_path / "cut.pcapng").write_bytes(OFFICE.read_bytes()[:100_001])
    result = run("cut.pcapng", cwd=tmp_path)
    place = re.match(
        r"cut\.pcapng: byte (\d+): the file ends inside packet (\d+) ", said(result, ExitStatus.PARTIAL)
    )
    assert place and int(place[1]) <= 100_001
    assert f"Packets: {int(place[2]) - 1:,} = " in result.text


def test_a_cut_gzip_is_reported_up_to_there(tmp_path: Path) -> None:
    packed = (SAMPLES / "links/ethernet.pcap.gz").read_bytes()
    (tmp_path / "cut.pcap.gz").write_bytes(packed[: len(packed) * 3 // 4])
    result = run("cut.pcap.gz", cwd=tmp_path)
    assert said(result, ExitStatus.PARTIAL).startswith("cut.pcap.gz: byte ")
    assert "Packets: " in result.text


def test_a_cut_file_is_still_written_to_a_file(tmp_path: Path) -> None:
    result = run("flows", SAMPLES / "trouble/cut-inside-packet.pcap", "-o", "flows.csv", cwd=tmp_path)
    assert said(result, ExitStatus.PARTIAL)
    assert len((tmp_path / "flows.csv").read_text().splitlines()) == 2


def test_a_terminal_is_no_input() -> None:
    result = on_terminal("-", ends=("stdin", "stdout"))
    line = refused(result, ExitStatus.NO_INPUT)
    assert line.startswith("-: standard input is a terminal; pipe a capture into it: ")


def test_a_closed_standard_input_is_no_input() -> None:
    line = refused(run("-", stdin=subprocess.DEVNULL, preexec_fn=lambda: os.close(0)), ExitStatus.NO_INPUT)
    assert line.startswith("-: standard input is closed; ")


@pytest.mark.parametrize("format", [(), ("--format", "csv"), ("--format", "json")])
@pytest.mark.parametrize("command", ["report", "servers"])
def test_a_full_disk_at_standard_output(command: str, format: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        line = said(run(command, OFFICE, *format, stdout=full), ExitStatus.NOT_WRITTEN)
    assert "No space left on device" in line


@pytest.mark.parametrize("format", ["table", "csv", "jsonl", "parquet"])
def test_flows_at_a_full_disk(format: str) -> None:
    with open("/dev/full", "wb") as full:
        line = said(run("flows", OFFICE, "--format", format, stdout=full), ExitStatus.NOT_WRITTEN)
    assert "No space left on device" in line


def test_an_output_in_no_folder_is_found_before_reading(tmp_path: Path) -> None:
    out = tmp_path / "nowhere/flows.csv"
    # The input is bad as well, but what is asked first is whether there is a point in reading it.
    line = refused(run("flows", "missing.pcap", "-o", out), ExitStatus.NOT_WRITTEN)
    assert line == f"{out}: can't be written (No such file or directory); choose another place with -o"


def test_an_output_that_is_a_folder(tmp_path: Path) -> None:
    line = refused(run("flows", OFFICE, "-o", tmp_path, "--format", "csv"), ExitStatus.NOT_WRITTEN)
    assert line.startswith(f"{tmp_path}: can't be written (Is a directory)")


def test_an_output_in_a_folder_of_somebody_else(forbidden: Path) -> None:
    result = run("flows", OFFICE, "-o", "flows.csv", cwd=forbidden, preexec_fn=drop_privilege)
    line = refused(result, ExitStatus.NOT_WRITTEN)
    assert line.startswith("flows.csv: can't be written (Permission denied); ")


INVALID = "Invalid value for "
WRONG = {
    "report": "Missing argument 'PATH",
    "servers": "Missing argument 'PATH",
    "report --top 0 x": INVALID + "'--top': 0 is not in the range",
    "report --top some x": INVALID + "'--top': 'some' is not a valid integer",
    "report --top": "Option '--top' requires an argument",
    "report --format xml x": INVALID + "'--format': 'xml' is not one of 'table', 'json'",
    "report --format \x1b[31m x": INVALID + "'--format'",
    "report --tcp-idle -1 x": INVALID + "'--tcp-idle': '-1' is not a number of seconds from 0",
    "report --tcp-idle nan x": INVALID + "'--tcp-idle': 'nan' is not",
    "report --udp-idle inf x": INVALID + "'--udp-idle': 'inf' is not",
    "report --udp-idle 1e12 x": INVALID + "'--udp-idle': '1e12' is not",
    "report --udp-idle soon x": INVALID + "'--udp-idle': 'soon' is not",
    "--colour x": "No such option '--colour'",
    "flows --format xls x": INVALID + "'--format': 'xls' is not one of",
    "flows -o flows.xls x": "flows.xls: unknown extension; add --format json, jsonl, csv, parquet",
    "flows -o flows.txt --format table x": "--format table is for the terminal; choose",
    "servers --top -3 x": INVALID + "'--top': -3 is not in the range",
}


@pytest.mark.parametrize("args", WRONG, ids=ascii)
def test_wrong_usage(args: str) -> None:
    line = refused(run(*args.split(" ")), ExitStatus.USAGE)
    assert line.startswith(WRONG[args])
    assert line.endswith(" --help") and "\x1b" not in line


def test_parquet_is_not_for_terminals() -> None:
    result = on_terminal("flows", OFFICE, "--format", "parquet", ends=("stdout",))
    assert "add -o FILE" in refused(result, ExitStatus.USAGE)


def with_link_type(number: int) -> bytes:
    capture = HANDSHAKES.read_bytes()
    return capture[:20] + struct.pack("<I", number) + capture[24:]


@pytest.mark.parametrize(
    ("number", "told"),
    [(189, "link type 189 (USB) carries no IP"), (147, "unsupported link type 147; try --via scapy")],
)
def test_an_unknown_link_type_says_which(number: int, told: str, tmp_path: Path) -> None:
    (tmp_path / "unread.pcap").write_bytes(with_link_type(number))
    result = run("unread.pcap", cwd=tmp_path)
    line = said(result, ExitStatus.NOTHING_DECODED)
    assert "no TCP or UDP in 180 packets" in line
    assert f"; {told}" in line
    assert "Packets: 180 = 0 in flows + 180 unsupported link type" in result.text


def test_headers_cut_off_say_so() -> None:
    line = said(run(SAMPLES / "trouble/snap-in-ip.pcap"), ExitStatus.NOTHING_DECODED)
    assert line == "no TCP or UDP in 10 packets: 10 truncated headers (snap length)"


def test_only_arp_says_so_and_is_no_failure() -> None:
    result = run(SAMPLES / "trouble/arp.pcap")
    assert said(result, ExitStatus.OK) == "no TCP or UDP in 2 packets: 2 non-IP (ARP, LLDP, …)"
    assert "Packets: 2 = 0 in flows + 2 non-IP" in result.text


def test_no_packets_say_so_and_are_no_failure(tmp_path: Path) -> None:
    (tmp_path / "none.pcap").write_bytes(HANDSHAKES.read_bytes()[:24])
    result = run("none.pcap", cwd=tmp_path)
    assert said(result, ExitStatus.OK) == "the capture has no packets"
    assert "Packets: 0 = 0 in flows" in result.text


def test_a_good_capture_is_no_reason_to_talk() -> None:
    for command in COMMANDS:
        result = run(command, HANDSHAKES)
        assert (result.status, result.error) == (ExitStatus.OK, b"")
