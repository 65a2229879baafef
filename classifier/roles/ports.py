"""How much each port looks like a server's, by transport: a table of 65,536 weights each."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from classifier.roles.ends import TCP, UDP, Ends, Mask, Numbers
from classifier.roles.weights import weights
from classifier.services.rules import PORTS, PortRules

_ALL = np.arange(PORTS, dtype=np.uint16)


def likeness(rules: PortRules, ends: Ends) -> Numbers:
    """Weigh the port of each end: above 0 a server's, below 0 a client's (2, n)."""
    tcp = ends.proto == TCP
    return np.where(tcp, _table(rules, TCP)[ends.ports], _table(rules, UDP)[ends.ports])


def callers(ends: Ends) -> Mask:
    """Whether each end is at a port from which connections are opened, though it is a service's (2, n)."""
    found: Mask = (ends.proto == TCP) & np.isin(ends.ports, weights()["ports"]["callers"])
    return found


@lru_cache(maxsize=8)
def _table(rules: PortRules, proto: int) -> Numbers:
    known = {entry["what"]: float(entry["weight"]) for entry in weights()["ports"]["known"]}
    named = rules.places(np.full(PORTS, proto, dtype=np.uint8), _ALL) > 0
    table = np.zeros(PORTS)
    for entry in reversed(weights()["ports"]["range"]):  # the first that fits wins
        table[_places(entry)] = _ranged(entry, proto, "weight")
        if "even" in entry:
            table[_places(entry)][::2] = _ranged(entry, proto, "even")
    client = np.zeros(PORTS, dtype=bool)
    for entry in weights()["ports"]["range"]:
        client[_places(entry)] |= entry.get("clients", False)
    system = _ALL < 1024
    cases = [named & system, named & client, named]
    return np.select(
        cases, [known["system service"], known["service among clients"], known["service"]], table
    )


def _places(entry: dict[str, Any]) -> slice:
    return slice(entry["first"], entry["last"] + 1)


def _ranged(entry: dict[str, Any], proto: int, key: str) -> float:
    return float(entry["weight"] if proto != TCP else entry[key])
