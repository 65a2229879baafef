"""What imports what: no stage a later one, and nothing slow before it is needed."""

from __future__ import annotations

import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from support.import_graph import import_graph, stage
from support.places import SAMPLES

import classifier
from classifier.cli import COMMANDS

OFFICE = str(SAMPLES / "office.pcapng")

#: DESIGN, "One direction of flow" and "The house": each stage may import those before it.
STAGES = [
    *("errors", "wording", "complete_file", "flows", "ports", "signatures", "sources", "metering"),
    *("handshake", "payload", "roles", "services", "traffic", "verify", "reports"),
    *("result", "pipeline", "reading", "live", "cli", "__main__"),
]
GRAPH = import_graph()


def test_the_graph_is_seen() -> None:
    """The tests below would pass if it were empty."""
    assert "classifier.ports.rules" in GRAPH["classifier.pipeline"]
    assert {stage(module) for module in GRAPH} == {"__init__", *STAGES}


@pytest.mark.parametrize("module", [module for module in GRAPH if module != "classifier"])
def test_no_stage_imports_a_later_one(module: str) -> None:
    allowed = {"__init__", *STAGES[: STAGES.index(stage(module)) + 1]}
    later = {imported for imported in GRAPH[module] if stage(imported) not in allowed}
    assert not later


def test_no_files_import_each_other() -> None:
    list(TopologicalSorter(GRAPH).static_order())  # CycleError names them


def loaded(statement: str, *modules: str) -> set[str]:
    """Which of `modules` a fresh interpreter has loaded after a statement."""
    code = f"import sys\n{statement}\nprint(*({set(modules)} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stderr.splitlines()[-1].split())  # before it there may be talk


def command(*arguments: str) -> str:
    return (
        f"sys.argv = {['classifier', *arguments]}\n"
        "from classifier.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )


def test_the_interpreter_is_watched() -> None:
    """The tests below would pass if they saw nothing."""
    assert loaded("import json", "json", "pandas") == {"json"}


def test_importing_the_package_is_light() -> None:
    heavy = ("pandas", "scapy", "pyarrow", "numpy", "rich", "click", "classifier._meter")
    assert loaded("import classifier", *heavy) == set()


def test_the_public_names_are_found() -> None:
    assert loaded("import classifier; classifier.read; classifier.Traffic", "pyarrow") == {"pyarrow"}
    assert {"Rules", "Traffic", "__version__", "read", "sniff"} <= set(classifier.__all__)
    assert all(getattr(classifier, name) for name in classifier.__all__)
    with pytest.raises(AttributeError, match="tcpdump"):
        classifier.tcpdump  # type: ignore[attr-defined]  # noqa: B018


def test_pyshark_is_for_verify_only() -> None:
    assert loaded("import classifier.cli, classifier.pipeline", "pyshark", "asyncio") == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["report"],
        ["report", "--format", "json"],
        ["report", "--format", "csv"],
        ["flows"],
        ["flows", "--format", "csv"],
        ["flows", "--format", "jsonl"],
        ["flows", "--format", "parquet"],
        ["servers", "--format", "csv"],
    ],
    ids=" ".join,
)
def test_the_command_line_does_without_pandas_and_scapy(arguments: list[str], tmp_path: Path) -> None:
    if "parquet" in arguments:
        arguments = [*arguments, "-o", str(tmp_path / "flows.parquet")]
    assert loaded(command(*arguments, OFFICE), "pandas", "scapy") == set()


def test_a_report_imports_nothing_of_other_commands() -> None:
    others = [f"classifier.cli.{name}" for name in COMMANDS if name != "report"]
    stages = [f"classifier.{name}" for name in ("metering.cluster", "live", "verify", "reports.html")]
    libraries = ("asyncio", "altair", "dask", "fsspec", "textual")
    assert loaded(command("report", OFFICE), "classifier.cli.report", *others, *stages, *libraries) == {
        "classifier.cli.report"
    }


def test_two_captures_are_stitched_without_pandas() -> None:
    assert loaded(command("report", OFFICE, OFFICE), "pandas", "scapy") == set()
