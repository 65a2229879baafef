"""The documentation is true: its examples run, what it names is there, its references are whole."""

from __future__ import annotations

import ast
import difflib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import examples
import man
import picture
import pytest
import reference
from support.places import REPOSITORY

from classifier.cli import COMMANDS
from classifier.errors import ExitStatus
from classifier.flows.table import SCHEMA
from classifier.roles.evidence import KINDS

hooks = pytest.importorskip("hooks", reason="needs the extra `docs`")
PAGES = examples.pages()
NEEDED = {
    "README.md": "duckdb",
    "docs/pages/tutorial/3-flows.md": "duckdb",
    "docs/pages/how-to/notebooks.md": "polars",
}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_examples_are_what_the_program_says(path: Path) -> None:
    """`python docs/examples.py --update` writes the current output."""
    if needed := NEEDED.get(str(path.relative_to(REPOSITORY))):
        pytest.importorskip(needed)
    page = examples.run(path)
    changes = difflib.unified_diff(page.text.splitlines(), page.now.splitlines(), "page", "program", n=1)
    assert not page.untrue, "\n".join(changes)


def test_the_picture_is_a_real_report() -> None:
    """`python docs/examples.py --update` draws it anew."""
    assert picture.PATH.read_text(encoding="utf-8") == picture.draw()


