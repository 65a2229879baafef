"""Many inputs are one capture: rotated files, folders, patterns, archives, URLs, two sensors."""

from __future__ import annotations

import io
import os
import random
import socket
from pathlib import Path
from typing import BinaryIO

import pytest
from support import frames
from support.frames import Packet
from support.places import SAMPLES
from support.rotated import packets_of, rotate
from support.rows import facts, row_dicts

import classifier
from classifier.errors import CaptureError, ExitStatus, MissingExtraError
from classifier.metering.files import Progress

OFFICE, HANDSHAKES = SAMPLES / "office.pcapng", SAMPLES / "handshakes.pcap"
PACKETS = packets_of(OFFICE)


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return rotate(PACKETS, 100, tmp_path_factory.mktemp("rotated"))


@pytest.fixture
def whole() -> classifier.Traffic:
    return classifier.read(stream(PACKETS, "whole"))


def stream(packets: list[Packet], name: str) -> io.BytesIO:
    file = io.BytesIO(frames.pcap(packets, frames.ETHERNET))
    file.name = name
    return file


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_a_hundred_rotated_files_in_any_order(
    rotated: list[Path], whole: classifier.Traffic, seed: int, jobs: int
) -> None:
    files = rotated.copy()
    random.Random(seed).shuffle(files)
    traffic = classifier.read(files, jobs=jobs)
    assert facts(traffic) == facts(whole)
    assert traffic.accounting == whole.accounting
    assert traffic.totals.services() == whole.totals.services()
    assert not traffic.remarks and not traffic.problems
    crossing = [row["capture"].split("|") for row in row_dicts(traffic) if "|" in row["capture"]]
    assert crossing and all(names == sorted(names) for names in crossing)  # in the order of time


def test_the_number_of_jobs_changes_nothing(rotated: list[Path]) -> None:
    """Not even the order of rows."""
    one, two = (classifier.read(rotated, jobs=jobs, verify_checksums=True) for jobs in (1, 2))
    assert [batch.to_pylist() for batch in one.batches()] == [batch.to_pylist() for batch in two.batches()]
    assert one.metered.captures == two.metered.captures
    assert one.metered.counters == two.metered.counters


def test_each_sensor_sees_one_direction(whole: classifier.Traffic) -> None:
    """Asymmetric routing: what each sees is one half of the flows. ICMP errors speak for their own half."""
    back = [packet.data[:6] < packet.data[6:12] for packet in PACKETS]
    halves = [
        [packet for packet, side in zip(PACKETS, back, strict=True) if side is one] for one in (True, False)
    ]
    apart = classifier.read([stream(half, str(number)) for number, half in enumerate(halves)])
    assert not apart.remarks
    differing = set(facts(apart)) ^ set(facts(whole))
    assert {dict(row)["server_port"] for row in differing} <= {"161"}
    assert sum(row["client_packets"] > 0 < row["server_packets"] for row in row_dicts(apart)) > 50


def test_packets_that_two_sensors_saw_count_twice_and_are_told(whole: classifier.Traffic) -> None:
    twice = classifier.read([stream(PACKETS, "one"), stream(PACKETS, "two")])
    assert twice.accounting["in_flows"] == 2 * whole.accounting["in_flows"]
    assert len(row_dicts(twice)) == len(row_dicts(whole))
    (remark,) = twice.remarks
    assert remark.startswith("one and two overlap in time and share flows (addresses and ports); ")
    assert "mergecap" in remark and "--dedup" in remark
    assert twice.status == ExitStatus.OK


def test_many_captures_of_one_time_are_told_shortly() -> None:
    """Names are only shown, a few of them; what is in a name doesn't part it."""
    several = classifier.read([stream(PACKETS, f"|{number}; rm *") for number in range(40)])
    (remark,) = several.remarks
    assert remark.startswith("|0; rm *, |1; rm *, |2; rm * and 37 more overlap in time ")
    assert len(remark) < 500


