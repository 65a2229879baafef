"""What goes on when something else gives up: full disks, readers that have gone."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from feeding import OFFICE, windows_of
from launching import COMMAND, environment

from classifier.live.windows import history


def test_on_a_full_disk_everything_else_goes_on(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(96 << 10))
    files = ["--write", "flows.parquet", "--pcap", "kept.pcapng", "--html", "page.html"]
    events = ["--events", "new-server", "--events-file", "events.jsonl"]
    done = subprocess.run(
        [*COMMAND, "live", "-", "--user", "root", *files, *events],
        input=OFFICE.read_bytes(),
        capture_output=True,
        cwd=small_disk,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    told = done.stderr.decode()
    assert "flows.parquet: can't be recorded (No space left on device); everything else continues" in told
    assert "packets are no longer saved (No space left on device (os error 28)); everything else" in told
    assert "events can't be written; everything else continues" in told
    assert "page.html: the page can't be written (No space left on device)" in told
    assert b"Packets: 791 = " in done.stdout


def test_flows_that_find_no_room_are_missing_in_the_last_report(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    monkeypatch.setattr(history, "_MEMORY_BYTES", 0)
    monkeypatch.setattr(history, "_BATCH_ROWS", 1)
    (small_disk / "filler").write_bytes(bytes(90_000))
    watch, windows = windows_of(OFFICE.read_bytes(), udp_idle_s=0.5, tcp_idle_s=0.5)
    assert sum(window.traffic.accounting["packets"] for window in windows) == 791
    assert [text for window in windows for text in window.news if "disk full" in text]
    assert watch.forgotten
    assert watch.traffic().to_arrow().num_rows + watch.forgotten == 91
