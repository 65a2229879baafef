"""What rules/README.md promises of the program's own rules."""

from __future__ import annotations

import csv
import json
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.places import NO_SHARED, SHARED

from classifier import Rules, RulesError
from classifier.ports import refresh, registry
from classifier.ports.rule_files import FOLDER
from classifier.ports.rules import own_rules
from classifier.ports.service import DYNAMIC, TRANSPORTS, Service, parse_ports

shared = pytest.mark.skipif(not SHARED.is_dir(), reason=NO_SHARED)
TCP, UDP = TRANSPORTS["tcp"], TRANSPORTS["udp"]


@cache
def entries() -> list[dict[str, Any]]:
    document = tomllib.loads((FOLDER / "services.toml").read_text(encoding="utf-8"))
    return list(document["service"])


def facts(name: str) -> list[dict[str, str]]:
    with (SHARED / "data" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_the_project_began_with() -> None:
    """1080 is SOCKS, 1494 is Citrix ICA."""
    assert [own_rules().at(TCP, port)[0].name for port in (1080, 1494)] == ["socks", "ica"]


def test_all_transports_have_services() -> None:
    assert {proto for proto, _ in own_rules().by_port} == set(TRANSPORTS.values())


def test_there_are_as_many_descriptions_as_promised() -> None:
    assert len({entry["name"] for entry in entries()}) >= 400


def test_one_use_of_a_port_is_usual_at_most() -> None:
    usual = Counter(
        (span.proto, port)
        for entry in entries()
        if "rank" in entry
        for span in map(parse_ports, entry["ports"])
        for port in range(span.first, span.last + 1)
    )
    assert [key for key, count in usual.items() if count > 1] == []


def test_no_name_stands_twice_on_a_port() -> None:
    for key, found in own_rules().by_port.items():
        names = Counter(service.name for service in found)
        assert max(names.values()) == 1, key


def test_entries_stand_in_the_order_of_their_ports() -> None:
    first = [parse_ports(entry["ports"][0]).first for entry in entries()]
    assert first == sorted(first)


def test_the_hand_made_entries_agree_with_the_registry() -> None:
    registered = registry.expand(registry.read(FOLDER / "registry.csv"))
    assert list(refresh.disagreements(FOLDER, registered)) == []


def test_the_registry_is_as_its_writer_leaves_it() -> None:
    rows = list(registry.read(FOLDER / "registry.csv"))
    assert registry.rows(registry.expand(rows)) == rows


def test_the_dynamic_range_has_nothing_registered() -> None:
    dynamic = [found for (_, port), found in own_rules().by_port.items() if port >= DYNAMIC]
    statuses = {service.status for found in dynamic for service in found}
    assert statuses == {"unofficial", "conflict", "historic"}


def test_carriers_are_where_encryption_is() -> None:
    """Services that are always encrypted name the carrier, unless they encrypt themselves."""
    own = {name for name in OWN_ENCRYPTION.split()}
    for entry in entries():
        if entry["encrypted"] == "yes" and entry["name"] not in own:
            assert {"tls", "dtls", "quic"} & set(entry.get("carriers", ())), entry["name"]


OWN_ENCRYPTION = """
    ssh isakmp kpasswd tinc kerberos-adm netconf-ssh gdoi openvpn quic ipsec-nat-t salt-publish salt-request
    gerrit radmin-port teamviewer shadowsocks winbox lightning zerotier minecraft-bedrock ethereum tailscale
    wireguard miio mosh mumble-voice hbci omhs adws gnunet
"""


@shared
class TestAgainstTheFacts:
    """The files of facts that the rules were made from, when they are there."""

    def test_the_registry_is_whole_and_nothing_else_is_official(self) -> None:
        facts_by_port = {
            (TRANSPORTS[row["transport"]], int(row["port"])): set(row["names"].split("/"))
            for row in facts("iana_ports.csv")
        }
        official = {
            key: {name for service in found if service.status == "official" for name in service.names}
            for key, found in own_rules().by_port.items()
            if any(service.status == "official" for service in found)
        }
        assert official.keys() == facts_by_port.keys()
        for key, names in facts_by_port.items():
            assert names <= official[key], key
            for service in own_rules().at(*key):
                assert service.status != "official" or service.names & names, key

    def test_what_runs_unofficially_is_there(self) -> None:
        for row in facts("unofficial_ports.csv"):
            found = own_rules().at(TRANSPORTS[row["transport"]], int(row["port"]))
            if row["service"] == "various":
                assert len(found) > 1
            else:
                assert any(row["service"] in service.names for service in found), row

    def test_what_surely_runs_there_is_named_first(self) -> None:
        other = []
        for row in facts("unofficial_ports.csv"):
            first = own_rules().at(TRANSPORTS[row["transport"]], int(row["port"]))[0]
            if row["confidence"] == "high" and row["service"] not in first.names:
                other.append((row["port"], first.name))
        assert other == [("8080", "http-alt")]


class TestTheSchema:
    """rules/user_rules.schema.json agrees with the loader."""

    SCHEMA = json.loads((FOLDER / "user_rules.schema.json").read_text(encoding="utf-8"))
    GOOD = (
        '[[service]]\nname = "our wiki"\nports = ["8080/tcp", "1-2/udp"]\n'
        'addresses = ["10.1.2.3", "fd00::/8"]\ncategory = "web"\nencrypted = "no"\n'
        'carriers = ["tls"]\nspeaks = ["http"]\naliases = ["wiki"]\n'
        'description = "what we know"\nsource = "me"\n'
        '[[remove]]\nname = "irdmi"\nports = ["8000/tcp"]\n'
    )

    def accepted(self, text: str, folder: Path) -> tuple[bool, bool]:
        """Return whether the schema and the loader accept it."""
        path = folder / "mine.toml"
        path.write_text(text, encoding="utf-8")
        try:
            Rules.load(path)
            loads = True
        except RulesError:
            loads = False
        return jsonschema.Draft7Validator(self.SCHEMA).is_valid(tomllib.loads(text)), loads

    def test_it_is_a_schema(self) -> None:
        jsonschema.Draft7Validator.check_schema(self.SCHEMA)

    def test_a_good_file(self, tmp_path: Path) -> None:
        assert self.accepted(self.GOOD, tmp_path) == (True, True)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('name = "our wiki"\n', ""),
            ('"our wiki"', '"our|wiki"'),
            ('"our wiki"', '" "'),
            ("aliases", "alias"),
            ("[[remove]]", "[[removed]]"),
            ('["8080/tcp", "1-2/udp"]', "[]"),
            ("8080/tcp", "8080"),
            ("8080/tcp", "65536/tcp"),
            ("8080/tcp", "8080/icmp"),
            ('"web"', '"webs"'),
            ('"no"', "false"),
            ('["tls"]', '["ssl"]'),
            ('["http"]', '"http"'),
            ('["wiki"]', "[7]"),
            ("what we know", 81 * "x"),
            ('source = "me"', 'status = "official"'),
            ('ports = ["8000/tcp"]', ""),
        ],
    )
    def test_a_bad_one(self, old: str, new: str, tmp_path: Path) -> None:
        assert self.GOOD.count(old) == 1
        assert self.accepted(self.GOOD.replace(old, new), tmp_path) == (False, False)


def by_name(name: str, port: int, proto: int = TCP) -> Service:
    (found,) = (service for service in own_rules().at(proto, port) if service.name == name)
    return found


@pytest.mark.parametrize(
    ("name", "port", "proto", "carriers", "speaks"),
    [
        ("https", 443, TCP, {"tls", "websocket"}, {"https"}),
        ("https", 443, UDP, {"quic"}, {"https", "http3"}),
        ("imaps", 993, TCP, {"tls"}, {"imaps"}),
        ("submission", 587, TCP, {"tls"}, {"submission", "smtp"}),
        ("domain", 53, UDP, set(), {"domain", "dns"}),
        ("ms-wbt-server", 3389, TCP, {"tls", "dtls"}, {"rdp"}),
        ("prometheus", 9090, TCP, {"http", "tls"}, {"prometheus"}),
        ("epmap", 135, TCP, {"dce-rpc"}, {"epmap"}),
    ],
)
def test_what_a_service_may_look_like(
    name: str, port: int, proto: int, carriers: set[str], speaks: set[str]
) -> None:
    found = by_name(name, port, proto)
    assert set(found.carriers) == carriers
    assert speaks <= set(found.speaks)
