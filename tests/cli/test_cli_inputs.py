"""All the ways to hand over a capture lead to the same report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from launching import HANDSHAKES, OFFICE, SAMPLES, fifo, on_terminal, run

from classifier.errors import ExitStatus


def report(*args: object, **how: Any) -> dict[str, Any]:
    """The report as JSON, without the names of its inputs."""
    result = run("report", "--format", "json", *map(str, args), **how)
    assert (result.status, result.error) == (ExitStatus.OK, b"")
    found: dict[str, Any] = json.loads(result.output)
    del found["captures"]
    return found


def test_a_path_alone_is_reported() -> None:
    assert run(OFFICE).output == run("report", OFFICE).output
    assert run("--top", "3", OFFICE).output == run("report", "--top", "3", OFFICE).output
    assert run(OFFICE, "--format", "csv").output == run("report", OFFICE, "--format", "csv").output


@pytest.mark.parametrize("file", [OFFICE, HANDSHAKES], ids=lambda file: file.name)
def test_standard_input(file: Path) -> None:
    assert report("-", stdin=file.read_bytes()) == report(file)
    with open(file, "rb") as redirected:
        assert report("-", stdin=redirected) == report(file)
    assert run("-", stdin=file.read_bytes()).text.startswith("standard input\n")


@pytest.mark.parametrize("ending", ["gz", "zst", "lz4"])
def test_compressed(ending: str) -> None:
    plain = SAMPLES / "links/ethernet.pcap"
    packed = plain.with_name(f"ethernet.pcap.{ending}")
    assert report(packed) == report(plain)
    assert report("-", stdin=packed.read_bytes()) == report(plain)


@pytest.mark.parametrize("file", [OFFICE, SAMPLES / "links/ethernet.pcap.zst"], ids=lambda file: file.name)
def test_a_named_pipe(file: Path, tmp_path: Path) -> None:
    with fifo(tmp_path / "live", lambda pipe: pipe.write(file.read_bytes())) as pipe:
        assert report(pipe) == report(file)


def test_several_files_are_one_capture() -> None:
    files = [SAMPLES / "socks-1080.pcap", SAMPLES / "ica-1494.pcap", HANDSHAKES]
    together = report(*files)
    assert together["packets"] == sum(report(file)["packets"] for file in files)
    assert together == report(*reversed(files))
    names = {row["service"] for row in together["services"]}
    assert {"socks", "ica", "http"} <= names


def test_flows_say_which_file_they_are_from() -> None:
    files = [SAMPLES / "socks-1080.pcap", SAMPLES / "ica-1494.pcap"]
    lines = run("flows", *files, "--format", "jsonl").text.splitlines()
    captures = {row["service"]: row["capture"] for row in map(json.loads, lines)}
    assert captures == {"socks": str(files[0]), "ica": str(files[1])}


def test_idle_times_are_heard() -> None:
    # Story 6 calls again after 1, 3 and 7 seconds.
    whole = len(run("flows", HANDSHAKES, "--format", "csv").text.splitlines())
    apart = len(run("flows", HANDSHAKES, "--format", "csv", "--tcp-idle", "0.5").text.splitlines())
    assert apart > whole
    names = run("flows", OFFICE, "--format", "csv", "--udp-idle", "0").text.splitlines()
    assert len(names) > len(run("flows", OFFICE, "--format", "csv").text.splitlines())


AWKWARD = [
    "title\x1b]0;owned\x07.pcap",
    "colour \x1b[31m.pcap",
    "two\nlines.pcap",
    "return\rhere.pcap",
    "eight bits \x9b31m.pcap",
    "backwards \u202epacp.pcap",
    "not utf-8 \udcff\udcfe.pcap",
    "[red]markup[bold] [not.pcap",
    "-v.pcap",
    "naïve 捕获.pcap",
]


def printable(text: str) -> bool:
    return all(char.isprintable() for char in text.replace("\n", ""))


def test_names_can_do_no_harm(tmp_path: Path) -> None:
    files = [tmp_path / name for name in AWKWARD]
    for file in files:
        shutil.copy(SAMPLES / "trouble/cut-inside-packet.pcap", file)
    for args in ((), ("flows",), ("servers",), ("report", "--format", "json")):
        result = run(*args, *files)
        assert result.status == ExitStatus.PARTIAL
        assert printable(result.text) and printable(result.complaint)
        assert len(result.complaint.splitlines()) == len(files)


@pytest.mark.parametrize("name", AWKWARD, ids=ascii)
def test_names_can_do_no_harm_to_a_terminal(name: str, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "trouble/cut-inside-packet.pcap", tmp_path / name)
    result = on_terminal("report", f"./{name}", cwd=tmp_path)
    shown = result.output.decode().replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert result.status == ExitStatus.PARTIAL
    assert printable(shown)
    if name.isprintable():
        assert shown.startswith(f"./{name}\n")


@pytest.mark.parametrize("name", AWKWARD, ids=ascii)
def test_names_of_what_is_not_there_can_do_no_harm(name: str, tmp_path: Path) -> None:
    result = run(f"./{name}", cwd=tmp_path)
    assert result.status == ExitStatus.NO_INPUT
    assert printable(result.complaint)
    assert len(result.complaint.splitlines()) == 1 and "no such file" in result.complaint
