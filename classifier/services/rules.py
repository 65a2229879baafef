"""The port rules: what may run behind a server's port. Format and ranking: rules/README.md."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.errors import RulesError

FOLDER = Path(__file__).parent.parent / "rules"
#: IP protocol numbers of the transports that rules may name.
TRANSPORTS = {"tcp": 6, "udp": 17, "dccp": 33, "sctp": 132}
#: UDP-Lite has no rules of its own: RFC 3828 §6 gives it UDP's ports.
UDP_LITE = 136
_STATUSES = ("official", "unofficial", "conflict", "historic")
PORTS = 1 << 16


@dataclass(frozen=True, slots=True)
class Service:
    """One entry of a rule file."""

    name: str
    status: str
    #: Best first: 0 usual though unofficial, 1 official, 2 unofficial, 3 conflict, 4 historic.
    rank: int
    category: str
    description: str
    source: str

    @property
    def registered(self) -> bool:
        """Whether IANA lists this name for the port."""
        return self.status == "official"


class PortRules:
    """Services by transport and server port."""

    def __init__(self, services: list[tuple[Service, list[tuple[int, int, int]]]]) -> None:
        """Take services with their (IP protocol, first port, last port)."""
        by_port: dict[tuple[int, int], list[Service]] = {}
        for service, ranges in services:
            for proto, first, last in ranges:
                for port in range(first, last + 1):
                    by_port.setdefault((proto, port), []).append(service)
        #: The candidates of each distinct port, likeliest first; the first entry stands for "none".
        self.candidates: list[tuple[Service, ...]] = [()]
        self._place = {proto: np.zeros(PORTS, dtype=np.int32) for proto in TRANSPORTS.values()}
        self._place[UDP_LITE] = self._place[TRANSPORTS["udp"]]
        for (proto, port), found in by_port.items():
            self._place[proto][port] = len(self.candidates)
            self.candidates.append(tuple(sorted(found, key=lambda service: service.rank)))

    def places(self, proto: npt.NDArray[np.uint8], port: npt.NDArray[np.uint16]) -> npt.NDArray[np.int32]:
        """Return the index in `candidates` for each of n transports and ports."""
        place = np.zeros(len(port), dtype=np.int32)
        for number, table in self._place.items():
            chosen = proto == number
            place[chosen] = table[port[chosen]]
        return place


@cache
def load() -> PortRules:
    """Load the rules that come with the program."""
    path = FOLDER / "services.toml"
    entries = read_toml(path).get("service", [])
    return PortRules([(_service(path, entry), _ranges(path, entry)) for entry in entries])


def read_toml(path: Path) -> dict[str, Any]:
    """Read a rule file; RulesError names the place of a syntax error."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise RulesError(
            f"{path}: {error.strerror}; the rules belong to the package: install it again"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{path}: {error}") from error


def _service(path: Path, entry: dict[str, Any]) -> Service:
    where = f"{path}: service {entry.get('name', '?')}"
    missing = [key for key in ("name", "status", "category", "description", "source") if key not in entry]
    if missing:
        raise RulesError(f"{where}: {missing[0]} is missing")
    if entry["status"] not in _STATUSES:
        raise RulesError(f"{where}: status {entry['status']!r} is none of {', '.join(_STATUSES)}")
    return Service(
        name=entry["name"],
        status=entry["status"],
        rank=0 if entry.get("rank") == "usual" else 1 + _STATUSES.index(entry["status"]),
        category=entry["category"],
        description=entry["description"],
        source=entry["source"],
    )


def _ranges(path: Path, entry: dict[str, Any]) -> list[tuple[int, int, int]]:
    ranges = []
    for text in entry.get("ports", []):
        try:
            ports, transport = str(text).split("/")
            first, _, last = ports.partition("-")
            bounds = int(first), int(last or first)
            if not 0 <= bounds[0] <= bounds[1] < PORTS:
                raise ValueError("ports are 0 to 65535")
            ranges.append((TRANSPORTS[transport], *bounds))
        except (ValueError, KeyError) as error:
            raise RulesError(f"{path}: service {entry['name']}: port {text!r}: {error}") from error
    return ranges
