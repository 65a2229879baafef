"""A metering on a Dask cluster gives what one on this machine gives, whatever happens to its workers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, cluster
from support.places import SAMPLES
from support.rotated import packets_of, rotate
from support.rows import row_dicts

import classifier
from classifier.errors import ExitStatus
from classifier.metering import Progress

pytest.importorskip("distributed", reason="needs Dask: pip install 'classifier[cluster]'")


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
