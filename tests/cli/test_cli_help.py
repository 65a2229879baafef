"""The help has examples that work."""

from __future__ import annotations

import re
import shlex
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from launching import OFFICE, on_terminal, run

from classifier.cli import COMMANDS
from classifier.cli.live import live
from classifier.errors import ExitStatus

WITH_HELP = [(), *((command,) for command in COMMANDS), ("rules", "check"), ("rules", "schema")]


def help_of(*command: str) -> str:
    result = run(*command, "--help")
    assert (result.status, result.error) == (ExitStatus.OK, b"")
    return result.text


def examples(text: str) -> list[str]:
    return [line.strip() for line in text.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()]


def test_the_help_names_all_commands() -> None:
    text = help_of()
    for command in COMMANDS:
        line = re.search(rf"^  {command} +(.*)$", text, re.M)
        assert line and line[1].endswith("."), "each is explained in one whole line"
        assert not line[1].endswith("...")


@pytest.mark.parametrize("command", WITH_HELP, ids=" ".join)
def test_every_help_has_examples(command: tuple[str, ...]) -> None:
    shown = examples(help_of(*command))
    assert len(shown) >= 2
    assert all("classifier" in line or "flows.parquet" in line for line in shown)


@pytest.mark.parametrize("command", WITH_HELP, ids=" ".join)
def test_examples_of_the_help_work(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "captures").mkdir()
    shutil.copy(OFFICE, tmp_path / "captures")
    (tmp_path / "mine.toml").write_text('[[service]]\nname = "ours"\nports = ["1/tcp"]\n', encoding="utf-8")
    if command == ("verify",) and not (shutil.which("tshark") and find_spec("pyshark")):
        pytest.skip("tshark and pyshark are not both installed")
    for line in examples(help_of(*command)):
        words = re.split(r" {3,}| [|>] ", line)[0] if line.startswith("classifier") else ""
        args = [re.sub(r".*\.pcap(ng|\.gz)?$", str(OFFICE), word) for word in shlex.split(words)[1:]]
        if args[:1] == ["live"]:  # it would listen
            with live.make_context("live", args[1:]):
                continue
        if args:
            result = run(*args, cwd=tmp_path)
            assert result.status == ExitStatus.OK, line
            # Where two captures are named they are the same one here, which is remarked.
            remarks = [
                remark for remark in result.complaint.splitlines() if "given more than once" not in remark
            ]
            assert all(remark.startswith("classifier: filter excluded ") for remark in remarks), line


def test_no_argument_at_all_shows_the_help() -> None:
    result = run()
    assert result.status == ExitStatus.USAGE
    assert result.complaint.startswith("Usage: ") and "Examples:" in result.complaint


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_help_fits_the_terminal(width: int) -> None:
    result = on_terminal("report", "--help", width=width)
    assert result.status == ExitStatus.OK
    prose = result.output.decode().partition("Examples:")[0]
    assert max(map(len, prose.splitlines())) <= width


def test_version() -> None:
    assert run("--version").text == f"classifier, version {version('pcap-classifier')}\n"
