"""Damaged copies of the samples: no crash, no packet lost. More of them: `mutate.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import mutate

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def test_mutated_samples() -> None:
    outcome = mutate.run(mutate.find(SAMPLES), count=300, seed=1, every=5)
    # The memory of the whole test run is not this test's.
    failures = [failure for failure in outcome.failures if not failure.startswith("peak memory")]
    assert not failures
    assert outcome.opened > 150
    assert {"whole", "cut", "damaged"} <= set(outcome.ended)