def test_a_file_that_is_named_again_is_counted_once(tmp_path: Path, whole: classifier.Traffic) -> None:
    """Neither its name nor a link makes other packets of it."""
    (tmp_path / "day.pcapng").write_bytes(OFFICE.read_bytes())
    (tmp_path / "link.pcapng").symlink_to("day.pcapng")
    os.link(tmp_path / "day.pcapng", tmp_path / "twin.pcapng")
    named = [tmp_path / name for name in ("day.pcapng", "day.pcapng", "link.pcapng", "twin.pcapng", ".")]
    traffic = classifier.read(named)
    assert facts(traffic) == facts(whole)
    (remark,) = traffic.remarks
    again = ", ".join(map(str, named[1:4]))
    assert remark == f"given more than once, read once: {again} and 1 more"


def test_a_pattern_may_match_folders(tmp_path: Path) -> None:
    for day, source in {"monday": OFFICE, "tuesday": HANDSHAKES}.items():
        (tmp_path / day).mkdir()
        (tmp_path / day / "a.pcap").write_bytes(source.read_bytes())
    assert facts(classifier.read(f"{tmp_path}/*day")) == facts(classifier.read([OFFICE, HANDSHAKES]))


def test_folders_are_searched(tmp_path: Path) -> None:
    (tmp_path / "monday/late").mkdir(parents=True)
    for place, source in {"office.pcapng": OFFICE, "monday/late/day.pcap12": HANDSHAKES}.items():
        (tmp_path / place).write_bytes(source.read_bytes())
    for other in ("notes.txt", "monday/.hidden.pcap", "pcap"):
        (tmp_path / other).write_text("no capture")
    (tmp_path / "latest.pcap").symlink_to("office.pcapng")
    (tmp_path / "monday/up").symlink_to(tmp_path)
    (tmp_path / "gone.pcap").symlink_to("nowhere")
    traffic = classifier.read(tmp_path)
    assert facts(traffic) == facts(classifier.read([OFFICE, HANDSHAKES]))
    assert len(traffic.metered.begins_ns) == 2
    (remark,) = traffic.remarks
    assert "notes.txt" in remark and remark.endswith(" and 1 more")


def test_pattern_and_folder_take_a_file_once(rotated: list[Path], whole: classifier.Traffic) -> None:
    folder = rotated[0].parent
    for source in (f"{folder}/capture_*.pcap", [f"{folder}/*0.pcap", str(folder)], f"{folder}/**/*.pcap"):
        assert facts(classifier.read(source)) == facts(whole)


def test_a_name_that_looks_like_a_pattern_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "a[1].pcap").write_bytes(HANDSHAKES.read_bytes())
    (tmp_path / "a1.pcap").write_bytes(OFFICE.read_bytes())
    assert facts(classifier.read(tmp_path / "a[1].pcap")) == facts(classifier.read(HANDSHAKES))


def test_progress_goes_over_all_files(rotated: list[Path]) -> None:
    for jobs in (1, 2):
        told: list[Progress] = []
        classifier.read([*rotated, stream(PACKETS, "last")], jobs=jobs, progress=told.append)
        assert told[-1].inputs == 101 and told[-1].size_bytes is None
        assert [one.packets for one in told] == sorted(one.packets for one in told)
        assert told[-1].packets == 2 * len(PACKETS)
        assert told[-1].bytes_read >= sum(file.stat().st_size for file in rotated)


def test_ctrl_c_keeps_what_was_read(rotated: list[Path]) -> None:
    """Side by side as well: the files that were read are in the report, each whole."""

    def stop(progress: Progress) -> None:
        if progress.inputs_done >= 30:
            raise KeyboardInterrupt

    for jobs in (1, 2):
        files: list[Path | BinaryIO] = [
            *rotated[:20],
            stream(PACKETS[:10], "read by the main thread"),
            *rotated[20:],
        ]
        traffic = classifier.read(files, jobs=jobs, progress=stop, keep_interrupted=True)
        assert traffic.status == ExitStatus.INTERRUPTED
        read = traffic.metered.captures[: len(traffic.metered.begins_ns)]
        assert 30 <= len(read) < 100
        whole = classifier.read([file for file in rotated if str(file) in read])
        assert traffic.accounting["packets"] == whole.accounting["packets"] + 10
        with pytest.raises(KeyboardInterrupt):
            classifier.read(rotated, jobs=jobs, progress=stop)


