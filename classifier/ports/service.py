"""A service of a rule file: its keys and their valid values. Format: rules/README.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, NamedTuple

from classifier.flows.transports import NUMBERS
from classifier.ports.rule_files import Problem

#: IP protocol numbers of the transports in rules.
TRANSPORTS = {name: number for name, number in NUMBERS.items() if name != "udplite"}
TRANSPORT_NAMES = {number: name for name, number in TRANSPORTS.items()}
#: UDP-Lite uses UDP's rules: RFC 3828 §6 gives it UDP's ports.
UDP_LITE = NUMBERS["udplite"]
PORTS = 1 << 16
#: First dynamic port; these can't be registered. RFC 6335 §6.
DYNAMIC = 49152

STATUSES = ("official", "unofficial", "conflict", "historic")
CATEGORIES = (
    *("web", "mail", "file transfer", "remote access", "database", "messaging", "name service"),
    *("directory", "time", "management", "monitoring", "infrastructure", "industrial", "vpn/tunnel"),
    *("proxy", "peer-to-peer", "game", "voice/video", "printing", "storage", "development"),
    *("security", "streaming", "other"),
)
ENCRYPTED = ("yes", "no", "optional")
CARRIERS = ("tls", "dtls", "quic", "http", "websocket", "dce-rpc")
#: Maximum characters of a description.
DESCRIPTION = 80

Network = IPv4Network | IPv6Network


class Rank(IntEnum):
    """Order of the candidates of a port. Recognised payload ranks between USER and the rest."""

    USER = 0
    USUAL = 1
    OFFICIAL = 2
    UNOFFICIAL = 3
    CONFLICT = 4
    HISTORIC = 5


class Span(NamedTuple):
    """Ports of a transport, both bounds included."""

    proto: int
    first: int
    last: int

    @property
    def keys(self) -> Iterator[tuple[int, int]]:
        """Each (IP protocol, port)."""
        return ((self.proto, port) for port in range(self.first, self.last + 1))

    def __str__(self) -> str:
        """Return it in the notation of rules: `6881-6889/tcp`."""
        ports = f"{self.first}-{self.last}" if self.last > self.first else str(self.first)
        return f"{ports}/{TRANSPORT_NAMES[self.proto]}"


def spans_of(keys: Iterable[tuple[int, int]]) -> tuple[Span, ...]:
    """Merge (IP protocol, port) pairs into spans of adjacent ports."""
    spans: list[Span] = []
    for proto, port in sorted(keys):
        if spans and spans[-1].proto == proto and spans[-1].last == port - 1:
            spans[-1] = spans[-1]._replace(last=port)
        else:
            spans.append(Span(proto, port, port))
    return tuple(spans)


@dataclass(
    slots=True, eq=False
)  # not frozen: thousands are created at every start, and frozen takes three times as long
class Service:
    """A service at some ports."""

    name: str
    spans: tuple[Span, ...]
    #: `official`, `unofficial`, `conflict`, `historic`, or `user`: from the user's own file.
    status: str
    #: Other names of the service.
    aliases: tuple[str, ...] = ()
    #: The alias that is better known than the name.
    familiar: str | None = None
    #: The service in real use there, though unofficial (de facto).
    usual: bool = False
    #: In real use: it has a hand-made entry, not only one in IANA's registry.
    met: bool = True
    #: Only in IANA's registry, at ports that systems assign to clients: a candidate only.
    unused: bool = False
    category: str | None = None
    #: `yes`, `no`, `optional`; None if unknown.
    encrypted: str | None = None
    description: str | None = None
    source: str = "user"
    #: Protocols that it may run on: in the payload they are no mismatch.
    carriers: tuple[str, ...] = ()
    #: Protocols that identify this service in the payload: its name, its aliases, and others.
    speaks: tuple[str, ...] = ()
    #: Networks where the rule applies; everywhere, if empty. Only users' rules have networks.
    networks: tuple[Network, ...] = ()

    @property
    def rank(self) -> Rank:
        """Its rank among the candidates of a port."""
        return Rank.USUAL if self.usual else Rank[self.status.upper()]

    @property
    def order(self) -> tuple[Rank, bool, int]:
        """Sort key among the candidates of a port: the likeliest first."""
        narrowest = max((network.prefixlen for network in self.networks), default=-1)
        return self.rank, not self.met, -narrowest

    @property
    def names(self) -> frozenset[str]:
        """Its name and aliases."""
        return frozenset((self.name, *self.aliases))


#: Ports and transport, see `parse_ports`.
_SPAN = re.compile(r"(\d+)(?:-(\d+))?(?:/(\w+))?", re.ASCII)


def parse_ports(text: object) -> Span:
    """Parse `22/tcp` or `6000-6063/tcp`. ValueError: invalid."""
    found = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise ValueError(f'not ports: {text!r}; write "8080/tcp" or "6000-6063/udp"')
    if found[3] not in TRANSPORTS:
        given = f"unknown transport {found[3]!r}" if found[3] else "the transport is missing"
        raise ValueError(f"{text!r}: {given}; choose from {', '.join(TRANSPORTS)}")
    first, last = int(found[1]), int(found[2] or found[1])
    if last >= PORTS:
        raise ValueError(f"{text!r}: not a port; ports are 0 to {PORTS - 1}")
    if first > last:
        raise ValueError(f"{text!r}: the range is reversed; write {last}-{first}")
    return Span(TRANSPORTS[found[3]], first, last)


#: Keys by type: one of some words, any text, or a list.
_WORDS = {"status": STATUSES, "rank": ("usual",), "category": CATEGORIES, "encrypted": ENCRYPTED}
_TEXTS = ("name", "familiar", "description", "source")
_LISTS = ("aliases", "ports", "carriers", "speaks", "addresses")
KEYS = (*_TEXTS, *_WORDS, *_LISTS)
#: Keys of only one kind of file, and required keys.
OWN_ONLY, USER_ONLY = ("status", "rank", "familiar"), ("addresses",)
OWN_NEEDS = ("name", "ports", "status", "category", "encrypted", "description", "source")
USER_NEEDS = ("name", "ports")
REMOVE_KEYS = ("name", "ports")
#: A valid name; `|` separates candidates.
_NAME = re.compile(r"[^\s|,/\x00-\x1f]+(?: [^\s|,/\x00-\x1f]+)*")


def check_service(index: int, entry: dict[str, Any], users: bool) -> Iterator[Problem]:
    """Yield the errors of a `[[service]]`."""
    forbidden = OWN_ONLY if users else USER_ONLY
    known = tuple(key for key in KEYS if key not in forbidden)
    for key, reason in (
        *_unknown(entry, known, forbidden, "users' rules always take precedence"),
        *_missing(entry, USER_NEEDS if users else OWN_NEEDS),
        *_values(entry),
    ):
        yield Problem("service", index, key, f"service {entry.get('name', '?')}", reason)


def check_remove(index: int, entry: dict[str, Any]) -> Iterator[Problem]:
    """Yield the errors of a `[[remove]]`."""
    for key, reason in (
        *_unknown(entry, REMOVE_KEYS, (), ""),
        *_missing(entry, ("ports",)),
        *_values(entry),
    ):
        yield Problem("remove", index, key, f"remove {entry.get('name', 'all')}", reason)


def _unknown(
    entry: dict[str, Any], known: tuple[str, ...], forbidden: tuple[str, ...], why: str
) -> Iterator[tuple[str, str]]:
    for key in entry:
        if key in forbidden:
            yield key, f"{key} is not allowed here" + (f": {why}" if why else "")
        elif key not in known:
            near = get_close_matches(key, known, 1)
            yield key, f"unknown key {key}" + (f"; did you mean {near[0]}?" if near else "")


def _missing(entry: dict[str, Any], needed: tuple[str, ...]) -> Iterator[tuple[None, str]]:
    for key in needed:
        if key not in entry:
            yield None, f"{key} is missing; add it"


def _values(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each invalid value with its key."""
    for key, value in entry.items():
        if key in _WORDS and value not in _WORDS[key]:
            yield key, f"unknown {key} {value!r}; choose from {', '.join(_WORDS[key])}"
        elif key in _TEXTS and not (isinstance(value, str) and value.strip()):
            yield key, f"{key} must be a string, not {value!r}"
        elif key == "name" and not _NAME.fullmatch(value):
            yield key, f"invalid name {value!r}: no comma, slash, | or control character"
        elif key == "description" and len(value) > DESCRIPTION:
            yield key, f"description has {len(value)} characters; the maximum is {DESCRIPTION}"
        elif key in _LISTS and not (isinstance(value, list) and value):
            yield key, f"{key} must be a non-empty list, not {value!r}"
        elif key in _LISTS:
            yield from ((key, reason) for reason in _items(key, value))
    if "rank" in entry and entry.get("status") != "unofficial":
        yield "rank", "rank is only for status unofficial"
    if entry.get("status") == "official" and any(last >= DYNAMIC for last in _last_ports(entry)):
        yield "ports", f"ports from {DYNAMIC} can't be official"


