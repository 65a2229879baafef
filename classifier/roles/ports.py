"""How much each port looks like a server's, by transport: a table of 65,536 weights each."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from classifier.ports.lookup import Standing
from classifier.ports.rules import PORTS, Rules
from classifier.roles.flow_features import TCP, UDP, Ends, Mask, Numbers, once
from classifier.roles.weights import weights

#: Ports below this one take privilege to listen at, and clients that show privilege take theirs above.
_PRIVILEGED = 600
_ALL = np.arange(PORTS, dtype=np.uint16)


def likeness(rules: Rules, ends: Ends) -> Numbers:
    """Weigh the port of each end: above 0 a server's, below 0 a client's (2, n)."""
    of_ends: Numbers = _tables(rules)[ends.port_places]
    return of_ends


@once
def callers(ends: Ends) -> Mask:
    """Whether each end is at a port from which connections are opened, though it is a service's (2, n)."""
    found: Mask = _callers()[ends.port_places]
    return found


@cache
def _callers() -> Mask:
    """Return TCP's ports, and behind them those of all others."""
    ports = weights()["ports"]["callers"]
    return np.concatenate([np.isin(_ALL, ports[transport]) for transport in ("tcp", "udp")])


def known(rules: Rules, ends: Ends) -> Mask:
    """Return whether something is known of an end's port, or it takes privilege to listen there (n)."""
    of_a, of_b = _known(rules)[ends.port_places]
    found: Mask = of_a | of_b
    return found


@lru_cache(maxsize=4)
def _known(rules: Rules) -> Mask:
    return np.concatenate(
        [(_ALL < _PRIVILEGED) | (_standing(rules, proto) > Standing.REGISTERED) for proto in (TCP, UDP)]
    )


def _standing(rules: Rules, proto: int) -> npt.NDArray[np.uint8]:
    standing = rules.standing(rules.places(np.full(PORTS, proto, dtype=np.uint8), _ALL))
    if proto == UDP:
        peers = weights()["ports"]["peers"]
        standing[peers] = np.where(standing[peers] < Standing.USER, Standing.REGISTERED, standing[peers])
    return standing


@lru_cache(maxsize=4)
def _tables(rules: Rules) -> Numbers:
    """TCP's table, and behind it the one of all others."""
    return np.concatenate([_table(rules, TCP), _table(rules, UDP)])


def _table(rules: Rules, proto: int) -> Numbers:
    standing = _standing(rules, proto)
    table = np.zeros(PORTS)
    for entry in weights()["ports"]["range"]:
        ports = slice(entry["first"], entry["last"] + 1)
        table[ports] = entry["weight"] + entry["registered"] * (standing[ports] == Standing.REGISTERED)
        if proto == TCP and "even" in entry:
            table[ports] += np.where(_ALL[ports] % 2, -entry["even"], entry["even"])
    for entry in weights()["ports"]["named"]:
        table[standing == Standing[entry["standing"].upper()]] += entry["weight"]
    return table
