"""Evidence from payload: messages that only one side sends, and announced endpoints."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.payload import Certainty, ExpectedEndpoints, Purpose, load
from classifier.payload.expectations import SIDES, unpack
from classifier.payload.messages import unpacked
from classifier.roles.flow_features import FlowFeatures, Mask, Numbers, endpoint_hashes, host_hashes
from classifier.roles.weights import weight, weights


def note_announced(endpoints: ExpectedEndpoints, facts: pa.RecordBatch) -> None:
    """Add the endpoints that n flows announce, keyed like the endpoints of flows."""
    packed = unpack(facts)
    if packed is not None:
        hosts = host_hashes(packed.ip_version, packed.address, packed.network_id)
        endpoints.add(endpoint_hashes(hosts, packed.proto, packed.port), packed)


@cache
def _odds() -> Numbers:
    """Weigh how surely each end's messages are a client's, and a server's, by `Said.sides` (256).

    A request by one endpoint and an answer by the other count once; an endpoint that sends both is a peer.
    """
    client, server = unpacked(np.arange(256, dtype=np.uint8))
    weights = np.zeros(len(Certainty))
    for certainty in (Certainty.WEAK, Certainty.LIKELY, Certainty.SURE):
        weights[certainty] = weight("payload", certainty.name.lower())
    for_end = np.maximum(weights[server], weights[client[::-1]])
    odds = for_end[1] - for_end[0]
    strongest = np.maximum(client, server).max(axis=0)
    most = np.where(strongest <= Certainty.WEAK, weight("payload", "most_if_weak"), np.inf)
    clipped: Numbers = np.clip(odds, -most, most)
    return clipped


def payload(ends: FlowFeatures, of_ports: Numbers) -> Numbers:
    """Weigh the messages of both ends; `of_ports`: what the ports say (n)."""
    return _reversible(ends, _odds()[ends.said.sides], of_ports)


def later_payload(ends: FlowFeatures, of_ports: Numbers) -> Numbers:
    """Do the same, leaving out each end's first message."""
    return _reversible(ends, _odds()[ends.said.late_sides], of_ports)


def _reversible(ends: FlowFeatures, odds: Numbers, of_ports: Numbers) -> Numbers:
    """Weaken messages of protocols whose client may accept the connection, where the ports disagree."""
    against = (odds * of_ports < 0) & (np.abs(of_ports) > weight("payload", "reversible_against"))
    against &= ~ends.datagrams & _reversible_protocols()[ends.said.protocol]
    likely = weight("payload", "likely")
    return np.where(against, np.clip(odds, -likely, likely), odds)


@cache
def _reversible_protocols() -> Mask:
    """Return for each protocol, by index, whether its client may accept; last, false for none."""
    names = [protocol.name for protocol in load().protocols]
    return np.append(np.isin(names, weights()["payload"]["reversible"]), False)


def announced(purposes: npt.NDArray[np.uint8]) -> Numbers:
    """Weigh the purposes for which the endpoints were announced: `Purpose` (2, n)."""
    sides = np.zeros(len(Purpose))
    for purpose, side in SIDES.items():
        sides[purpose] = side
    of_ends = sides[purposes]
    odds: Numbers = weight("announced", "endpoint") * (of_ends[1] - of_ends[0])
    return odds
