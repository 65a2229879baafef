"""The port rules: services at a server's port, ranked. Format and ranking: rules/README.md."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache, cached_property
from ipaddress import IPv4Address, IPv6Address
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.errors import RulesError
from classifier.ports import client_ports, registry
from classifier.ports.rule_files import FOLDER, Problem, described, parse_toml, read_toml, user_file
from classifier.ports.service import (
    PORTS,
    TRANSPORTS,
    UDP_LITE,
    Service,
    Span,
    check_remove,
    check_service,
    parse_ports,
    service_of,
    spans_of,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from classifier.ports.lookup import PortLookup

__all__ = ["PORTS", "Rules", "check_user_file"]

Key = tuple[int, int]


class Rules:
    """Services by transport and server port: the built-in ones, and the user's, which take precedence.

    `Rules.load()` is what the commands use. `at()` looks up one port; `places()`, `standing()` and
    `candidates` are for columns. `services` of equal rank have the likelier first; `reserved` are
    (IP protocol, port).
    """

    def __init__(self, services: Iterable[Service], reserved: Iterable[Key] = ()) -> None:
        self.services = tuple(services)
        self.reserved = frozenset(reserved)
        #: Users' services that are bound to some addresses; elsewhere their ports may have other services.
        self.bound = tuple(service for service in self.services if service.networks)
        by_port: dict[Key, list[Service]] = {}
        for service in self.services:
            for proto, first, last in () if service.networks else service.spans:
                for port in range(first, last + 1):
                    by_port.setdefault((proto, port), []).append(service)
        #: The candidates of each (IP protocol, port), likeliest first, without those in `bound`.
        self.by_port = {
            key: tuple(sorted(found, key=lambda service: service.order) if len(found) > 1 else found)
            for key, found in by_port.items()
        }

    @classmethod
    def load(cls, user: str | os.PathLike[str] | None = None) -> Rules:
        """Load the built-in rules and the user's.

        The user's are in the file given, else in the one named by the environment variable
        CLASSIFIER_RULES (none, if that is empty), else in the default location of the platform.
        RulesError: a file is invalid, with file, line, rule and reason.
        """
        own = own_rules()
        path = user_file(user)
        return own if path is None else own.with_user(path)

    def with_user(self, path: Path) -> Rules:
        """Return these rules with those of a user's file, which take precedence."""
        text = _user_text(path)
        document = parse_toml(path, text)
        if problems := list(_user_problems(document)):
            more = f" (and {len(problems) - 1} more: classifier rules check)" if len(problems) > 1 else ""
            raise RulesError(described(path, text, problems[0]) + more)
        added = [service_of(entry, users=True) for entry in document.get("service", ())]
        taken = {
            (key, name)
            for entry in document.get("remove", ())
            for key in _keys(parse_ports(text) for text in entry["ports"])
            for name in ([entry["name"]] if "name" in entry else self._names_at(key))
        }
        # A user's rule for a service replaces the built-in rule for it at that port.
        taken |= {
            (key, name)
            for service in added
            if not service.networks
            for key in _keys(service.spans)
            for name in service.names
        }
        return Rules([*added, *_without(self.services, taken)], self.reserved)

    def _names_at(self, key: Key) -> list[str]:
        return [service.name for service in self.by_port.get(key, ())]

    def at(
        self, proto: int, port: int, address: IPv4Address | IPv6Address | None = None
    ) -> tuple[Service, ...]:
        """Return the candidates at a server's port, likeliest first; `proto` is the IP protocol number."""
        proto = TRANSPORTS["udp"] if proto == UDP_LITE else proto
        here = [
            (network.prefixlen, service)
            for service in self.bound
            if any(proto == span.proto and span.first <= port <= span.last for span in service.spans)
            for network in service.networks
            if address is not None and address in network
        ]
        narrowest_first = [service for _, service in sorted(here, key=lambda found: -found[0])]
        return tuple(dict.fromkeys([*narrowest_first, *self.by_port.get((proto, port), ())]))

    def names_of(self, name: str) -> frozenset[str]:
        """Return the services with a name as alias, else the one of that name."""
        return self._by_alias.get(name.lower(), frozenset({name}))

    @cached_property
    def familiar(self) -> dict[str, str]:
        """Familiar names of services that are registered under others: `dns` for `domain`."""
        return {service.name: service.familiar for service in self.services if service.familiar}

    @cached_property
    def _by_alias(self) -> dict[str, frozenset[str]]:
        named: dict[str, set[str]] = {}
        for service in self.services:
            for alias in service.aliases:
                named.setdefault(alias.lower(), set()).add(service.name)
        own = {service.name.lower() for service in self.services if service.met}
        return {alias: frozenset(names) for alias, names in named.items() if alias not in own}

    def category(self, name: str) -> str | None:
        """Return the category of a service, by its name or an alias; None if unknown."""
        return self._categories.get(name)

    @cached_property
    def _categories(self) -> dict[str, str]:
        known = [service for service in self.services if service.category]
        found = {alias: str(service.category) for service in reversed(known) for alias in service.aliases}
        return found | {service.name: str(service.category) for service in reversed(known)}

    @cached_property
    def _lookup(self) -> PortLookup:
        from classifier.ports.lookup import PortLookup  # imports numpy, which `classifier ports` doesn't need

        return PortLookup(self.by_port, self.bound)

    @property
    def candidates(self) -> list[tuple[Service, ...]]:
        """The distinct lists of candidates that `places` indexes, likeliest first; index 0 is empty."""
        return self._lookup.candidates

    def places(
        self,
        proto: npt.NDArray[np.uint8],
        port: npt.NDArray[np.uint16],
        address: pa.Array | None = None,
    ) -> npt.NDArray[np.int32]:
        """Return for n transports and ports (and 16-byte addresses) the index into `candidates`."""
        return self._lookup.places(proto, port, address)

    def standing(self, places: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
        """Return the `Standing` of each of n indices into `candidates`."""
        return self._lookup.standing[places]


def check_user_file(path: Path) -> tuple[list[Service], list[str]]:
    """Return a user's services, or all errors in the file, each with file, line, rule and reason."""
    text = _user_text(path)
    document = parse_toml(path, text)
    problems = [described(path, text, problem) for problem in _user_problems(document)]
    if problems:
        return [], problems
    return [service_of(entry, users=True) for entry in document.get("service", ())], []


def with_familiar(service: str) -> str:
    """Format a service with its familiar name, if any: `domain (dns)`."""
    familiar = own_rules().familiar.get(service)
    return f"{service} ({familiar})" if familiar else service


@cache
def own_rules() -> Rules:
    """Load the built-in rules."""
    path = FOLDER / "services.toml"
    document = read_toml(path)
    for problem in _tables(document, ("service",), users=False):
        raise RulesError(described(path, path.read_bytes(), problem))
    services = [service_of(entry, users=False) for entry in document.get("service", ())]
    rows = list(registry.read(FOLDER / registry.FILE))
    reserved = (key for row in rows if not row.name for key in _keys(row.spans))
    return Rules([*services, *_only_registered(services, rows)], reserved)


def _only_registered(services: list[Service], rows: list[registry.RegistryRow]) -> Iterator[Service]:
    """Yield the services of IANA's registry that have no hand-made entry.

    A service with a hand-made entry for another transport of the same port keeps that entry's data.
    """
    by_hand: defaultdict[str, list[tuple[set[int], Service]]] = defaultdict(list)
    for service in services:
        ports = {port for _, port in _keys(service.spans)}
        for name in service.names if service.status == "official" else ():
            by_hand[name].append((ports, service))
    known = {(key, service.name) for service in services for key in _keys(service.spans)}
    for row in rows:
        same = [other for ports, other in by_hand.get(row.name, ()) if not ports.isdisjoint(row.ports)]
        if row.name and not same:
            unused = all(_is_given_out(span) for span in row.spans)
            yield Service(
                row.name, row.spans, "official", met=False, unused=unused, source="IANA", speaks=(row.name,)
            )
        for service in same:
            left = [key for key in _keys(row.spans) if (key, service.name) not in known]
            known.update((key, service.name) for key in left)
            if left:
                yield replace(service, spans=spans_of(left), met=False)


def _is_given_out(span: Span) -> bool:
    """Return whether today's systems assign ports of a span to clients, or to services that request none."""
    return any(given.first <= span.first <= given.last for given in client_ports.given_out())


def _user_text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RulesError(f"{path}: {error.strerror}; give another file with --rules") from error


def _user_problems(document: dict[str, Any]) -> Iterator[Problem]:
    return _tables(document, ("service", "remove"), users=True)


def _tables(document: dict[str, Any], known: tuple[str, ...], users: bool) -> Iterator[Problem]:
    """Yield the errors in a rule file's tables."""
    for table, entries in document.items():
        if table not in known:
            tables = " and ".join(f"[[{name}]]" for name in known)
            yield Problem(table, 0, None, table, f"unknown table; a rule file has {tables}")
        elif not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            yield Problem(table, 0, None, table, f"write [[{table}]], with two brackets")
        else:
            for index, entry in enumerate(entries):
                yield from (
                    check_remove(index, entry) if table == "remove" else check_service(index, entry, users)
                )


def _keys(spans: Iterable[Span]) -> Iterator[Key]:
    return chain.from_iterable(span.keys for span in spans)


def _without(services: Iterable[Service], taken: set[tuple[Key, str]]) -> Iterator[Service]:
    """Yield services without the ports that were removed by name or alias."""
    names_taken = {name for _, name in taken}
    for service in services:
        if service.names.isdisjoint(names_taken):
            yield service
            continue
        names = service.names & names_taken
        left = [key for key in _keys(service.spans) if not any((key, name) in taken for name in names)]
        if left:
            yield replace(service, spans=spans_of(left))
