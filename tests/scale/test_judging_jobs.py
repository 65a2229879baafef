"""Batches of flows are judged on several threads: each gets what one thread alone would find."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.places import SAMPLES

import classifier
from classifier import pipeline
from classifier.flows import stitch

CASES = Path(__file__).parents[1] / "cases"
#: Sweeps, groups and neighbouring ports among them: evidence that other flows give.
CAPTURES = [*sorted(CASES.glob("*/*.pcap*")), *sorted(SAMPLES.glob("*.pcap*"))]
_BATCH_ROWS = 8


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cut many batches, and change threads often."""
    for module in (pipeline, stitch):
        monkeypatch.setattr(module, "BATCH_ROWS", _BATCH_ROWS)
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(often)


def batches(jobs: int) -> list[list[dict[str, Any]]]:
    traffic = classifier.read(CAPTURES, jobs=jobs, memory_bytes=1_000_000_000)
    return [batch.to_pylist() for batch in traffic.batches()]


def test_the_number_of_threads_changes_no_verdict() -> None:
    alone = batches(1)
    rows = [row for batch in alone for row in batch]
    assert len(alone) > 8
    assert {"confirmed", "inferred", "ambiguous", "attempted"} == {row["role"] for row in rows}
    assert {"fan_in", "port_sequence", "asked", "group_address", "directory"} <= {
        kind for row in rows for kind in row["role_evidence"]
    }
    for jobs in (2, 4):
        assert batches(jobs) == alone
