"""A capture that arrives through a pipe: live is what is read."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from feeding import OFFICE, pipe, wait_for, windows_of
from launching import COMMAND, environment, run, start
from support.places import SAMPLES
from support.rows import facts

import classifier
from classifier.errors import ExitStatus
from classifier.live import LiveCapture

CAPTURES = ["office.pcapng", "handshakes.pcap", "no-handshake.pcap"]


@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("idle_s", [120.0, 0.5])
def test_all_windows_together_are_what_is_read(name: str, idle_s: float) -> None:
    idle: dict[str, Any] = {"tcp_idle_s": idle_s, "udp_idle_s": idle_s}
    watch, windows = windows_of((SAMPLES / name).read_bytes(), **idle)
    offline = classifier.read(SAMPLES / name, **idle)
    assert facts(watch.traffic()) == facts(offline)
    assert watch.traffic().accounting == offline.accounting
    assert sum(window.traffic.accounting["packets"] for window in windows) == offline.accounting["packets"]
    assert [window.last for window in windows] == [False] * (len(windows) - 1) + [True]


def test_a_flow_ends_in_one_window_only() -> None:
    _, windows = windows_of(OFFICE.read_bytes(), udp_idle_s=1.0)
    ended = [
        flow for window in windows for flow in window.facts for flow in flow["first_seen_ns"].to_pylist()
    ]
    assert len(ended) == classifier.read(OFFICE, udp_idle_s=1).to_arrow().num_rows
    assert any(window.facts for window in windows[:-1])
    assert all(window.ended.sum() == sum(map(len, window.facts)) for window in windows)


def test_a_window_has_the_flows_that_had_packets() -> None:
    data = (SAMPLES / "handshakes.pcap").read_bytes()
    with pipe() as one, LiveCapture(one.reading, window_s=0.01) as watch:
        following = watch.windows()
        one.write(data)
        wait_for(watch, 180)
        first = next(window for window in following if window.traffic.accounting["packets"])
        assert first.traffic.to_arrow().num_rows == 31 == first.active_flows + first.ended.sum()
        assert first.active_flows == 15
        # Nothing has happened since, but at the very last moment there may have been more.
        assert next(following).traffic.to_arrow().num_rows <= 1


def test_the_latest_flows_are_kept_for_the_end() -> None:
    watch, _ = windows_of(OFFICE.read_bytes(), most_flows_kept=10, udp_idle_s=0.5, tcp_idle_s=0.5)
    kept = watch.traffic().to_arrow().num_rows
    assert watch.forgotten > 0
    assert (
        kept + watch.forgotten >= classifier.read(OFFICE, udp_idle_s=0.5, tcp_idle_s=0.5).to_arrow().num_rows
    )


def test_a_stream_that_is_cut_is_read_up_to_there() -> None:
    data = OFFICE.read_bytes()[:-7]
    watch, windows = windows_of(data)
    assert watch.traffic().status == ExitStatus.PARTIAL
    assert any("ends inside" in text for window in windows for text in window.news)


def test_the_command_line_reads_a_pipe() -> None:
    result = run("live", "-", "--format", "jsonl", stdin=OFFICE.read_bytes())
    assert (result.status, result.complaint) == (ExitStatus.OK, "")
    *windows, last = map(json.loads, result.text.splitlines())
    assert sum(window["packets"] for window in windows) == 791
    offline = json.loads(run("report", OFFICE, "--format", "json", "--top", "20").text)
    told = last["report"] | {"captures": offline["captures"]}
    assert told == offline


def test_the_reader_of_the_lines_may_go() -> None:
    process = start("live", "-", "--format", "jsonl", "--window", "0.1")
    assert process.stdin and process.stdout and process.stderr
    process.stdin.write(OFFICE.read_bytes())
    process.stdin.flush()
    assert process.stdout.readline()
    process.stdout.close()
    # The stream goes on, its reader doesn't: the next line finds that out.
    assert process.wait(30) == ExitStatus.OK
    assert process.stderr.read() == b""
    process.stdin.close()
    process.stderr.close()


def test_through_another_program() -> None:
    """As `ssh host tcpdump -w - | classifier live -`."""
    remote = subprocess.Popen(["cat", OFFICE], stdout=subprocess.PIPE)
    done = subprocess.run(
        [*COMMAND, "live", "-", "--for", "30"],
        stdin=remote.stdout,
        capture_output=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert remote.stdout
    remote.stdout.close()
    assert remote.wait() == 0
    assert done.returncode == 0
    assert b"Packets: 791 = " in done.stdout


def test_the_packets_of_a_stream_are_kept(tmp_path: Path) -> None:
    same_user = ("--user", "root") if os.geteuid() == 0 else ()  # the folder is nobody else's
    run("live", "-", "--pcap", tmp_path / "kept.pcapng", *same_user, stdin=OFFICE.read_bytes())
    assert facts(classifier.read(tmp_path / "kept.pcapng")) == facts(classifier.read(OFFICE))
