"""No output ever replaces a capture that is read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.places import SAMPLES

from classifier.cli import app
from classifier.errors import CaptureError, ExitStatus

OFFICE = SAMPLES / "office.pcapng"
CSV = ("--format", "csv", "-o")


@pytest.mark.parametrize("output", ["day.pcapng", "link.pcapng", "twin.pcapng"])
@pytest.mark.parametrize(
    "args",
    [
        ("flows", "day.pcapng", *CSV),
        ("flows", ".", *CSV),
        ("servers", "*.pcapng", *CSV),
        ("diff", OFFICE, "day.pcapng", *CSV),
        ("report", "day.pcapng", "--html"),
    ],
    ids=lambda args: " ".join(map(str, args[:2])),
)
def test_an_input_is_not_replaced(
    args: tuple[str | Path, ...], output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(OFFICE, "day.pcapng")
    os.symlink("day.pcapng", "link.pcapng")
    os.link("day.pcapng", "twin.pcapng")
    error = CliRunner().invoke(app, [*map(str, args), output], standalone_mode=False).exception
    assert isinstance(error, CaptureError) and error.status == ExitStatus.USAGE
    option = str(args[-1])
    assert str(error) == f"{output}: is one of the captures to read; choose another place with {option}"
    assert Path("day.pcapng").read_bytes() == OFFICE.read_bytes()


def test_what_is_no_input_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "flows.csv").write_text("of yesterday")
    CliRunner().invoke(app, ["flows", str(OFFICE), "-o", f"{tmp_path}/flows.csv"], standalone_mode=False)
    assert (tmp_path / "flows.csv").read_text().startswith("flow_id,")
