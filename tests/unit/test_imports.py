"""What imports what: no stage a later one, and nothing slow before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import SAMPLES

import classifier
from classifier.cli import COMMANDS

PACKAGE = Path(classifier.__file__).parent
OFFICE = str(SAMPLES / "office.pcapng")

#: DESIGN, "One direction of flow" and "The house": each stage may import those before it.
STAGES = [
    *(
        "_meter",
        "errors",
        "wording",
        "rule_files",
        "budget",
        "signatures",
        "sources",
        "flows",
        "handshake",
        "payload",
        "roles",
        "services",
    ),
    *("traffic", "metering", "distributed", "verify", "reports", "pipeline", "reading", "live", "cli"),
]
#: An import against the order, and why it may be.
ALLOWED = {
    ("roles", "classifier.services.rules"): "port rules are data, and what a port is known for is evidence",
    ("roles", "classifier.services.lookup"): "the same, for whole columns",
    ("traffic", "classifier.reports.report"): "a door for users: `traffic.report()`",
    ("traffic", "classifier.reports.names"): "the same: whose hosts file it takes",
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.name[0] != "_")


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, also inside functions, but not for type checkers only."""
    nodes: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    found = set()
    for node in nodes:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute in this package"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" if module == "classifier" else module for alias in node.names}
    return {name for name in found if name.startswith("classifier.")}


def own_stage(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_the_walk_sees_imports() -> None:
    """The test below would pass if it saw nothing."""
    seen = {name for path in FILES for name in imports(path)}
    assert {"classifier.errors", "classifier._meter", "classifier.services.rules"} <= seen
    assert {own_stage(path) for path in FILES} == set(STAGES) - {"_meter"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_stage_imports_a_later_one(path: Path) -> None:
    own = own_stage(path)
    allowed = STAGES[: STAGES.index(own) + 1]
    wrong = {
        name for name in imports(path) if name.split(".")[1] not in allowed and (own, name) not in ALLOWED
    }
    assert not wrong, f"{own} comes before that"


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
        classifier.tcpdump  # noqa: B018


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
    stages = [f"classifier.{name}" for name in ("distributed", "live", "verify", "reports.page")]
    libraries = ("asyncio", "altair", "dask", "fsspec", "textual")
    assert loaded(command("report", OFFICE), "classifier.cli.report", *others, *stages, *libraries) == {
        "classifier.cli.report"
    }


def test_two_captures_are_stitched_without_pandas() -> None:
    assert loaded(command("report", OFFICE, OFFICE), "pandas", "scapy") == set()
