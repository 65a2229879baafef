"""Each kind of evidence for the server side, as a function of the flow facts.

A kind returns log-odds (float64, n): above 0 it speaks for b being the server, below 0 for a, and 0
says nothing. Weights are data: rules/roles.toml. To add a kind, write its function and list it in
`KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.handshake import Handshakes
from classifier.services.lookup import Standing
from classifier.services.rules import FOLDER, PORTS, Rules, read_toml

UDP = 17
LogOdds = npt.NDArray[np.float64]


class Evidence(StrEnum):
    """The kinds, by the names that reports use."""

    HANDSHAKE = "handshake"
    PORTS = "ports"
    ICMP_UNREACHABLE = "icmp_unreachable"
    FIRST_PACKET = "first_packet"


@dataclass(frozen=True, slots=True)
class Context:
    """What evidence may know beyond the flow itself."""

    rules: Rules
    #: Time of the capture's earliest packet.
    begin_ns: int
    udp_idle_ns: int


def ports(facts: pa.RecordBatch, handshakes: Handshakes, context: Context) -> LogOdds:
    """Weigh the two ports: what is known to be served there, and where clients take theirs."""
    most = weights()["ports"]["most"]
    proto = facts["proto"].to_numpy()
    a, b = (_port_weight(context.rules, proto, facts[end].to_numpy()) for end in ("port_a", "port_b"))
    return np.clip(b - a, -most, most)


def icmp_unreachable(facts: pa.RecordBatch, handshakes: Handshakes, context: Context) -> LogOdds:
    """Weigh ICMP errors: a closed port that was called is a server's, one that had called is a client's."""
    weight = weights()["icmp_unreachable"]
    closed = np.select([handshakes.closed == 0, handshakes.closed == 1], [-1.0, 1.0], 0.0)
    gone = np.select([handshakes.gone == 0, handshakes.gone == 1], [1.0, -1.0], 0.0)
    odds: LogOdds = weight["closed"] * closed + weight["gone"] * gone
    return odds


def first_packet(facts: pa.RecordBatch, handshakes: Handshakes, context: Context) -> LogOdds:
    """Weigh who spoke first, for UDP: the client does, if this was the first packet at all."""
    weight = weights()["first_packet"]
    first_seen_ns = facts["first_seen_ns"].to_numpy()
    sure = first_seen_ns - context.begin_ns > context.udp_idle_ns
    from_b = facts["first_from_b"].to_numpy(zero_copy_only=False)
    odds = np.where(sure, weight["sure"], weight["unsure"]) * np.where(from_b, -1.0, 1.0)
    return np.where(facts["proto"].to_numpy() == UDP, odds, 0.0)


#: All kinds that are weighed where no handshake decides.
KINDS: dict[Evidence, Callable[[pa.RecordBatch, Handshakes, Context], LogOdds]] = {
    Evidence.PORTS: ports,
    Evidence.ICMP_UNREACHABLE: icmp_unreachable,
    Evidence.FIRST_PACKET: first_packet,
}


@cache
def weights() -> dict[str, Any]:
    """Return the contents of rules/roles.toml."""
    return read_toml(FOLDER / "roles.toml")


def _port_weight(
    rules: Rules, proto: npt.NDArray[np.uint8], port: npt.NDArray[np.uint16]
) -> npt.NDArray[np.float64]:
    known = {entry["what"]: entry["weight"] for entry in weights()["ports"]["known"]}
    named = rules.standing(rules.places(proto, port)) >= Standing.MET
    system = port < 1024
    return np.select(
        [_is_caller(proto, port), named & system, named, system],
        [known["caller"], known["system service"], known["service"], known["system port"]],
        _range_weights()[port],
    )


def _is_caller(proto: npt.NDArray[np.uint8], port: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
    (entry,) = (entry for entry in weights()["ports"]["known"] if entry["what"] == "caller")
    numbers = [int(text.partition("/")[0]) for text in entry["ports"]]
    caller: npt.NDArray[np.bool_] = (proto == 6) & np.isin(port, numbers)
    return caller


@cache
def _range_weights() -> npt.NDArray[np.float64]:
    table = np.zeros(PORTS)
    for entry in reversed(weights()["ports"]["range"]):  # the first that fits wins
        table[entry["first"] : entry["last"] + 1] = entry["weight"]
    return table
