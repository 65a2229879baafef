"""One service of a rule file: what its keys mean, and which values they take. Format: rules/README.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, NamedTuple

from classifier.ports.rule_files import Problem

#: IP protocol numbers of the transports that rules may name.
TRANSPORTS = {"tcp": 6, "udp": 17, "dccp": 33, "sctp": 132}
TRANSPORT_NAMES = {number: name for name, number in TRANSPORTS.items()}
#: UDP-Lite has no rules of its own: RFC 3828 §6 gives it UDP's ports.
UDP_LITE = 136
PORTS = 1 << 16
#: Nothing can be registered from here on. RFC 6335 §6.
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
#: The longest description.
DESCRIPTION = 80

Network = IPv4Network | IPv6Network


class Rank(IntEnum):
    """Which candidate comes first. Payload, once seen, stands between the user and the rest."""

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
        """Return it as rules write it: `6881-6889/tcp`."""
        ports = f"{self.first}-{self.last}" if self.last > self.first else str(self.first)
        return f"{ports}/{TRANSPORT_NAMES[self.proto]}"


def spans_of(keys: Iterable[tuple[int, int]]) -> tuple[Span, ...]:
    """Gather (IP protocol, port) into spans, neighbours together."""
    spans: list[Span] = []
    for proto, port in sorted(keys):
        if spans and spans[-1].proto == proto and spans[-1].last == port - 1:
            spans[-1] = spans[-1]._replace(last=port)
        else:
            spans.append(Span(proto, port, port))
    return tuple(spans)


@dataclass(
    slots=True, eq=False
)  # not frozen: thousands are made at every start, and that takes thrice as long
class Service:
    """A use of some ports by one service."""

    name: str
    spans: tuple[Span, ...]
    #: `official`, `unofficial`, `conflict`, `historic`, or `user`: from the user's own file.
    status: str
    #: Other names of the same thing.
    aliases: tuple[str, ...] = ()
    #: The alias that people know it by better than by its name.
    familiar: str | None = None
    #: What really runs there, though unofficial.
    usual: bool = False
    #: People meet it: a hand-made entry tells of it, not just IANA's list.
    met: bool = True
    #: Only IANA's list has it, and systems give its ports to anything that asks: a candidate, and no more.
    unused: bool = False
    category: str | None = None
    #: `yes`, `no`, `optional`; None if the rules don't tell.
    encrypted: str | None = None
    description: str | None = None
    source: str = "user"
    #: Protocols that it may ride on: seen in the payload, they are no mismatch.
    carriers: tuple[str, ...] = ()
    #: Protocols that are this service if seen in the payload: its name, its aliases, and others.
    speaks: tuple[str, ...] = ()
    #: Where the rule holds; everywhere, if empty. Only users' rules have networks.
    networks: tuple[Network, ...] = ()

    @property
    def rank(self) -> Rank:
        """Its place among the candidates of a port."""
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


#: As `parse_ports` reads it.
_SPAN = re.compile(r"(\d+)(?:-(\d+))?(?:/(\w+))?", re.ASCII)


def parse_ports(text: object) -> Span:
    """Read `22/tcp` or `6000-6063/tcp`; ValueError says what is wrong."""
    found = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise ValueError(f'{text!r} is not like "8080/tcp" or "6000-6063/udp"')
    if found[3] not in TRANSPORTS:
        given = f"{found[3]!r} is none" if found[3] else "the transport is missing"
        raise ValueError(f"{text!r}: {given}; transports are {', '.join(TRANSPORTS)}")
    first, last = int(found[1]), int(found[2] or found[1])
    if last >= PORTS:
        raise ValueError(f"{text!r}: ports are 0 to {PORTS - 1}")
    if first > last:
        raise ValueError(f"{text!r}: the range runs backwards")
    return Span(TRANSPORTS[found[3]], first, last)


#: What each key takes: one of some words, any text, or a list.
_WORDS = {"status": STATUSES, "rank": ("usual",), "category": CATEGORIES, "encrypted": ENCRYPTED}
_TEXTS = ("name", "familiar", "description", "source")
_LISTS = ("aliases", "ports", "carriers", "speaks", "addresses")
KEYS = (*_TEXTS, *_WORDS, *_LISTS)
#: What only one kind of file may say, and what it must.
OWN_ONLY, USER_ONLY = ("status", "rank", "familiar"), ("addresses",)
OWN_NEEDS = ("name", "ports", "status", "category", "encrypted", "description", "source")
USER_NEEDS = ("name", "ports")
REMOVE_KEYS = ("name", "ports")
#: What a name may look like; `|` separates candidates.
_NAME = re.compile(r"[^\s|,/\x00-\x1f]+(?: [^\s|,/\x00-\x1f]+)*")


def check_service(index: int, entry: dict[str, Any], users: bool) -> Iterator[Problem]:
    """Yield what is wrong with a `[[service]]`."""
    forbidden = OWN_ONLY if users else USER_ONLY
    known = tuple(key for key in KEYS if key not in forbidden)
    for key, reason in (
        *_unknown(entry, known, forbidden, "a user's rule always comes first and has none"),
        *_missing(entry, USER_NEEDS if users else OWN_NEEDS),
        *_values(entry),
    ):
        yield Problem("service", index, key, f"service {entry.get('name', '?')}", reason)


def check_remove(index: int, entry: dict[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with a `[[remove]]`."""
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
            yield key, f"{key} has no place here: {why}"
        elif key not in known:
            near = get_close_matches(key, known, 1)
            yield key, f"unknown key {key}" + (f"; did you mean {near[0]}?" if near else "")


