"""`classifier rules`, and users' rules in the other commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from launching import OFFICE, run

from classifier.errors import ExitStatus

GOOD = '[[service]]\nname = "our-cache"\nports = ["6379/tcp"]\n'
BAD = '[[service]]\nname = "a"\nports = ["1/tpc"]\n\n[[remove]]\nname = "b"\n'


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


class TestCheck:
    """`classifier rules check`."""

    def test_good_rules(self, mine: Path) -> None:
        result = run("rules", "check", str(mine))
        assert (result.status, result.error) == (ExitStatus.OK, b"")
        assert result.text == f"{mine}: OK; services: our-cache\n"

    def test_every_mistake_is_told_with_its_line(self, mine: Path) -> None:
        mine.write_text(BAD, encoding="utf-8")
        result = run("rules", "check", str(mine))
        assert (result.status, result.output) == (ExitStatus.BAD_RULES, b"")
        assert result.complaint.splitlines() == [
            f"classifier: {mine}:3: service a: '1/tpc': unknown transport 'tpc'; "
            "choose from tcp, udp, dccp, sctp",
            f"classifier: {mine}:5: remove b: ports is missing; add it",
        ]

    def test_one_bad_file_among_good_ones(self, mine: Path, tmp_path: Path) -> None:
        (tmp_path / "bad.toml").write_text(BAD, encoding="utf-8")
        result = run("rules", "check", str(mine), str(tmp_path / "bad.toml"))
        assert result.status == ExitStatus.BAD_RULES
        assert result.text == f"{mine}: OK; services: our-cache\n"

    def test_those_in_use(self, mine: Path) -> None:
        assert run("rules", "check", env={"CLASSIFIER_RULES": str(mine)}).text.startswith(f"{mine}: OK")

    def test_none_in_use(self) -> None:
        text = run("rules", "check").text
        assert text.startswith("no rules of your own in use; ") and "rules.toml would be read" in text

    def test_a_missing_file(self, tmp_path: Path) -> None:
        result = run("rules", "check", str(tmp_path / "none.toml"))
        assert result.status == ExitStatus.BAD_RULES
        assert "No such file" in result.complaint


def test_the_schema() -> None:
    assert set(json.loads(run("rules", "schema").text)["properties"]) == {"service", "remove"}


class TestReading:
    """Users' rules in reports."""

    @pytest.mark.parametrize("command", ["report", "flows", "servers"])
    def test_they_name_services(self, command: str, mine: Path) -> None:
        text = run(command, str(OFFICE), "--format", "csv", "--rules", str(mine)).text
        assert "our-cache" in text and ",redis,payload," not in text

    def test_from_the_environment(self, mine: Path) -> None:
        text = run("flows", str(OFFICE), "--format", "csv", env={"CLASSIFIER_RULES": str(mine)}).text
        assert "our-cache,user" in text

    def test_at_one_address_only(self, mine: Path) -> None:
        everywhere = run("flows", str(OFFICE), "--format", "csv", "--rules", str(mine)).text
        mine.write_text(GOOD + 'addresses = ["192.0.2.77"]\n', encoding="utf-8")
        nowhere = run("flows", str(OFFICE), "--format", "csv", "--rules", str(mine)).text
        assert "our-cache" in everywhere and "our-cache" not in nowhere and ",redis," in nowhere

    def test_bad_ones_are_told_before_anything_is_read(self, mine: Path) -> None:
        mine.write_text(BAD, encoding="utf-8")
        result = run("report", str(OFFICE), "--rules", str(mine))
        assert (result.status, result.output) == (ExitStatus.BAD_RULES, b"")
        assert f"{mine}:3: service a: " in result.complaint
        assert result.complaint.endswith("(and 1 more: classifier rules check)\n")
