"""A metering on a Dask cluster gives what one on this machine gives, whatever happens to its workers."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, cluster
from support.places import SAMPLES
from support.rotated import packets_of, rotate
from support.rows import row_dicts

import classifier
from classifier.errors import CaptureError, ClassifierError, ExitStatus, MissingExtraError
from classifier.metering.files import Progress

pytest.importorskip("distributed", reason="needs Dask: pip install 'pcap-classifier[cluster]'")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), workers=3) as started:
        yield started


def test_a_worker_dies_midway(running: Cluster, tmp_path: Path) -> None:
    files = rotate(packets_of(SAMPLES / "office.pcapng"), 40, tmp_path)
    random.Random(1).shuffle(files)
    damaged = tmp_path / "damaged.pcap"
    damaged.write_bytes(files[0].read_bytes()[:100] + b"\xff" * 100)
    (tmp_path / "text.pcap").write_text("not a capture")
    told: list[int] = []

    def kill_one(progress: Progress) -> None:
        told.append(progress.inputs_done)
        if len(told) == 10:
            running.workers[0].kill()

    alone = classifier.read([*files, damaged, tmp_path / "text.pcap"], jobs=1)
    traffic = classifier.read(
        [*files, damaged, tmp_path / "text.pcap"], scheduler=running.address, progress=kill_one
    )
    assert running.workers[0].wait(5) != 0
    assert told == list(range(1, 43))
    assert row_dicts(traffic) == row_dicts(alone)
    assert traffic.accounting == alone.accounting
    assert traffic.totals.services() == alone.totals.services()
    assert [str(problem) for problem in traffic.problems] == [str(problem) for problem in alone.problems]
    assert len(traffic.problems) == 2 and traffic.status == ExitStatus.PARTIAL


def test_no_scheduler_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classifier.metering.cluster._CONNECT_S", 0.2)
    with pytest.raises(ClassifierError, match=r"tcp://127\.0\.0\.1:1: no Dask scheduler answers \("):
        classifier.read(SAMPLES / "office.pcapng", scheduler="tcp://127.0.0.1:1")


def test_streams_stay_here() -> None:
    with pytest.raises(CaptureError, match="stream: an open stream can't be read by a cluster"):
        classifier.read(io.BytesIO(), scheduler="tcp://127.0.0.1:1")


def test_without_dask_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pcap-classifier\[cluster\]'"):
        classifier.read(SAMPLES / "office.pcapng", scheduler="tcp://127.0.0.1:1")


def test_ctrl_c_keeps_what_was_metered(running: Cluster, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.inputs_done == 5:
            raise KeyboardInterrupt

    files = rotate(packets_of(SAMPLES / "office.pcapng"), 20, tmp_path)
    traffic = classifier.read(files, scheduler=running.address, progress=stop, keep_interrupted=True)
    assert traffic.status == ExitStatus.INTERRUPTED
    read = traffic.metered.captures[: len(traffic.metered.begins_ns)]
    assert len(read) == 5
    assert row_dicts(traffic) == row_dicts(classifier.read(read))
