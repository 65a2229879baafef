"""From server port and transport to the service, with rules made for the purpose."""

from __future__ import annotations

import ipaddress
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from classifier import payload
from classifier.ports.lookup import PortStanding
from classifier.ports.rules import Rules
from classifier.ports.service import Service, Span
from classifier.services import naming

TCP, UDP = 6, 17
OFFICIAL, UNOFFICIAL = "official", "unofficial"


def service(name: str, *ports: int, proto: int = TCP, status: str = OFFICIAL, **more: Any) -> Service:
    return Service(name, tuple(Span(proto, port, port) for port in ports), status, **more)


RULES = Rules(
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


def ends(ip: str, ports: tuple[int, ...]) -> naming.ServerEndpoints:
    address = ipaddress.ip_address(ip)
    packed = address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed
    return naming.ServerEndpoints(
        pa.array([packed] * len(ports), pa.binary(16)), pa.array(ports, pa.uint16())
    )


def silent(flows: int) -> naming.DetectedPayloads:
    """No payload, and nothing announced."""
    columns = {name: np.zeros(flows, np.uint64) for name in ("hits_a", "hits_b")}
    columns |= {name: np.zeros(flows, np.uint16) for name in ("port_a", "port_b")}
    said = payload.findings(
        pa.record_batch({name: pa.array(column) for name, column in columns.items()}), payload.load()
    )
    nothing = np.zeros(flows, np.uint8)
    return naming.DetectedPayloads(said, payload.load(), pa.nulls(flows, pa.string()), nothing, nothing > 0)


def named(
    *flows: tuple[int, int, int, bool], rules: Rules = RULES, server_ip: str = "192.0.2.1"
) -> list[tuple[str | None, str | None, list[str]]]:
    """Service, source and candidates of (transport, server port, client port, ambiguous)."""
    proto, server, client, ambiguous = zip(*flows, strict=True) if flows else ((), (), (), ())
    names = naming.name(
        rules,
        np.array(proto, np.uint8),
        ends(server_ip, server),
        ends("192.0.2.2", client),
        np.array(ambiguous, bool),
        silent(len(flows)),
    )
    columns = names.service, names.source, names.candidates()
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
    """rules/README.md: the user's, usual though unofficial, official, unofficial, conflict, historic."""
    ranked = ["dev-server", "radan-http", "omniorb", "old-thing"]
    assert named((TCP, 8088, 50_000, False)) == [("dev-server", UNOFFICIAL, ranked)]


def test_ties_stay_in_the_order_of_the_file() -> None:
    tied = Rules([service("first", 700), service("second", 700)])
    assert named((TCP, 700, 50_000, False), rules=tied) == [("first", OFFICIAL, ["first", "second"])]


def test_a_range_of_ports() -> None:
    x11 = Rules([Service("x11", (Span(TCP, 6000, 6063),), OFFICIAL)])
    rows = named(*((TCP, port, 50_000, False) for port in (5999, 6000, 6063, 6064)), rules=x11)
    assert [name for name, _, _ in rows] == [None, "x11", "x11", None]


@pytest.mark.parametrize("port", [0, 65_535])
def test_the_first_and_the_last_port(port: int) -> None:
    rules = Rules([service("edge", port)])
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


class TestWithAddresses:
    """Users' rules that hold at some addresses only."""

    RULES = Rules(
        [
            service("our-wiki", 8080, status="user", networks=(ipaddress.ip_network("10.1.2.3/32"),)),
            service("our-proxies", 8080, status="user", networks=(ipaddress.ip_network("10.1.0.0/16"),)),
            service("our-sixes", 8080, status="user", networks=(ipaddress.ip_network("2001:db8::/33"),)),
            service("anywhere", 8080, status="user"),
            service("http-alt", 8080),
        ]
    )

    @pytest.mark.parametrize(
        ("server", "candidates"),
        [
            ("10.1.2.3", ["our-wiki", "our-proxies", "anywhere", "http-alt"]),
            ("10.1.2.4", ["our-proxies", "anywhere", "http-alt"]),
            ("10.2.2.3", ["anywhere", "http-alt"]),
            ("2001:db8:7fff::1", ["our-sixes", "anywhere", "http-alt"]),
            ("2001:db8:8000::1", ["anywhere", "http-alt"]),
        ],
    )
    def test_the_narrowest_network_comes_first(self, server: str, candidates: list[str]) -> None:
        flow = (TCP, 8080, 50_000, False)
        assert named(flow, rules=self.RULES, server_ip=server) == [(candidates[0], "user", candidates)]
        asked = self.RULES.at(TCP, 8080, ipaddress.ip_address(server))
        assert [found.name for found in asked] == candidates

    def test_another_port_or_transport_is_left_alone(self) -> None:
        flows = (TCP, 8081, 50_000, False), (UDP, 8080, 50_000, False)
        assert named(*flows, rules=self.RULES, server_ip="10.1.2.3") == [(None, None, [])] * 2

    def test_every_address_of_ipv6_is_not_one_of_ipv4(self) -> None:
        rules = Rules([service("six", 8080, status="user", networks=(ipaddress.ip_network("::/0"),))])
        flow = (TCP, 8080, 50_000, False)
        assert named(flow, rules=rules, server_ip="10.1.2.3")[0][0] is None
        assert named(flow, rules=rules, server_ip="2001:db8::1")[0][0] == "six"

    def test_udp_lite_has_the_ports_of_udp(self) -> None:
        here = (ipaddress.ip_network("10.0.0.0/8"),)
        rules = Rules(
            [service("ours", 700, proto=UDP, status="user", networks=here), service("ntp", 123, proto=UDP)]
        )
        flows = (136, 700, 50_000, False), (136, 123, 50_000, False)
        assert [name for name, _, _ in named(*flows, rules=rules, server_ip="10.1.2.3")] == ["ours", "ntp"]


def test_how_much_a_name_means() -> None:
    rules = Rules(
        [
            service("registered", 1, 2, 3, 4, 5, met=False),
            service("rare", 2, status="conflict"),
            service("met", 3),
            service("usual", 4, status=UNOFFICIAL, usual=True),
            service("mine", 5, status="user"),
        ]
    )
    ports = np.array([0, 1, 2, 3, 4, 5], np.uint16)
    standing = rules.standing(rules.places(np.full(6, TCP, np.uint8), ports))
    assert standing.tolist() == sorted(PortStanding)


def test_what_is_merely_registered_comes_after_what_people_meet() -> None:
    rules = Rules([service("urd", 465, met=False), service("submissions", 465)])
    assert named((TCP, 465, 50_000, False), rules=rules)[0][2] == ["submissions", "urd"]
