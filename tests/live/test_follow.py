"""A folder that a capturing program rotates into."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from launching import OFFICE, run
from support.frames import Packet
from support.places import SAMPLES
from support.rotated import packets_of, rotate
from support.rows import facts

import classifier
from classifier import _meter
from classifier.errors import CaptureError, ExitStatus
from classifier.live import LiveCapture
from classifier.live.capture import follow
from classifier.live.windows.window import Window

PACKETS = packets_of(SAMPLES / "office.pcapng")
IDLE_S: dict[str, Any] = {"tcp_idle_s": 0.4, "udp_idle_s": 0.4}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "LOOK_S", 0.01)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A capture in ten files, which are still to come into the folder `in`."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    return rotate(PACKETS, 10, tmp_path / "out")


def stitched(batches: list[pa.RecordBatch]) -> list[str]:
    """The rows when those of connections that continue after the idle time are joined."""
    tables = [pa.table(batch) for batch in batches]
    tables = [table.select([name for name in table.column_names if name != "capture"]) for table in tables]
    (found,) = pa.concat_tables(tables).sort_by("first_seen_ns").combine_chunks().to_batches()
    joined, _ = _meter.stitch(found, tcp_idle_ns=400_000_000, udp_idle_ns=400_000_000)
    return rows([pa.record_batch(joined)])


def arrive(files: list[Path]) -> list[Path]:
    return [file.rename(file.parent.parent / "in" / file.name) for file in files]


def followed(folder: Path, packets: int, **options: Any) -> tuple[LiveCapture, list[Window]]:
    """Follow a folder until a number of packets were received."""
    found = []
    with LiveCapture(folder, window_s=0.02, **options) as watch:
        for window in watch.windows(for_s=30):
            found.append(window)
            if watch.packets >= packets:
                watch.stop()
    assert watch.packets == packets
    return watch, found


def packets_in(files: list[Path]) -> int:
    return classifier.read(files).accounting["packets"]


def rows(batches: Iterable[pa.RecordBatch]) -> list[str]:
    """Flow facts as a set of rows, without the capture."""
    return sorted(repr({**row, "capture": None}) for batch in batches for row in batch.to_pylist())


def test_all_files_but_the_newest_are_taken(files: list[Path], tmp_path: Path) -> None:
    taken = arrive(files)[:-1]
    watch, _ = followed(tmp_path / "in", packets_in(taken))
    expected = classifier.read(taken)
    assert facts(watch.traffic()) == facts(expected)
    assert watch.traffic().accounting == expected.accounting


def test_the_newest_is_taken_when_it_no_longer_grows(files: list[Path], tmp_path: Path) -> None:
    arrive(files)
    watch, _ = followed(tmp_path / "in", len(PACKETS), settle_s=0.2)
    assert facts(watch.traffic()) == facts(classifier.read(tmp_path / "in"))


def test_each_flow_ends_once_and_as_the_whole_says(files: list[Path], tmp_path: Path) -> None:
    arrive(files)
    _, windows = followed(tmp_path / "in", len(PACKETS), settle_s=0.2, **IDLE_S)
    whole = classifier.read(tmp_path / "in", **IDLE_S).judge.stitched()  # type: ignore[attr-defined]
    assert stitched([batch for window in windows for batch in window.facts]) == rows(whole)
    assert sum(window.traffic.accounting["packets"] for window in windows) == len(PACKETS)


def test_another_run_goes_on(files: list[Path], tmp_path: Path) -> None:
    """Also with flows that were open when the first one ended; no file is taken twice."""
    state = str(tmp_path / "state")
    how: dict[str, Any] = {"settle_s": 0.2, "state": state, **IDLE_S}
    seen: list[pa.RecordBatch] = []
    for part in (files[:4], files[4:7], [], files[7:]):
        packets = packets_in(part) if part else 0
        arrive(part)
        if part:
            watch, windows = followed(tmp_path / "in", packets, **how)
            seen += [batch for window in windows for batch in window.facts]
        else:  # nothing new: nothing is counted again
            with LiveCapture(tmp_path / "in", window_s=0.02, **how) as watch:
                windows = list(watch.windows(for_s=0.3))
            assert not watch.packets and not any(window.facts for window in windows)
    whole = classifier.read(tmp_path / "in", **IDLE_S).judge.stitched()  # type: ignore[attr-defined]
    still_open = [batch for source in watch._sources for batch in source.going_on()]
    assert still_open and seen
    assert stitched([*seen, *still_open]) == rows(whole)
    # What is open is in the report, too.
    assert watch.traffic().to_arrow().num_rows >= sum(batch.num_rows for batch in still_open)


def test_a_crash_takes_nothing_away(files: list[Path], tmp_path: Path) -> None:
    """What had not been dealt with when the program was killed is handed out again."""
    arrive(files)
    how: dict[str, Any] = {"settle_s": 0.2, "state": str(tmp_path / "state"), **IDLE_S}
    with LiveCapture(tmp_path / "in", window_s=0.02, **how) as watch:
        for _ in watch.windows(for_s=30):
            if watch.packets:  # handed out, but whoever takes windows dies of it
                before = (tmp_path / "state").read_bytes()
                break
    (tmp_path / "state").write_bytes(before)
    watch, _ = followed(tmp_path / "in", len(PACKETS), **how)
    whole = classifier.read(tmp_path / "in", **IDLE_S)
    assert watch.traffic().to_arrow().num_rows == whole.to_arrow().num_rows


def test_two_sensors_rotate_into_one_folder(tmp_path: Path) -> None:
    """Each sees one direction; the flows of both are one, though their files come apart."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    one, other = sides(PACKETS)
    for name, packets in (("one", one), ("other", other)):
        for file in rotate(packets, 5, tmp_path / "out"):
            moved = file.rename(tmp_path / "in" / f"{name}-{file.name}")
            os.utime(moved, ns=(0, 10**18 + int(file.stem[-5:])))  # in turns
    watch, _ = followed(tmp_path / "in", len(PACKETS), settle_s=0.2, **IDLE_S)
    assert facts(watch.traffic()) == facts(classifier.read(tmp_path / "in", **IDLE_S))


