"""Recordings: files that are complete when they appear, whatever happens."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from feeding import OFFICE, pipe, windows_of
from launching import start
from pyarrow import parquet
from world import wait_until

import classifier
from classifier.errors import CaptureError
from classifier.live import LiveCapture
from classifier.live.output.recorder import Recorder
from classifier.ports.rules import Rules

# Connections go on after the idle time, so only UDP flows end while windows follow each other.
IDLE: dict[str, Any] = {"tcp_idle_s": 120.0, "udp_idle_s": 0.5}
RULES = Rules.load(None)
IDLE_NS = {"tcp_idle_ns": 120 * 10**9, "udp_idle_ns": 500_000_000}


def flows_in(folder: Path) -> list[str]:
    return sorted(
        flow for path in folder.glob("*.parquet") for flow in parquet.read_table(path)["flow_id"].to_pylist()
    )


def offline() -> list[str]:
    return sorted(classifier.read(OFFICE, **IDLE).to_arrow()["flow_id"].to_pylist())


def test_files_turn_over_and_together_have_all_flows(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "flows.parquet", IDLE_NS, RULES, rotate_bytes=1)
    watch, windows = windows_of(OFFICE.read_bytes(), pieces=6, **IDLE)
    for window in windows:
        recorder.take(window)
    recorder.end(windows[-1].time_ns)
    assert len(list(tmp_path.iterdir())) > 2
    assert flows_in(tmp_path) == offline()
    # Judged again, they are the same flows with the verdicts of the whole.
    recorder.judge_again(watch.traffic())
    assert recorder.told() == []
    tables = [parquet.read_table(path) for path in tmp_path.glob("*.parquet")]
    whole = pa.concat_tables(tables).sort_by([("first_seen", "ascending"), ("flow_id", "ascending")])
    expected = classifier.read(OFFICE, **IDLE).to_arrow()
    assert whole.drop_columns("capture").to_pylist() == expected.drop_columns("capture").to_pylist()


def test_the_name_has_the_time_of_the_packets(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "flows.parquet", IDLE_NS, RULES)
    _, windows = windows_of(OFFICE.read_bytes(), pieces=1, **IDLE)
    for window in windows:
        recorder.take(window)
    recorder.end(windows[-1].time_ns)
    assert [path.name for path in tmp_path.iterdir()] == ["flows-20261123T004044Z.parquet"]


def test_killed_it_loses_the_window_under_way_at_the_most(tmp_path: Path) -> None:
    idle = ("--tcp-idle", "120", "--udp-idle", "0.5")
    target = str(tmp_path / "flows.parquet")
    user = ("--user", "root") if os.geteuid() == 0 else ()
    process = start("live", "-", "--format", "jsonl", "--window", "0.1", "--write", target, *user, *idle)
    assert process.stdin and process.stdout and process.stderr
    data = OFFICE.read_bytes()
    process.stdin.write(data[: len(data) * 3 // 4])
    process.stdin.flush()
    wait_until(lambda: any(path.stat().st_size > 5000 for path in tmp_path.glob("*.journal")))
    for _ in range(3):  # windows that come after it
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    for file in (process.stdin, process.stdout, process.stderr):
        file.close()
    assert not list(tmp_path.glob("*.parquet"))
    recorder = Recorder(Path(target), IDLE_NS, RULES)
    assert "completed" in recorder.told()[0]
    assert [path.suffix for path in tmp_path.iterdir()] == [".parquet"]
    found = flows_in(tmp_path)
    assert len(found) > 20 and set(found) <= set(offline())


@pytest.mark.parametrize("cut", [0, 1, 100, 5_000])
def test_a_journal_may_end_anywhere(tmp_path: Path, cut: int) -> None:
    recorder = Recorder(tmp_path / "flows.parquet", IDLE_NS, RULES)
    _, windows = windows_of(OFFICE.read_bytes(), **IDLE)
    for window in windows[:-1]:
        recorder.take(window)
    (journal,) = tmp_path.iterdir()
    data = journal.read_bytes()
    journal.write_bytes(data[: len(data) - cut])
    Recorder(tmp_path / "flows.parquet", IDLE_NS, RULES)
    assert not list(tmp_path.glob("*.journal"))
    assert set(flows_in(tmp_path)) <= set(offline())
    assert flows_in(tmp_path) if cut <= 100 else True


def test_an_empty_journal_goes(tmp_path: Path) -> None:
    (tmp_path / "flows-20260101T000000Z.journal").touch()
    assert Recorder(tmp_path / "flows.parquet", IDLE_NS, RULES).told() == []
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_once_and_recording_goes_on_afterwards(small_disk: Path) -> None:
    filler = small_disk / "filler"
    recorder = Recorder(small_disk / "flows.parquet", IDLE_NS, RULES)
    filler.write_bytes(bytes(92_000))
    with pipe() as one, LiveCapture(one.reading, window_s=0.01, **IDLE) as watch:
        data = OFFICE.read_bytes()
        one.write(data[: len(data) // 2])
        told: list[str] = []
        for number, window in enumerate(watch.windows()):
            assert number < 1000, told
            recorder.take(window)
            told += recorder.told()
            if told and filler.exists():
                filler.unlink()
                one.write(data[len(data) // 2 :])
                one.close()
        recorder.end(window.time_ns)
    assert "No space left" in told[0]
    assert "recording again" in told[1] and len(told) == 2
    assert 0 < recorder.lost < len(offline())
    assert len(flows_in(small_disk)) == len(offline()) - recorder.lost
    assert not list(small_disk.glob("*.part"))


def test_a_place_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="can't be written"):
        Recorder(tmp_path / "nowhere" / "flows.parquet", IDLE_NS, RULES)
