"""Where things lie, from the tests' point of view."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SAMPLES = REPOSITORY / "samples"
#: Real captures of other projects' test suites; too many to live in the repository.
CAPTURES = REPOSITORY / "../shared/captures"