def sides(packets: list[Packet]) -> tuple[list[Packet], list[Packet]]:
    """Packets by which of two Ethernet addresses is the smaller."""
    back = [packet.data[:6] < packet.data[6:12] for packet in packets]
    return (
        [packet for packet, side in zip(packets, back, strict=True) if side],
        [packet for packet, side in zip(packets, back, strict=True) if not side],
    )


def test_bad_files_are_told_and_the_others_taken(files: list[Path], tmp_path: Path) -> None:
    good = arrive(files)
    for name in ("bad.pcap", "worse.pcap"):
        (tmp_path / "in" / name).write_text("no capture")
    (tmp_path / "in" / "notes.txt").write_text("not looked at")
    watch, windows = followed(tmp_path / "in", len(PACKETS), settle_s=0.2)
    said = [text for window in windows for text in window.news]
    assert sorted(text.split(":")[0] for text in said) == [
        str(tmp_path / "in" / name) for name in ("bad.pcap", "worse.pcap")
    ]
    assert watch.traffic().status == ExitStatus.PARTIAL
    assert facts(watch.traffic()) == facts(classifier.read(good))


def test_a_ring_of_files_uses_names_again(files: list[Path], tmp_path: Path) -> None:
    """What is behind a name is taken again if it is another capture, not if it has only grown."""
    state = str(tmp_path / "state")
    (ring,) = arrive(files[:1])
    first = ring.read_bytes()
    followed(tmp_path / "in", packets_in([ring]), settle_s=0.1, state=state)
    ring.write_bytes(files[1].read_bytes())
    followed(tmp_path / "in", packets_in([files[1]]), settle_s=0.1, state=state)
    assert first != ring.read_bytes()
    with ring.open("ab") as file:
        file.write(files[2].read_bytes()[24:])
    with LiveCapture(tmp_path / "in", window_s=0.02, settle_s=0.1, state=state) as watch:
        news = [text for window in watch.windows(for_s=1) for text in window.news]
    assert watch.packets == 0
    assert news == [f"{ring}: has grown since it was read; the added part is not counted"]


def test_a_link_is_no_second_file(files: list[Path], tmp_path: Path) -> None:
    arrive(files)
    (tmp_path / "in" / "latest.pcap").symlink_to("capture_00009.pcap")
    watch, _ = followed(tmp_path / "in", len(PACKETS), settle_s=0.1)
    assert facts(watch.traffic()) == facts(classifier.read(tmp_path / "in"))


def test_a_folder_that_goes_away_is_an_error(files: list[Path], tmp_path: Path) -> None:
    with (
        LiveCapture(tmp_path / "in", window_s=0.02) as watch,
        pytest.raises(CaptureError, match="followed any longer"),
    ):
        (tmp_path / "in").rmdir()
        list(watch.windows(for_s=30))


def test_what_is_no_state_is_told(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"out/capture_00000\.pcap: not a state file of"):
        LiveCapture(tmp_path / "in", state=str(files[0]))
    with pytest.raises(CaptureError, match="not a folder this user can read"):
        LiveCapture(tmp_path / "nowhere")


def test_the_command_line_follows(files: list[Path], tmp_path: Path) -> None:
    arrive(files)
    same_user = ("--user", "root") if os.geteuid() == 0 else ()  # the folders are nobody else's
    options = ("--settle", "0.1s", "--count", str(len(PACKETS)), "--format", "jsonl", *same_user)
    result = run("live", "--follow", tmp_path / "in", "--state", tmp_path / "state", *options)
    assert (result.status, result.complaint) == (ExitStatus.OK, "")
    report = json.loads(result.text.splitlines()[-1])["report"]
    assert report["packets"] == len(PACKETS)
    expected = json.loads(run("report", OFFICE, "--format", "json", "--top", "20").text)
    assert report["services"] == expected["services"]