def _missing(entry: dict[str, Any], needed: tuple[str, ...]) -> Iterator[tuple[None, str]]:
    for key in needed:
        if key not in entry:
            yield None, f"{key} is missing"


def _values(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each wrong value with its key."""
    for key, value in entry.items():
        if key in _WORDS and value not in _WORDS[key]:
            yield key, f"{key} {value!r} is none of: {', '.join(_WORDS[key])}"
        elif key in _TEXTS and not (isinstance(value, str) and value.strip()):
            yield key, f"{key} must be a text in quotes, not {value!r}"
        elif key == "name" and not _NAME.fullmatch(value):
            yield key, f"name {value!r}: no comma, slash, | or control character"
        elif key == "description" and len(value) > DESCRIPTION:
            yield key, f"description has {len(value)} characters; {DESCRIPTION} is the most"
        elif key in _LISTS and not (isinstance(value, list) and value):
            yield key, f"{key} must be a list with something in it, not {value!r}"
        elif key in _LISTS:
            yield from ((key, reason) for reason in _items(key, value))
    if "rank" in entry and entry.get("status") != "unofficial":
        yield "rank", "rank goes with status unofficial only"
    if entry.get("status") == "official" and any(last >= DYNAMIC for last in _last_ports(entry)):
        yield "ports", f"nothing is official from port {DYNAMIC} on"


def _last_ports(entry: dict[str, Any]) -> Iterator[int]:
    for text in entry.get("ports", ()):
        with suppress(ValueError):  # told already
            yield parse_ports(text).last


def _items(key: str, values: list[Any]) -> Iterator[str]:
    """Yield what is wrong with the items of a list."""
    for value in values:
        try:
            if key == "ports":
                parse_ports(value)
            elif not isinstance(value, str) or not value.strip():
                raise ValueError(f"{key} must be texts in quotes, not {value!r}")
            elif key == "addresses":
                ip_network(value)
            elif key == "carriers" and value not in CARRIERS:
                raise ValueError(f"{value!r} is none of: {', '.join(CARRIERS)}")
        except ValueError as error:
            yield str(error) if key != "addresses" else _wrong_network(value, error)


def _wrong_network(value: str, error: ValueError) -> str:
    if "host bits" in str(error):
        return f"{value!r}: bits are set behind the prefix; write {ip_network(value, strict=False)}"
    return f'{value!r} is no address or network like "10.1.2.3", "10.0.0.0/8" or "2001:db8::/32"'


def service_of(entry: dict[str, Any], users: bool) -> Service:
    """Make the service of an entry that was checked."""
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
