"""Loading rules: what a mistake in a rule file is answered with, and what the program's own rules promise."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from classifier import RulesError
from classifier.errors import ExitStatus
from classifier.services import rules

ENTRY = {
    "name": '"mine"',
    "ports": '["7000/tcp"]',
    "status": '"official"',
    "category": '"other"',
    "description": '"what I run"',
    "source": '"practice"',
}


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> rules.PortRules:
    """Load a file of rules in place of the program's own."""
    if text is not None:
        (folder / "services.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(rules, "FOLDER", folder)
    return rules.load.__wrapped__()


def entry(**changed: str | None) -> str:
    told = {key: value for key, value in (ENTRY | changed).items() if value is not None}
    return "[[service]]\n" + "".join(f"{key} = {value}\n" for key, value in told.items())


def test_good_rules_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(tmp_path, monkeypatch, entry(ports='["7000-7001/tcp", "7000/udp"]'))
    assert sum(len(found) for found in loaded.candidates) == 3
    assert {service.name for found in loaded.candidates for service in found} == {"mine"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"status": '"offical"'}, "offical"),
        ({"status": None}, "status"),
        ({"category": None}, "category"),
        ({"source": None}, "source"),
        ({"ports": '["7000"]'}, "7000"),
        ({"ports": '["7000/tpc"]'}, "tpc"),
        ({"ports": '["http/tcp"]'}, "http"),
        ({"ports": '["7001-7000/tcp"]'}, "7001-7000"),
        ({"ports": '["70000/tcp"]'}, "70000"),
        ({"ports": '["-1/tcp"]'}, "-1"),
        ({"ports": "[7000]"}, "7000"),
    ],
    ids=str,
)
def test_a_mistake_is_answered_with_file_service_and_reason(
    changed: dict[str, str | None], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RulesError) as raised:
        load(tmp_path, monkeypatch, entry(name='"fine"') + entry(**changed))
    told = str(raised.value)
    assert str(tmp_path / "services.toml") in told
    assert "mine" in told and "fine" not in told
    assert reason in told
    assert raised.value.status == ExitStatus.BAD_RULES


def test_a_service_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RulesError, match="name"):
        load(tmp_path, monkeypatch, entry(name=None))


def test_a_syntax_error_is_answered_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RulesError, match=r"services\.toml.*line 2"):
        load(tmp_path, monkeypatch, "[[service]]\nname = mine\n")


def test_a_missing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RulesError, match=r"services\.toml.*install it again"):
        load(tmp_path, monkeypatch, None)


class TestTheProgramsOwnRules:
    """What rules/README.md promises of services.toml."""

    ENTRIES: tuple[dict[str, Any], ...] = tuple(
        tomllib.loads((rules.FOLDER / "services.toml").read_text(encoding="utf-8"))["service"]
    )

    def test_they_load(self) -> None:
        named = {found["name"] for found in self.ENTRIES if found["ports"]}
        assert {service.name for found in rules.load().candidates for service in found} == named

    def test_what_the_project_began_with(self) -> None:
        """1080 is SOCKS, 1494 is Citrix ICA."""
        names = {
            text: found["name"]
            for found in self.ENTRIES
            for text in found["ports"]
            if text in ("1080/tcp", "1494/tcp") and found["status"] == "official"
        }
        assert names == {"1080/tcp": "socks", "1494/tcp": "ica"}

    def test_keys_and_values(self) -> None:
        known = {
            "name",
            "aliases",
            "ports",
            "status",
            "rank",
            "category",
            "encrypted",
            "description",
            "source",
        }
        for found in self.ENTRIES:
            assert set(found) <= known, found
            assert found.get("rank", "usual") == "usual", found
            assert found["encrypted"] in ("yes", "no", "optional"), found
            assert 0 < len(found["description"]) <= 80, found

    def test_usual_goes_with_unofficial(self) -> None:
        assert {found["status"] for found in self.ENTRIES if "rank" in found} == {"unofficial"}

    def test_one_use_of_a_port_is_usual_at_most(self) -> None:
        usual = Counter(text for found in self.ENTRIES if "rank" in found for text in found["ports"])
        assert [text for text, count in usual.items() if count > 1] == []

    def test_a_service_stands_once_on_a_port(self) -> None:
        uses = Counter((found["name"], text) for found in self.ENTRIES for text in found["ports"])
        assert [use for use, count in uses.items() if count > 1] == []
