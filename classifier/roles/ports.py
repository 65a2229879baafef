"""Log-odds of each port being a server's: a table of 65,536 weights for each transport."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from classifier.ports.lookup import PortStanding
from classifier.ports.rules import PORTS, Rules
from classifier.roles.flow_features import TCP, UDP, FlowFeatures, Mask, Numbers, once
from classifier.roles.weights import weights

#: Ports below this need privileges to listen on; clients that use privileged ports take them above.
_PRIVILEGED = 600
_ALL = np.arange(PORTS, dtype=np.uint16)


def likeness(rules: Rules, ends: FlowFeatures) -> Numbers:
    """Return the log-odds of each endpoint's port: positive for a server, negative for a client (2, n)."""
    of_ends: Numbers = _tables(rules)[ends.port_places]
    return of_ends


@once
def callers(ends: FlowFeatures) -> Mask:
    """Return whether each port is a service's from which connections are opened (2, n)."""
    found: Mask = _callers()[ends.port_places]
    return found


@cache
def _callers() -> Mask:
    """Return these for TCP's ports, followed by those of other transports."""
    ports = weights()["ports"]["callers"]
    return np.concatenate([np.isin(_ALL, ports[transport]) for transport in ("tcp", "udp")])


def known(rules: Rules, ends: FlowFeatures) -> Mask:
    """Return whether either port is known, or needs privileges to listen on (n)."""
    of_a, of_b = _known(rules)[ends.port_places]
    found: Mask = of_a | of_b
    return found


@lru_cache(maxsize=4)
def _known(rules: Rules) -> Mask:
    return np.concatenate(
        [(_ALL < _PRIVILEGED) | (_standing(rules, proto) > PortStanding.REGISTERED) for proto in (TCP, UDP)]
    )


def _standing(rules: Rules, proto: int) -> npt.NDArray[np.uint8]:
    standing = rules.standing(rules.places(np.full(PORTS, proto, dtype=np.uint8), _ALL))
    if proto == UDP:
        peers = weights()["ports"]["peers"]
        standing[peers] = np.where(
            standing[peers] < PortStanding.USER, PortStanding.REGISTERED, standing[peers]
        )
    return standing


@lru_cache(maxsize=4)
def _tables(rules: Rules) -> Numbers:
    """Return TCP's table, followed by the one of other transports."""
    return np.concatenate([_table(rules, TCP), _table(rules, UDP)])


def _table(rules: Rules, proto: int) -> Numbers:
    standing = _standing(rules, proto)
    table = np.zeros(PORTS)
    for entry in weights()["ports"]["range"]:
        ports = slice(entry["first"], entry["last"] + 1)
        table[ports] = entry["weight"] + entry["registered"] * (standing[ports] == PortStanding.REGISTERED)
        if proto == TCP and "even" in entry:
            table[ports] += np.where(_ALL[ports] % 2, -entry["even"], entry["even"])
    for entry in weights()["ports"]["named"]:
        table[standing == PortStanding[entry["standing"].upper()]] += entry["weight"]
    return table
