"""The border to the core says what the core really has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def test_the_stubs_agree_with_the_compiled_core(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    check = [sys.executable, "-P", "-m", "mypy.stubtest", "classifier._meter"]
    done = subprocess.run(check, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
