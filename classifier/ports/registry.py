"""IANA's registry of service names and port numbers, in rules/registry.csv."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TextIO

from classifier.errors import RulesError
from classifier.ports.service import DYNAMIC, TRANSPORT_NAMES, TRANSPORTS, Span

FILE = "registry.csv"
_HEAD = ["ports", "transports", "name"]


class RegistryRow(NamedTuple):
    """Ports with the same name on the same transports; without a name they are reserved."""

    first: int
    last: int
    #: IP protocol numbers.
    protos: tuple[int, ...]
    name: str

    @property
    def ports(self) -> range:
        """The ports."""
        return range(self.first, self.last + 1)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The ports by transport."""
        return tuple([Span(proto, self.first, self.last) for proto in self.protos])


@dataclass
class Registry:
    """Registered names and reserved ports, by (IP protocol, port)."""

    names: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    reserved: set[tuple[int, int]] = field(default_factory=set)


def read(path: Path) -> Iterator[RegistryRow]:
    """Yield the rows of a registry file. RulesError: a line is invalid."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file)
            if next(lines, None) != _HEAD:
                raise RulesError(f"{path}:1: the columns must be {','.join(_HEAD)}")
            for line in lines:
                try:
                    ports, transports, name = line
                    first, _, last = ports.partition("-")
                    row = RegistryRow(int(first), int(last or first), _protos(transports), name)
                except (ValueError, KeyError) as error:
                    raise RulesError(f"{path}:{lines.line_num}: {error}: {','.join(line)}") from error
                if not 0 <= row.first <= row.last < DYNAMIC:
                    raise RulesError(f"{path}:{lines.line_num}: {ports}: registered ports are 0 to 49151")
                yield row
    except OSError as error:
        raise RulesError(
            f"{path}: {error.strerror}; this file is part of the package: reinstall it"
        ) from error


@cache
def _protos(transports: str) -> tuple[int, ...]:
    return tuple(TRANSPORTS[word] for word in transports.split())


def expand(rows: Iterable[RegistryRow]) -> Registry:
    """Expand rows to single ports."""
    registry = Registry()
    for row in rows:
        for proto in row.protos:
            for port in row.ports:
                if row.name:
                    registry.names.setdefault((proto, port), []).append(row.name)
                else:
                    registry.reserved.add((proto, port))
    return registry


def rows(registry: Registry) -> list[RegistryRow]:
    """Return a registry as the fewest rows, with adjacent ports merged, sorted by port."""
    protos: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
    for (proto, port), names in registry.names.items():
        for name in names:
            protos[port, name].add(proto)
    for proto, port in registry.reserved:
        protos[port, ""].add(proto)
    same = defaultdict(list)
    for port, name in sorted(protos):
        same[name, tuple(sorted(protos[port, name]))].append(port)
    gathered = []
    for (name, transports), ports in same.items():
        for _, run in groupby(enumerate(ports), lambda place: place[1] - place[0]):
            neighbours = [port for _, port in run]
            gathered.append(RegistryRow(neighbours[0], neighbours[-1], transports, name))
    return sorted(gathered, key=lambda row: (row.first, row.last, row.protos, row.name))


def write(registry: Registry, file: TextIO) -> None:
    """Write a registry file."""
    out = csv.writer(file, lineterminator="\n")
    out.writerow(_HEAD)
    for row in rows(registry):
        ports = f"{row.first}-{row.last}" if row.last > row.first else row.first
        out.writerow([ports, " ".join(TRANSPORT_NAMES[proto] for proto in row.protos), row.name])
