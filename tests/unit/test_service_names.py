"""From server port and transport to the service, with rules made for the purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from classifier import services
from classifier.services import PortRules, Service

TCP, UDP = 6, 17
OFFICIAL, UNOFFICIAL = "official", "unofficial"


def service(name: str, *ports: int, proto: int = TCP, status: str = OFFICIAL, usual: bool = False) -> Any:
    ranks = {"official": 1, "unofficial": 2, "conflict": 3, "historic": 4}
    made = Service(name, status, 0 if usual else ranks[status], "other", "made up", "test")
    return made, [(proto, port, port) for port in ports]


RULES = PortRules(
    [
        service("socks", 1080),
        service("ica", 1494),
        service("ntp", 123, proto=UDP),
        service("ntp-again", 124, proto=UDP),
        service("radan-http", 8088),
        service("omniorb", 8088, status="conflict"),
        service("old-thing", 8088, status="historic"),
        service("dev-server", 8088, status=UNOFFICIAL, usual=True),
        service("http-alt", 8080),
        service("http-alt", 8008, status=UNOFFICIAL),
        service("proxy", 8080, status=UNOFFICIAL),
    ]
)


def named(
    *flows: tuple[int, int, int, bool], rules: PortRules = RULES
) -> list[tuple[str | None, str | None, list[str]]]:
    """Service, source and candidates of (transport, server port, client port, ambiguous)."""
    proto, server, client, ambiguous = zip(*flows, strict=True) if flows else ((), (), (), ())
    names = services.name(
        rules,
        np.array(proto, np.uint8),
        np.array(server, np.uint16),
        np.array(client, np.uint16),
        np.array(ambiguous, bool),
    )
    columns = names.service, names.source, names.candidates
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def test_a_decided_flow_has_the_service_of_its_servers_port() -> None:
    assert named((TCP, 1080, 1494, False)) == [("socks", OFFICIAL, ["socks"])]
    assert named((TCP, 1494, 1080, False)) == [("ica", OFFICIAL, ["ica"])]


def test_an_ambiguous_flow_has_both_candidates_and_no_service() -> None:
    assert named((TCP, 1080, 1494, True)) == [(None, None, ["socks", "ica"])]
    assert named((TCP, 1494, 1080, True)) == [(None, None, ["ica", "socks"])]


def test_an_ambiguous_flow_has_a_service_if_both_sides_agree() -> None:
    assert named((UDP, 123, 123, True)) == [("ntp", OFFICIAL, ["ntp"])]
    assert named((TCP, 8080, 8008, True)) == [("http-alt", OFFICIAL, ["http-alt", "proxy"])]
    assert named((TCP, 8008, 8080, True)) == [("http-alt", UNOFFICIAL, ["http-alt", "proxy"])]


def test_an_ambiguous_flow_with_one_known_port_has_none() -> None:
    assert named((TCP, 1080, 50_000, True)) == [(None, None, ["socks"])]
    assert named((TCP, 50_000, 1080, True)) == [(None, None, ["socks"])]


def test_a_port_without_a_rule() -> None:
    assert named((TCP, 50_000, 1080, False)) == [(None, None, [])]
    assert named((TCP, 50_000, 50_001, True)) == [(None, None, [])]


def test_the_transport_must_match() -> None:
    assert named((TCP, 123, 123, False), (UDP, 1080, 1494, False)) == [(None, None, []), (None, None, [])]
    assert named((132, 1080, 1494, False)) == [(None, None, [])]


def test_candidates_are_ranked() -> None:
    """rules/README.md: usual though unofficial, official, other unofficial, conflict, historic."""
    ranked = ["dev-server", "radan-http", "omniorb", "old-thing"]
    assert named((TCP, 8088, 50_000, False)) == [("dev-server", UNOFFICIAL, ranked)]


def test_ties_stay_in_the_order_of_the_file() -> None:
    tied = PortRules([service("first", 700), service("second", 700)])
    assert named((TCP, 700, 50_000, False), rules=tied) == [("first", OFFICIAL, ["first", "second"])]


def test_a_range_of_ports() -> None:
    x11 = PortRules([(service("x11")[0], [(TCP, 6000, 6063)])])
    rows = named(*((TCP, port, 50_000, False) for port in (5999, 6000, 6063, 6064)), rules=x11)
    assert [name for name, _, _ in rows] == [None, "x11", "x11", None]


@pytest.mark.parametrize("port", [0, 65_535])
def test_the_first_and_the_last_port(port: int) -> None:
    rules = PortRules([service("edge", port)])
    assert named((TCP, port, 50_000, False), rules=rules)[0][0] == "edge"


def test_each_row_keeps_its_own_verdict() -> None:
    flows = [
        (TCP, 1080, 1494, False),
        (TCP, 50_000, 50_001, False),
        (TCP, 1080, 1494, True),
        (UDP, 123, 50_000, False),
        (TCP, 1080, 50_000, False),
    ]
    assert named(*flows * 3) == [named(flow)[0] for flow in flows] * 3


def test_no_flows() -> None:
    assert named() == []
