"""Ctrl-C: what was read so far is reported, at once."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from launching import HANDSHAKES, Result, finish, interrupt, start, wait_until_idle

import classifier
from classifier.__main__ import main
from classifier.errors import ExitStatus

CAPTURE = HANDSHAKES.read_bytes()
LINE = "classifier: interrupted; the report covers what was read so far\n"


def interrupted(*args: str, data: bytes) -> Result:
    """Call the program with data on a pipe that stays open, and press Ctrl-C when it waits for more."""
    process = start(*args)
    assert process.stdin
    process.stdin.write(data)
    process.stdin.flush()
    wait_until_idle(process, process.stdin)
    interrupt(process)
    result = finish(process)  # would not return if the program went on to wait
    assert result.status == ExitStatus.INTERRUPTED
    assert result.complaint == LINE
    return result


def test_the_report_of_what_was_read() -> None:
    # Without the last byte the last packet isn't there yet.
    report = interrupted("report", "-", data=CAPTURE[:-1])
    assert "Packets: 179 = " in report.text and "http" in report.text


def test_the_report_of_all_that_was_there() -> None:
    report = json.loads(interrupted("report", "-", "--format", "json", data=CAPTURE).output)
    assert report["packets"] == 180
    assert report["problems"] == []


@pytest.mark.parametrize(
    "data", [b"", CAPTURE[:10], CAPTURE[:24]], ids=["nothing", "half a header", "a header"]
)
def test_before_the_first_packet(data: bytes) -> None:
    assert "Packets: 0 = 0 in flows" in interrupted("report", "-", data=data).text


def test_flows_to_standard_output() -> None:
    rows = interrupted("flows", "-", "--format", "csv", data=CAPTURE).text.splitlines()
    assert len(rows) == 32


def test_flows_to_a_file(tmp_path: Path) -> None:
    interrupted("flows", "-", "-o", str(tmp_path / "flows.jsonl"), data=CAPTURE)
    assert len((tmp_path / "flows.jsonl").read_text().splitlines()) == 31
    assert len(list(tmp_path.iterdir())) == 1


def test_servers() -> None:
    assert "10.2.0.1:80" in interrupted("servers", "-", data=CAPTURE).text


def test_while_a_named_pipe_has_no_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "live")
    process = start("report", tmp_path / "live")
    wait_until_idle(process)
    interrupt(process)
    result = finish(process)
    assert result.status == ExitStatus.INTERRUPTED
    assert (result.output, result.complaint) == (b"", "classifier: interrupted\n")


def test_while_the_program_is_still_being_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Impatient:
        def find_spec(self, fullname: str, path: object, target: object = None) -> None:
            if fullname == "classifier.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "classifier.cli", raising=False)
    monkeypatch.delattr(classifier, "cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Impatient(), *sys.meta_path])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == ExitStatus.INTERRUPTED
    assert capsys.readouterr().err == "classifier: interrupted\n"
