"""Where things lie, from the tests' point of view."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SAMPLES = REPOSITORY / "samples"
#: What is too much for the repository: captures of other projects' test suites, tables of ports.
SHARED = Path(os.environ.get("CLASSIFIER_SHARED") or REPOSITORY / "../shared")
CAPTURES = SHARED / "captures"
NO_SHARED = f"{SHARED} isn't there; CLASSIFIER_SHARED names another folder"
