"""Finding services by port, name, word and category."""

from __future__ import annotations

import ipaddress

import pytest

from classifier.ports.rules import Rules
from classifier.ports.search import QueryError, SearchResult, find, suggestions
from classifier.ports.service import Service, Span

TCP, UDP, SCTP = 6, 17, 132


def service(name: str, *spans: Span, status: str = "official", **more: object) -> Service:
    return Service(name, spans, status, **more)  # type: ignore[arg-type]


RULES = Rules(
    [
        service("wiki", Span(TCP, 80, 80), status="user", networks=(ipaddress.ip_network("10.0.0.0/8"),)),
        service("http", Span(TCP, 80, 80), aliases=("www",), category="web", description="Pages"),
        service("http-alt", Span(TCP, 8000, 8001), status="unofficial", usual=True, category="web"),
        service("irdmi", Span(TCP, 8000, 8000), Span(UDP, 8000, 8000), met=False),
        service("x11", Span(TCP, 6000, 6063), category="remote access", description="X Window display"),
        service("openvpn", Span(UDP, 1194, 1194), category="vpn/tunnel"),
        service("ica", Span(TCP, 1494, 1494), description="Citrix session", source="vendor Citrix"),
        service("xcitrix", Span(TCP, 1495, 1495), met=False),
    ],
    reserved=[(TCP, 1023), (UDP, 1023), (TCP, 1024)],
)


def uses(query: str) -> list[str]:
    return [f"{use.span} {use.service.name}" for use in find(RULES, query).exact]


def related(query: str) -> list[str]:
    return [use.service.name for use in find(RULES, query).related]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("80", ["80/tcp wiki", "80/tcp http"]),
        ("80/udp", []),
        ("8000", ["8000/tcp http-alt", "8000/tcp irdmi", "8000/udp irdmi"]),
        ("8000/udp", ["8000/udp irdmi"]),
        ("8000/UDP", ["8000/udp irdmi"]),
        ("8000/udplite", ["8000/udp irdmi"]),
        ("8000/sctp", []),
        ("7999-8001", ["8000-8001/tcp http-alt", "8000/tcp irdmi", "8000/udp irdmi"]),
        ("6010-6020/tcp", ["6010-6020/tcp x11"]),
        ("0-65535/udp", ["1194/udp openvpn", "8000/udp irdmi"]),
        ("12345", []),
    ],
)
def test_by_number(query: str, found: list[str]) -> None:
    assert uses(query) == found


def test_reserved_ports() -> None:
    assert find(RULES, "1000-2000").reserved == (Span(TCP, 1023, 1024), Span(UDP, 1023, 1023))
    assert find(RULES, "1025").reserved == ()


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("65536", "0 to 65535"),
        ("-1", "0 to 65535"),
        ("80-65536", "0 to 65535"),
        ("90-80", "the range is reversed; write 80-90"),
        ("80/icmp", "unknown transport icmp; choose from"),
    ],
)
def test_ports_that_cannot_be(query: str, told: str) -> None:
    with pytest.raises(QueryError, match=told):
        find(RULES, query)


@pytest.mark.parametrize("query", ["http", "HTTP", "www", " www "])
def test_by_name_or_alias(query: str) -> None:
    assert uses(query) == ["80/tcp http"]


def test_what_has_to_do_with_a_word() -> None:
    assert related("http") == ["http-alt"]
    assert related("citrix") == ["ica"]
    assert related("window") == ["x11"]
    assert related("indow") == [], "words are found by their beginning"


def test_what_is_merely_registered_is_found_by_name() -> None:
    assert uses("irdmi") == ["8000/tcp irdmi", "8000/udp irdmi"]
    assert related("xcit") == ["xcitrix"]


@pytest.mark.parametrize("query", ["remote access", "remote-access", "Remote Access"])
def test_by_category(query: str) -> None:
    assert related(query) == ["x11"]


@pytest.mark.parametrize("query", ["vpn", "tunnel", "vpn/tunnel"])
def test_by_half_a_category(query: str) -> None:
    assert related(query) == ["openvpn"]


def test_a_short_word_finds_names_only() -> None:
    assert find(RULES, "x1") == SearchResult("x1", [], [])


@pytest.mark.parametrize(
    ("query", "near"),
    [("openvp", "openvpn"), ("htpt", "http"), ("xcitrx", "xcitrix"), ("strming", "streaming")],
)
def test_suggestions(query: str, near: str) -> None:
    assert near in suggestions(RULES, query)


def test_no_suggestion() -> None:
    assert suggestions(RULES, "qqqqqqq") == []
