"""Loading rules: what a mistake in a rule file is answered with, and how the user's rules come in."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import pytest

from classifier import Rules, RulesError
from classifier.errors import ExitStatus
from classifier.ports import rule_files as files
from classifier.ports import rules

TCP, UDP = 6, 17
ENTRY = {
    "name": '"mine"',
    "ports": '["7000/tcp"]',
    "status": '"unofficial"',
    "category": '"other"',
    "encrypted": '"no"',
    "description": '"what I run"',
    "source": '"practice"',
}


def entry(**changed: str | None) -> str:
    told = {key: value for key, value in (ENTRY | changed).items() if value is not None}
    return "[[service]]\n" + "".join(f"{key} = {value}\n" for key, value in told.items())


def names(found: Rules, port: int, proto: int = TCP, address: str | None = None) -> list[str]:
    where = ipaddress.ip_address(address) if address else None
    return [service.name for service in found.at(proto, port, where)]


class TestTheProgramsOwnFiles:
    """services.toml and registry.csv."""

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "services.toml").write_text(entry(), encoding="utf-8")
        (tmp_path / "registry.csv").write_text("ports,transports,name\n", encoding="utf-8")
        monkeypatch.setattr(rules, "FOLDER", tmp_path)
        return tmp_path

    @staticmethod
    def load(folder: Path, services: str | None = None, registry: str | None = None) -> Rules:
        if services is not None:
            (folder / "services.toml").write_text(services, encoding="utf-8")
        if registry is not None:
            (folder / "registry.csv").write_text(f"ports,transports,name\n{registry}", encoding="utf-8")
        return rules.own_rules.__wrapped__()

    def test_good_rules_are_loaded(self, folder: Path) -> None:
        loaded = self.load(folder, entry(ports='["7000-7001/tcp", "7000/udp"]'))
        assert loaded.by_port.keys() == {(TCP, 7000), (TCP, 7001), (UDP, 7000)}

    @pytest.mark.parametrize(
        ("changed", "line", "reason"),
        [
            ({"status": '"offical"'}, 14, "offical"),
            ({"status": None}, 11, "status is missing; add it"),
            ({"category": None}, 11, "category is missing; add it"),
            ({"category": '"tool"'}, 15, "unknown category 'tool'; choose from web"),
            ({"source": None}, 11, "source is missing; add it"),
            ({"source": "7"}, 18, "source must be a string, not 7"),
            ({"status": '"official"', "rank": '"usual"'}, 19, "rank is only for status unofficial"),
            ({"status": '"official"', "ports": '["49152/tcp"]'}, 13, "ports from 49152 can't be official"),
            ({"encrypted": "true"}, 16, "unknown encrypted True; choose from yes"),
            ({"description": f'"{81 * "x"}"'}, 17, "81 characters"),
            ({"carriers": '["tsl"]'}, 19, "unknown carrier 'tsl'; choose from tls"),
            ({"aliases": "[]"}, 19, "aliases must be a non-empty list"),
            ({"alias": '["me"]'}, 19, "unknown key alias; did you mean aliases?"),
            ({"addresses": '["10.1.2.3"]'}, 19, "addresses is not allowed here"),
            ({"ports": '["7000"]'}, 13, "transport is missing"),
            ({"ports": '["7000/tpc"]'}, 13, "unknown transport 'tpc'"),
            ({"ports": '["http/tcp"]'}, 13, "http"),
            ({"ports": '["7001-7000/tcp"]'}, 13, "the range is reversed; write 7000-7001"),
            ({"ports": '["70000/tcp"]'}, 13, "0 to 65535"),
            ({"ports": '["-1/tcp"]'}, 13, "-1"),
            ({"ports": "[7000]"}, 13, "7000"),
            ({"ports": '"7000/tcp"'}, 13, "list"),
        ],
        ids=str,
    )
    def test_a_mistake_is_answered_with_file_line_service_and_reason(
        self, changed: dict[str, str | None], line: int, reason: str, folder: Path
    ) -> None:
        with pytest.raises(RulesError) as raised:
            self.load(folder, "# [[service]]\n" + entry(name='"fine"') + "\n" + entry(**changed))
        place, _, told = str(raised.value).partition(": service mine: ")
        assert place == f"{folder / 'services.toml'}:{line}"
        assert reason in told
        assert raised.value.status == ExitStatus.BAD_RULES

    def test_a_service_without_a_name(self, folder: Path) -> None:
        with pytest.raises(RulesError, match="name is missing"):
            self.load(folder, entry(name=None))

    def test_a_header_inside_a_text_is_no_header(self, folder: Path) -> None:
        with pytest.raises(RulesError, match=r"services\.toml:18: service mine"):
            text = entry(description='"""\\\n[[service]]\n"""', source="''''a \\'''") + entry(source="7")
            self.load(folder, text)

    def test_a_syntax_error_is_answered_with_its_line(self, folder: Path) -> None:
        with pytest.raises(RulesError, match=r"services\.toml:2: not TOML"):
            self.load(folder, "[[service]]\nname = mine\n")

    def test_a_missing_file(self, folder: Path) -> None:
        (folder / "services.toml").unlink()
        with pytest.raises(RulesError, match=r"services\.toml.*: reinstall it"):
            self.load(folder)

    @pytest.mark.parametrize("registry", ["80,tcp\n", "80,tpc,http\n", "http,tcp,http\n", "49152,tcp,http\n"])
    def test_a_mistake_in_the_registry(self, registry: str, folder: Path) -> None:
        with pytest.raises(RulesError, match=r"registry\.csv:3: "):
            self.load(folder, registry="7,tcp udp,echo\n" + registry)

    def test_what_is_only_registered(self, folder: Path) -> None:
        loaded = self.load(folder, registry="7000,tcp,other\n7001-7002,tcp udp,another\n7003,tcp,\n")
        assert names(loaded, 7000) == ["other", "mine"]
        assert names(loaded, 7002, UDP) == ["another"]
        assert names(loaded, 7003) == [] and (TCP, 7003) in loaded.reserved
        assert [service.met for service in loaded.at(TCP, 7000)] == [False, True]

    def test_a_registered_transport_keeps_what_is_told_of_the_other(self, folder: Path) -> None:
        ours = entry(status='"official"', aliases='["me"]')
        loaded = self.load(folder, ours, registry="7000,tcp udp,me\n7000,tcp udp sctp,mine\n")
        (tcp,), (udp,), (sctp,) = (loaded.at(proto, 7000) for proto in (TCP, UDP, 132))
        assert {found.description for found in (tcp, udp, sctp)} == {"what I run"}
        assert [found.met for found in (tcp, udp, sctp)] == [True, False, False]


class TestUsersRules:
    """What a user's file adds, overrides and removes."""

    @staticmethod
    def load(folder: Path, text: str) -> Rules:
        path = folder / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return Rules.load(path)

    def test_a_name_for_a_port(self, tmp_path: Path) -> None:
        own, mine = (
            rules.own_rules(),
            self.load(tmp_path, '[[service]]\nname = "wiki"\nports = ["8080/tcp"]\n'),
        )
        assert names(mine, 8080) == ["wiki", *names(own, 8080)]
        assert names(mine, 8081) == names(own, 8081)
        assert mine.at(TCP, 8080)[0].status == "user"

    def test_a_range_in_the_dynamic_ports(self, tmp_path: Path) -> None:
        mine = self.load(tmp_path, '[[service]]\nname = "farm"\nports = ["62000-62009/udp"]\n')
        assert [names(mine, port, UDP) for port in (62000, 62009, 62010)] == [["farm"], ["farm"], []]

    def test_a_name_at_an_address(self, tmp_path: Path) -> None:
        text = '[[service]]\nname = "wiki"\nports = ["8080/tcp"]\naddresses = ["10.1.2.3", "fd00::/8"]\n'
        mine = self.load(tmp_path, text)
        assert names(mine, 8080, address="10.1.2.3")[0] == "wiki"
        assert names(mine, 8080, address="fd12::1")[0] == "wiki"
        assert names(mine, 8080, address="10.1.2.4") == names(rules.own_rules(), 8080)

    def test_the_same_name_overrides(self, tmp_path: Path) -> None:
        text = '[[service]]\nname = "redis"\nports = ["6379/tcp"]\ndescription = "ours"\nencrypted = "yes"\n'
        (redis,) = self.load(tmp_path, text).at(TCP, 6379)
        assert (redis.description, redis.encrypted, redis.status) == ("ours", "yes", "user")

    def test_one_name_is_removed(self, tmp_path: Path) -> None:
        own = names(rules.own_rules(), 8000)
        mine = self.load(tmp_path, '[[remove]]\nname = "irdmi"\nports = ["8000/tcp"]\n')
        assert "irdmi" in own and names(mine, 8000) == [name for name in own if name != "irdmi"]
        assert "irdmi" in names(mine, 8000, UDP)

    def test_all_names_of_ports_are_removed(self, tmp_path: Path) -> None:
        mine = self.load(tmp_path, '[[remove]]\nports = ["6000-6010/tcp"]\n')
        assert [names(mine, port) for port in (6000, 6010)] == [[], []]
        assert names(mine, 6011) == ["x11"] == names(rules.own_rules(), 6000)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ('[[service]]\nports = ["1/tcp"]\n', "1: service ?: name is missing; add it"),
            ('[[service]]\nname = "a"\n', "1: service a: ports is missing; add it"),
            (
                '[[service]]\nname = "a"\nports = ["1/tcp"]\nstatus = "official"\n',
                "4: service a: status is not allowed here: users' rules always take precedence",
            ),
            (
                '[[service]]\nname = "a|b"\nports = ["1/tcp"]\n',
                "2: service a|b: invalid name 'a|b': no comma, slash, | or control character",
            ),
            (
                '[[service]]\nname = "a"\nports = ["1/tcp"]\naddresses = ["10.1.2.3/8"]\n',
                "4: service a: '10.1.2.3/8': host bits are set; write 10.0.0.0/8",
            ),
            (
                '[[service]]\nname = "a"\nports = ["1/tcp"]\n\n  addresses = ["wiki"]\n',
                "5: service a: not an address or network: 'wiki'; write",
            ),
            ('[[remove]]\nname = "a"\n', "1: remove a: ports is missing; add it"),
            ('[[remove]]\nport = ["1/tcp"]\n', "2: remove all: unknown key port; did you mean ports?"),
            ("[[services]]\n", "1: services: unknown table; a rule file has [[service]] and [[remove]]"),
            ('[service]\nname = "a"\n', " service: write [[service]], with two brackets"),
        ],
    )
    def test_a_mistake(self, text: str, told: str, tmp_path: Path) -> None:
        with pytest.raises(RulesError) as raised:
            self.load(tmp_path, text)
        assert f"{tmp_path / 'mine.toml'}:{told}" in str(raised.value)

    def test_several_mistakes_are_counted(self, tmp_path: Path) -> None:
        with pytest.raises(RulesError, match=r"name is missing; add it \(and 2 more: "):
            self.load(tmp_path, "[[service]]\n[[remove]]\n")

    def test_bytes_that_are_not_text(self, tmp_path: Path) -> None:
        (tmp_path / "mine.toml").write_bytes(b"# fine\n# \xff\n")
        with pytest.raises(RulesError, match=r"mine\.toml:2: not UTF-8"):
            Rules.load(tmp_path / "mine.toml")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(RulesError, match=r"mine\.toml: No such file"):
            Rules.load(tmp_path / "mine.toml")


