"""What the release workflow adds to the metadata before it builds."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]


def test_a_release_has_the_addresses_of_the_repository_that_it_is_made_from(tmp_path: Path) -> None:
    """The file in the repository names none: it would be wrong in each copy of the repository."""
    committed = (ROOT / "pyproject.toml").read_text()
    assert "urls" not in tomllib.loads(committed)["project"]
    (tmp_path / "pyproject.toml").write_text(committed)

    steps = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]["sdist"]["steps"]
    scripts = [step.get("run", "") for step in steps]
    (adding,) = (number for number, script in enumerate(scripts) if "[project.urls]" in script)
    (building,) = (number for number, script in enumerate(scripts) if "maturin sdist" in script)
    assert adding < building
    where = {"GITHUB_SERVER_URL": "https://git.example", "GITHUB_REPOSITORY": "owner/name"}
    subprocess.run(["bash", "-euc", scripts[adding]], cwd=tmp_path, env=os.environ | where, check=True)

    repository = "https://git.example/owner/name"
    added = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert added["project"].pop("urls") == {
        "Repository": repository,
        "Issues": f"{repository}/issues",
        "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
    }
    assert added == tomllib.loads(committed)
