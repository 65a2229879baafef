"""Interpret the core's hits: the protocol of a flow, and which side sends what."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.distinct import distinct
from classifier.payload.table import Table
from classifier.signatures import Certainty

_Numbers = npt.NDArray[np.int16]
#: Packets of an endpoint that are inspected; each has 16 bits in a column of hits.
SLOTS = 4
_NUMBER, _OPENED, _ANSWERED = 0x0FFF, 0x1000, 0x2000


class Said(NamedTuple):
    """The payload findings of n flows."""

    #: int16 (n): index into `Table.protocols`, -1 for none.
    protocol: _Numbers
    #: int8 (n): its `Certainty`.
    certainty: npt.NDArray[np.int8]
    #: int8 (2, n): `Certainty` that an endpoint's messages are a client's, or a server's.
    client: npt.NDArray[np.int8]
    server: npt.NDArray[np.int8]
    #: Likewise, without each endpoint's first message.
    late_client: npt.NDArray[np.int8]
    late_server: npt.NDArray[np.int8]
    #: int8 (n): the endpoint proven to be the server, as only a server could decrypt what it answers: 0, 1,
    #: -1.
    proven: npt.NDArray[np.int8]


def read(facts: pa.RecordBatch, table: Table) -> Said:
    """Interpret the hits of n flows, each of the few distinct cases once."""
    both = [facts[name].dictionary_encode() for name in ("hits_a", "hits_b")]
    hits_a, hits_b = (encoded.dictionary.to_numpy() for encoded in both)
    place_a, place_b = (encoded.indices.to_numpy().astype(np.int64) for encoded in both)
    home_a, home_b = (table.home[facts[name].to_numpy()] for name in ("port_a", "port_b"))
    shape = (max(len(hits_a), 1), max(len(hits_b), 1), len(table.homes), len(table.homes))
    cases, place = distinct(np.ravel_multi_index((place_a, place_b, home_a, home_b), shape))
    place_a, place_b, *homes = np.unravel_index(cases, shape)
    found = _said(hits_a[place_a], hits_b[place_b], table.homes[np.stack(homes)], table)
    return Said._make(column[..., place] for column in found)


def _said(
    hits_a: npt.NDArray[np.uint64],
    hits_b: npt.NDArray[np.uint64],
    ports: npt.NDArray[np.uint16],
    table: Table,
) -> Said:
    """Interpret n pairs of hits; `ports` are those where messages count by themselves, else 0 (2, n)."""
    slots = np.stack([_slots(hits_a), _slots(hits_b)])  # (2, 4, n)
    numbers = slots & np.uint16(_NUMBER)
    counts = _counts(numbers, ports, table)
    shown = np.where(counts, _shown(numbers, table), 0)
    sender = np.where(slots & _OPENED, table.opened[numbers], table.sender[numbers])
    sender = np.where(slots & _ANSWERED, table.answered[numbers], sender)
    answered = (slots & _ANSWERED != 0).any(axis=1)
    protocol, certainty = _protocol(numbers, shown, table)
    inside = (np.where(shown > 0, table.tunnels[numbers], 0) != 0).any(axis=(0, 1))
    sides = np.where(shown > 0, np.minimum(table.side[numbers].astype(np.int8), shown), 0)
    sides = np.where(inside, np.minimum(sides, np.int8(Certainty.LIKELY)), sides)
    client, server = np.where(sender > 0, sides, 0), np.where(sender < 0, sides, 0)
    return Said(
        protocol=protocol,
        certainty=certainty,
        client=client.max(axis=1),
        server=server.max(axis=1),
        late_client=client[:, 1:].max(axis=1),
        late_server=server[:, 1:].max(axis=1),
        proven=np.select([answered[0], answered[1]], [0, 1], -1).astype(np.int8),
    )


def _slots(hits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint16]:
    """Split the hits of n endpoints into slots: (4, n)."""
    shifts = np.arange(SLOTS, dtype=np.uint64)[:, None] * np.uint64(16)
    return (hits >> shifts & np.uint64(0xFFFF)).astype(np.uint16)


def _counts(
    numbers: npt.NDArray[np.uint16], ports: npt.NDArray[np.uint16], table: Table
) -> npt.NDArray[np.bool_]:
    """Return which messages count: by themselves at the port, or with matching ones of the other endpoint."""
    counts = np.ones(numbers.shape, dtype=bool)
    flow = np.flatnonzero(table.needs_both[numbers].any(axis=(0, 1)))
    if not len(flow):
        return counts
    some = numbers[:, :, flow]
    alone = ~table.needs_both[some]
    for number in np.unique(some[~alone]).tolist():
        at_home = np.isin(ports[:, flow], table.alone[number]).any(axis=0)
        alone |= (some == number) & at_home
    protocol = table.protocol[some]
    agrees = (protocol[:, :, None] == protocol[::-1, None]).any(axis=2) & (protocol >= 0)
    counts[:, :, flow] = alone | agrees
    return counts


def _shown(numbers: npt.NDArray[np.uint16], table: Table) -> npt.NDArray[np.int8]:
    """Return the certainty of each message's protocol; a message that must recur is LIKELY or nothing."""
    certainty = table.certainty[numbers].astype(np.int8)
    repeats = table.repeats[numbers]
    if not (repeats > 1).any():
        return certainty
    same = (numbers[:, :, None] == numbers[:, None, :]).sum(axis=2)
    recurring = np.where(same >= repeats, np.int8(Certainty.LIKELY), np.int8(0))
    return np.where(repeats > 1, recurring, certainty)


def _protocol(
    numbers: npt.NDArray[np.uint16], shown: npt.NDArray[np.int8], table: Table
) -> tuple[_Numbers, npt.NDArray[np.int8]]:
    """Choose the most specific protocol of each flow: the highest layer, then the first one seen.

    A connection begins as its own protocol and continues with the one it carries: HTTP in SOCKS is SOCKS.
    """
    flows = numbers.shape[2]
    candidates = table.protocol[numbers].transpose(1, 0, 2).reshape(2 * SLOTS, flows)
    sure = shown.transpose(1, 0, 2).reshape(2 * SLOTS, flows)
    # Slots of both endpoints interleaved: the first of each, then the second of each.
    enough = sure >= Certainty.LIKELY
    rank = np.where(enough, 4 + table.layer[candidates], sure)
    best = rank.argmax(axis=0)
    row = np.arange(flows)
    certainty = sure[best, row]
    chosen = np.where(certainty > 0, candidates[best, row], -1).astype(np.int16)
    for protocol, better in table.gives_way_to.items():
        flow = np.flatnonzero(chosen == protocol)
        follows = enough[:, flow] & np.isin(candidates[:, flow], better)
        flow, first = flow[follows.any(axis=0)], follows.argmax(axis=0)[follows.any(axis=0)]
        chosen[flow] = candidates[first, flow]
    return chosen, certainty


def told(facts: pa.RecordBatch, table: Table) -> list[list[str]]:
    """Return the names of a single flow's messages: those of a, and those of b."""
    ends = []
    for column in ("hits_a", "hits_b"):
        numbers = _slots(facts[column].to_numpy())[:, 0] & _NUMBER
        messages = [table.messages[number - 2] for number in numbers if number >= 2]
        ends.append([f"{message.protocol.name} {message.message}" for message in messages])
    return ends
