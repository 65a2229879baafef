"""Find services by port, by name or word, and by category."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from classifier.ports.rules import Rules
from classifier.ports.service import (
    CATEGORIES,
    PORTS,
    TRANSPORT_NAMES,
    TRANSPORTS,
    Service,
    Span,
    spans_of,
)

#: Characters of a word from which it also matches parts of words.
_LEAST = 3


class QueryError(ValueError):
    """An invalid query, with the reason."""


@dataclass(frozen=True, slots=True)
class PortUse:
    """A service at adjacent ports of one transport."""

    span: Span
    service: Service


@dataclass(frozen=True, slots=True)
class Ports:
    """A query by number: ports of some transports."""

    first: int
    last: int
    protos: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a query."""

    query: str
    #: Services with this name, or at these ports, likeliest first.
    exact: list[PortUse]
    #: Services that match by a part of the name, a word of the description, or the category.
    related: list[PortUse]
    #: The ports of a query by number; None for a word.
    ports: Ports | None = None
    #: Those of them that IANA reserves.
    reserved: tuple[Span, ...] = ()


def find(rules: Rules, query: str) -> SearchResult:
    """Answer a query: `1494`, `1494/tcp`, `6881-6889`, a name, a word or a category."""
    query = " ".join(query.split())
    if (ports := _as_ports(query)) is not None:
        return _at_ports(rules, query, ports)
    word = query.lower()
    named = [service for service in rules.services if word in _lower(service.names)]
    has_to_do_with = _test(word)
    related = [
        service
        for service in rules.services
        if service.met and service not in named and has_to_do_with(service)
    ]
    if not named and not related and len(word) >= _LEAST:
        related = [
            service for service in rules.services if any(word in name for name in _lower(service.names))
        ]
    return SearchResult(query, _uses(named), _uses(related))


def suggestions(rules: Rules, query: str) -> list[str]:
    """Return similar names for a word that finds nothing."""
    known = {name.lower(): None for service in rules.services if service.met for name in service.names}
    rare = {name.lower(): None for service in rules.services for name in service.names}
    words = [*known, *CATEGORIES]
    return get_close_matches(query.lower(), words, 3, 0.7) or get_close_matches(query.lower(), rare, 3, 0.75)


def _as_ports(query: str) -> Ports | None:
    """Parse a query by number; None for a word. QueryError: invalid ports."""
    found = re.fullmatch(r"(-?\d+)(?:-(\d+))?(?:/(.+))?", query, re.ASCII)
    if not found:
        return None
    first, last = int(found[1]), int(found[2] or found[1])
    if not 0 <= first < PORTS or last >= PORTS:
        raise QueryError(f"{query}: not a port; ports are 0 to {PORTS - 1}")
    if first > last:
        raise QueryError(f"{query}: the range is reversed; write {last}-{first}")
    transport = "udp" if found[3] == "udplite" else (found[3] or "").lower()
    if transport and transport not in TRANSPORTS:
        raise QueryError(f"{query}: unknown transport {found[3]}; choose from {', '.join(TRANSPORTS)}")
    return Ports(first, last, (TRANSPORTS[transport],) if transport else tuple(TRANSPORT_NAMES))


def _at_ports(rules: Rules, query: str, ports: Ports) -> SearchResult:
    keys: dict[Service, list[tuple[int, int]]] = {}
    reserved = []
    for port in range(ports.first, ports.last + 1):
        for proto in ports.protos:
            for service in rules.at(proto, port):
                keys.setdefault(service, []).append((proto, port))
            if (proto, port) in rules.reserved:
                reserved.append((proto, port))
    for service in rules.bound:
        for proto, first, last in service.spans:
            overlap = range(max(first, ports.first), min(last, ports.last) + 1)
            keys.setdefault(service, []).extend((proto, port) for port in overlap if proto in ports.protos)
    uses = [PortUse(span, service) for service, found in keys.items() for span in spans_of(found)]
    return SearchResult(query, _ranked(uses), [], ports, spans_of(reserved))


def _test(word: str) -> Callable[[Service], bool]:
    """Return a test whether a service matches a word: by category, or by the beginning of a word."""
    categories = {name for name in CATEGORIES if word in (name, name.replace(" ", "-"), *name.split("/"))}
    if categories:
        return lambda service: service.category in categories
    if len(word) < _LEAST:
        return lambda service: False
    begins = re.compile(rf"(?<![a-z0-9]){re.escape(word)}", re.IGNORECASE)
    return lambda service: any(
        begins.search(text) for text in (*service.names, service.description or "", service.source)
    )


def _lower(names: Iterable[str]) -> set[str]:
    return {name.lower() for name in names}


def _uses(services: Iterable[Service]) -> list[PortUse]:
    return _ranked(PortUse(span, service) for service in services for span in service.spans)


def _ranked(uses: Iterable[PortUse]) -> list[PortUse]:
    """Sort by port, then transport, then rank."""
    return sorted(uses, key=lambda use: (use.span.first, use.span.proto, use.service.order))