def test_an_untrue_example_is_found(tmp_path: Path) -> None:
    """The test above would pass if nothing were run."""
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ classifier --version\nclassifier, version 0\n```\n```pycon\n>>> 1 + 1\n3\n```\n"
    )
    now = examples.run(page).now
    assert "version 0\n" not in now and ">>> 1 + 1\n2\n" in now


@pytest.mark.parametrize(
    "line", ["classifier repotr x", "cat x | classifier report - --tpo 3 > y", "classifier rules chek"]
)
def test_calls_that_are_not_run_must_be_possible(line: str) -> None:
    with pytest.raises(click.UsageError):
        examples.check_calls(line)


def test_every_command_has_its_reference_and_manual_page(tmp_path: Path) -> None:
    names = [name for name, _, _ in reference.commands()]
    assert {f"classifier {command}" for command in COMMANDS} < set(names)
    text = reference.cli()
    for name, command, _ in reference.commands():
        assert f"## `{name}`" in text
        for parameter in command.params:
            assert all(option in text for option in parameter.opts if option.startswith("--"))
    pages = man.write(tmp_path)
    assert [page.stem for page in pages] == [name.replace(" ", "-") for name in names]


@pytest.mark.skipif(not shutil.which("groff"), reason="needs groff")
def test_manual_pages_are_good_roff(tmp_path: Path) -> None:
    for page in man.write(tmp_path):
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-K", "utf8", "-ww", "-z", page],
            capture_output=True,
            text=True,
            check=True,
        )
        assert not done.stderr


def test_every_column_kind_and_status_is_told() -> None:
    tables = reference.tables()
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", tables, re.M))
    assert set(SCHEMA.names) <= set(rows)
    assert all(row.rpartition(" | ")[2].strip() for row in rows.values()), "each has a meaning"
    assert all(f"| `{kind}` |" in reference.evidence() for kind in KINDS)
    assert all(f"| {status.value} | `{status.name}` |" in reference.exit_statuses() for status in ExitStatus)


LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")
LINKED = [*PAGES, *(REPOSITORY / name for name in hooks.ELSEWHERE.values())]


@pytest.mark.parametrize("path", LINKED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_to_files_of_the_repository(path: Path) -> None:
    """The site, whose links are made from these, is checked when it is built."""
    text = path.read_text(encoding="utf-8")
    missing = [link for link in LINK.findall(text) if not (path.parent / link).exists()]
    assert not missing


def test_links_lead_to_pages_of_the_site() -> None:
    links = {
        "[a](../../rules/README.md#payload)": "[a](reference/rules.md#payload)",
        "[a](../../benchmarks/README.md)": "[a](benchmarks.md)",
        "[a](inputs.md) [b](https://example.org)": "[a](inputs.md) [b](https://example.org)",
    }
    assert {link: hooks.linked(link, "accuracy.md") for link in links} == links
    assert hooks.linked("[a](../docs/pages/scale.md) [b](x.py)", "benchmarks.md") == "[a](scale.md) b"


def named_tests() -> list[str]:
    page = (REPOSITORY / "docs/pages/failures.md").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"`((?:tests|meter)/[^`]+::[^`]+)`", page)))


def test_every_row_of_the_faults_names_a_test() -> None:
    page = (REPOSITORY / "docs/pages/failures.md").read_text(encoding="utf-8")
    rows = [row for row in re.findall(r"^\| .*\|$", page, re.M) if not row.startswith("| failure |")]
    assert len(rows) > 30 and all("::" in row for row in rows)


@pytest.mark.parametrize("name", named_tests())
def test_tests_that_the_faults_name_exist(name: str) -> None:
    file, *path = name.split("::")
    source = (REPOSITORY / file).read_text(encoding="utf-8")
    if file.endswith(".rs"):
        assert re.search(rf"#\[test\]\s+fn {path[-1]}\(\)", source)
        return
    body: list[ast.stmt] = ast.parse(source).body
    for step in path:
        found = [
            node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == step
        ]
        assert found, f"{file} has no {step}"
        body = found[0].body


def test_the_example_of_style_is_real_code() -> None:
    guide = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```rust\n(.*?)```", guide, re.S)
    place, *lines = map(str.strip, example.strip().splitlines())
    source = (REPOSITORY / place.removeprefix("// ").partition(":")[0]).read_text(encoding="utf-8")
    assert not set(lines) - set(map(str.strip, source.splitlines()))


def test_every_dependency_has_a_reason() -> None:
    page = (REPOSITORY / "docs/pages/dependencies.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([^`]+)` \|", page.partition("## Licences")[0], re.M))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    packages = {re.split(r"[\[<>=~! ]", entry)[0] for entries in lists for entry in entries}
    crates = tomllib.loads((REPOSITORY / "meter/Cargo.toml").read_text(encoding="utf-8"))
    names = {*crates["dependencies"], *crates["dev-dependencies"]}
    for target in crates["target"].values():
        names |= set(target["dependencies"])
    assert named == (packages - {project["name"]}) | names


def accuracy_rows(path: str) -> dict[str, list[str]]:
    """The rows of a table of accuracy by their first cell."""
    text = (REPOSITORY / path).read_text(encoding="utf-8")
    table = re.findall(r"^\| ([^|]+) \| ([\d.*]+ / [\d.*]+.*) \|$", text, re.M)
    return {name: cells.split(" | ") for name, cells in table}


#: The same columns of benchmarks/README.md's table, which is what peers.py printed.
LATE = (1, 2, 3, 5)


@pytest.mark.parametrize("path", ["README.md", "docs/pages/accuracy.md"])
def test_figures_of_accuracy_are_the_measured_ones(path: str) -> None:
    measured = accuracy_rows("benchmarks/README.md")
    rows = {name: cells for name, cells in accuracy_rows(path).items() if "quoted" not in name}
    assert len(rows) >= 5
    for name, cells in rows.items():
        assert [cell.replace("*", "") for cell in cells] == [measured[name][place] for place in LATE], name


@pytest.mark.parametrize("path", ["README.md", "docs/pages/accuracy.md"])
def test_what_is_bold_is_best(path: str) -> None:
    for column in zip(*accuracy_rows(path).values(), strict=True):
        for figures in zip(*(cell.split(" / ") for cell in column), strict=True):
            best = max(float(figure.strip("*")) for figure in figures)
            assert all(figure.startswith("**") == (float(figure.strip("*")) == best) for figure in figures)
