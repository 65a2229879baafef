"""Every case: the expected flows of a capture, through the API and the command line.

A case is a folder: `case.toml` says why and names the capture and the options, `flows.csv` what must
come out. `pytest --update-cases` rewrites flows.csv; whoever does so reads every changed row.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.rows import BEHAVIOUR, behaviour, row_dicts

import classifier

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """A folder of this one."""

    folder: Path
    #: `why`: what it shows; `capture`: a path relative to the folder.
    why: str
    capture: str
    #: Where the packets went: `packets`, `in_flows` and each reason that occurs.
    accounting: dict[str, int]
    #: Arguments of `read()`: `tcp_idle_s`, `udp_idle_s`, `dedup`.
    options: dict[str, Any]
    #: What the command line ends with.
    status: int

    @property
    def path(self) -> Path:
        return (self.folder / self.capture).resolve()

    @property
    def flows(self) -> Path:
        return self.folder / "flows.csv"

    @property
    def expected(self) -> str:
        return self.flows.read_text(encoding="utf-8")


def load(folder: Path) -> Case:
    told: dict[str, Any] = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))
    return Case(
        folder=folder,
        why=told.pop("why"),
        capture=told.pop("capture"),
        accounting=told.pop("accounting"),
        options=told.pop("options", {}),
        status=told.pop("status", 0),
        **told,
    )


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, BEHAVIOUR, lineterminator="\n")
    writer.writeheader()
    writer.writerows(behaviour(rows))
    return text.getvalue()


CASES = [load(path.parent) for path in sorted(HERE.glob("*/case.toml"))]


@pytest.fixture(params=CASES, ids=lambda case: case.folder.name)
def case(request: pytest.FixtureRequest) -> Case:
    one: Case = request.param
    return one


def test_api(case: Case, update_cases: bool) -> None:
    traffic = classifier.read(case.path, **case.options)
    found = as_csv(row_dicts(traffic))
    if update_cases:
        case.flows.write_text(found, encoding="utf-8")
    assert found == case.expected, case.why
    counts = traffic.accounting
    assert {name: packets for name, packets in counts.items() if packets} == case.accounting
    assert counts["packets"] == sum(packets for name, packets in counts.items() if name != "packets")
    assert int(traffic.status) == case.status


def test_command_line(case: Case) -> None:
    options = {"tcp_idle_s": "--tcp-idle", "udp_idle_s": "--udp-idle", "dedup": "--dedup"}
    arguments = [
        text
        for name, value in case.options.items()
        for text in ([options[name]] if value is True else [options[name], str(value)])
    ]
    command = [sys.executable, "-P", "-m", "classifier", "flows", str(case.path), "--format", "csv"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == case.status, done.stderr
    assert as_csv(csv.DictReader(io.StringIO(done.stdout))) == case.expected, case.why


def test_every_sample_has_a_case() -> None:
    samples = HERE.parents[1] / "samples"
    captures = {path for path in samples.rglob("*") if ".pcap" in path.name}
    assert captures, "no samples found"
    assert not captures - {case.path for case in CASES}