def test_an_exception_of_a_file_of_the_callers_comes_back(rotated: list[Path]) -> None:
    class Failing(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        classifier.read([*rotated[:5], Failing(), *rotated[5:]], jobs=2)


def test_urls() -> None:
    pytest.importorskip("fsspec", reason="needs fsspec: pip install 'pcap-classifier[remote]'")
    import fsspec

    files = fsspec.filesystem("memory")
    try:
        for name, source in {"day/a.pcapng": OFFICE, "day/late/b.pcap": HANDSHAKES}.items():
            files.pipe(f"/{name}", source.read_bytes())
        files.pipe("/day/notes.txt", b"no capture")
        both = facts(classifier.read([OFFICE, HANDSHAKES]))
        assert facts(classifier.read("memory://day/a.pcapng")) == facts(classifier.read(OFFICE))
        assert facts(classifier.read("memory://day/")) == both
        assert facts(classifier.read("memory://day/**/*.pcap*")) == both
        assert "notes.txt" in classifier.read("memory://day").remarks[0]
        for missing in ("memory://day/c.pcap", "memory://night/*.pcap"):
            with pytest.raises(CaptureError) as raised:
                classifier.read(missing)
            assert raised.value.status == ExitStatus.NO_INPUT
    finally:
        files.store.clear()


def test_a_connection_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything before the failure is reported, with an error."""
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install 'pcap-classifier[remote]'")
    from classifier.sources import remote

    class Cut(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 50_000:
                raise ConnectionResetError("reset by peer")
            return super().read(10_000)

    fsspec.filesystem("memory").pipe("/cut.pcapng", OFFICE.read_bytes())
    monkeypatch.setattr(remote, "opened", lambda url: Cut(OFFICE.read_bytes()))
    traffic = classifier.read("memory://cut.pcapng")
    (problem,) = traffic.problems
    assert "download failed (ConnectionResetError: reset by peer)" in str(problem)
    assert traffic.status == ExitStatus.PARTIAL and traffic.accounting["packets"] > 50


def test_an_empty_name() -> None:
    with pytest.raises(CaptureError, match="'': empty path; check the argument"):
        classifier.read("")


def test_a_server_that_does_not_answer_is_no_missing_file() -> None:
    pytest.importorskip("aiohttp", reason="needs fsspec[http]: pip install 'pcap-classifier[remote]'")
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x.pcap"
        with pytest.raises(
            CaptureError, match=r"x\.pcap: can't be downloaded \(.*check the URL, and that the server is up"
        ):
            classifier.read(url)


def test_a_scheme_that_nobody_knows() -> None:
    pytest.importorskip("fsspec", reason="needs fsspec: pip install 'pcap-classifier[remote]'")
    with pytest.raises(CaptureError, match=r"nosuch://bucket/a\.pcap: unsupported URL scheme nosuch://"):
        classifier.read("nosuch://bucket/a.pcap")


def test_without_fsspec_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"reading s3:// needs the extra .*\[remote\]"):
        classifier.read("s3://bucket/a.pcap")


def test_links_lead_nowhere_else(tmp_path: Path) -> None:
    """A folder of somebody else's may link to folders; they aren't searched."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/x.pcap").write_bytes(OFFICE.read_bytes())
    (tmp_path / "given").mkdir()
    os.symlink(tmp_path / "secret", tmp_path / "given/more")
    (tmp_path / "given/y.pcap").write_bytes(HANDSHAKES.read_bytes())
    assert facts(classifier.read(tmp_path / "given")) == facts(classifier.read(HANDSHAKES))