class TestWhereUsersRulesAre:
    """A file that is given, else the environment's, else the platform's."""

    @pytest.fixture
    def usual(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        path = tmp_path / "config" / "rules.toml"
        path.parent.mkdir()
        path.touch()
        monkeypatch.setattr(files, "usual_file", lambda: path)
        return path

    def test_the_usual_place(self, usual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CLASSIFIER_RULES")
        assert files.user_file() == usual
        usual.unlink()
        assert files.user_file() is None

    def test_a_place_that_may_not_be_looked_into_is_named(
        self, usual: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A user whose home is somebody else's."""

        def forbidden(path: Path) -> bool:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setenv("CLASSIFIER_RULES", "")
        own = Rules.load()
        monkeypatch.delenv("CLASSIFIER_RULES")
        monkeypatch.setattr(Path, "is_file", forbidden)
        monkeypatch.setattr(Path, "read_bytes", forbidden)
        with pytest.raises(RulesError, match=rf"{re.escape(str(usual))}: Permission denied; .*--rules"):
            own.with_user(files.user_file() or Path())

    def test_the_environment_comes_before_it(self, usual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLASSIFIER_RULES", "elsewhere.toml")
        assert files.user_file() == Path("elsewhere.toml")
        monkeypatch.setenv("CLASSIFIER_RULES", "")
        assert files.user_file() is None

    def test_a_file_that_is_given_comes_first(self, usual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLASSIFIER_RULES", "elsewhere.toml")
        assert files.user_file("mine.toml") == Path("mine.toml")

    def test_the_usual_place_is_the_platforms(self) -> None:
        usual = files.usual_file()
        assert usual.is_absolute() and usual.parts[-2:] == ("classifier", "rules.toml")