def _last_ports(entry: dict[str, Any]) -> Iterator[int]:
    for text in entry.get("ports", ()):
        with suppress(ValueError):  # reported already
            yield parse_ports(text).last


def _items(key: str, values: list[Any]) -> Iterator[str]:
    """Yield the errors of a list's items."""
    for value in values:
        try:
            if key == "ports":
                parse_ports(value)
            elif not isinstance(value, str) or not value.strip():
                raise ValueError(f"{key} must be strings, not {value!r}")
            elif key == "addresses":
                ip_network(value)
            elif key == "carriers" and value not in CARRIERS:
                raise ValueError(f"unknown carrier {value!r}; choose from {', '.join(CARRIERS)}")
        except ValueError as error:
            yield str(error) if key != "addresses" else _wrong_network(value, error)


def _wrong_network(value: str, error: ValueError) -> str:
    if "host bits" in str(error):
        return f"{value!r}: host bits are set; write {ip_network(value, strict=False)}"
    return f'not an address or network: {value!r}; write "10.1.2.3", "10.0.0.0/8" or "2001:db8::/32"'


def service_of(entry: dict[str, Any], users: bool) -> Service:
    """Return the service of a checked entry."""
    return Service(
        name=entry["name"],
        spans=tuple(parse_ports(text) for text in entry["ports"]),
        status="user" if users else entry["status"],
        aliases=tuple(entry.get("aliases", ())),
        familiar=entry.get("familiar"),
        usual="rank" in entry,
        category=entry.get("category"),
        encrypted=entry.get("encrypted"),
        description=entry.get("description"),
        source=entry.get("source", "user"),
        carriers=tuple(entry.get("carriers", ())),
        speaks=tuple(dict.fromkeys((entry["name"], *entry.get("aliases", ()), *entry.get("speaks", ())))),
        networks=tuple(ip_network(text) for text in entry.get("addresses", ())),
    )
