"""Interpret the core's hits: the protocol of a flow, and which side sends what."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.distinct import Remembered, distinct
from classifier.payload.table import MessageTable
from classifier.signatures import Certainty

_Numbers = npt.NDArray[np.int16]
#: Packets of an endpoint that are inspected; each has 16 bits in a column of hits.
SLOTS = 4
_NUMBER, _OPENED, _ANSWERED = 0x0FFF, 0x1000, 0x2000


class PayloadFindings(NamedTuple):
    """The payload findings of n flows."""

    #: int16 (n): index into `MessageTable.protocols`, -1 for none.
    protocol: _Numbers
    #: int8 (n): its `Certainty`.
    certainty: npt.NDArray[np.int8]
    #: int8 (2, n): `Certainty` that an endpoint's messages are a client's, or a server's.
    client: npt.NDArray[np.int8]
    server: npt.NDArray[np.int8]
    #: uint8 (n): both of both ends as `packed`; and without each end's first message.
    sides: npt.NDArray[np.uint8]
    late_sides: npt.NDArray[np.uint8]
    #: int8 (n): the end that is proven to be the server, for only it could read what it answers: 0, 1, -1.
    proven: npt.NDArray[np.int8]
    #: int8 (n): the end that surely answers what the other surely asks; peers do both: 0, 1, -1.
    answers: npt.NDArray[np.int8]


def findings(facts: pa.RecordBatch, table: MessageTable) -> PayloadFindings:
    """Interpret the hits of n flows, each of the few distinct cases once."""
    both = [facts[name].dictionary_encode() for name in ("hits_a", "hits_b")]
    hits_a, hits_b = (encoded.dictionary.to_numpy() for encoded in both)
    place_a, place_b = (encoded.indices.to_numpy().astype(np.int64) for encoded in both)
    home_a, home_b = (table.home[facts[name].to_numpy()] for name in ("port_a", "port_b"))
    shape = (max(len(hits_a), 1), max(len(hits_b), 1), len(table.homes), len(table.homes))
    cases, place = distinct(np.ravel_multi_index((place_a, place_b, home_a, home_b), shape))
    place_a, place_b, home_a, home_b = np.unravel_index(cases, shape)
    found = _remembered(table)(hits_a[place_a], hits_b[place_b], table.homes[home_a], table.homes[home_b])
    return PayloadFindings._make(column.take(place, axis=-1) for column in found)


@lru_cache(maxsize=4)
def _remembered(table: MessageTable) -> Remembered:
    return Remembered(partial(_said, table))


def _said(
    table: MessageTable,
    hits_a: npt.NDArray[np.uint64],
    hits_b: npt.NDArray[np.uint64],
    port_a: npt.NDArray[np.uint16],
    port_b: npt.NDArray[np.uint16],
) -> PayloadFindings:
    """Read n pairs of hits; the ports are those at which messages count by themselves, else 0."""
    slots = np.stack([_slots(hits_a), _slots(hits_b)])  # (2, 4, n)
    numbers = slots & np.uint16(_NUMBER)
    counts = _counts(numbers, np.stack([port_a, port_b]), table)
    shown = np.where(counts, _shown(numbers, table), 0)
    sender = np.where(slots & _OPENED, table.opened[numbers], table.sender[numbers])
    sender = np.where(slots & _ANSWERED, table.answered[numbers], sender)
    answered = (slots & _ANSWERED != 0).any(axis=1)
    protocol, certainty = _protocol(numbers, shown, table)
    inside = (np.where(shown > 0, table.tunnels[numbers], 0) != 0).any(axis=(0, 1))
    sides = np.where(shown > 0, np.minimum(table.side[numbers].astype(np.int8), shown), 0)
    sides = np.where(inside, np.minimum(sides, np.int8(Certainty.LIKELY)), sides)
    client, server = np.where(sender > 0, sides, 0), np.where(sender < 0, sides, 0)
    late = packed(client[:, 1:].max(axis=1), server[:, 1:].max(axis=1))
    client, server = client.max(axis=1), server.max(axis=1)
    asks, answers = client == Certainty.SURE, server == Certainty.SURE
    matched = answers & asks[::-1] & ~(asks & answers[::-1])
    return PayloadFindings(
        protocol=protocol,
        certainty=certainty,
        client=client,
        server=server,
        sides=packed(client, server),
        late_sides=late,
        proven=np.select([answered[0], answered[1]], [0, 1], -1).astype(np.int8),
        answers=np.select([matched[0], matched[1]], [0, 1], -1).astype(np.int8),
    )


def packed(client: npt.NDArray[np.int8], server: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Pack what the messages of both ends show (2, n) into a number each: a `Certainty` has two bits."""
    found = np.zeros(client.shape[1], dtype=np.uint8)
    for place, side in enumerate((*client, *server)):
        found |= side.astype(np.uint8) << np.uint8(2 * place)
    return found


def unpacked(sides: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return what `packed` was given."""
    ends = sides >> np.arange(0, 8, 2, dtype=np.uint8)[:, None] & np.uint8(3)
    return ends[:2], ends[2:]


def _slots(hits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint16]:
    """Split the hits of n endpoints into slots: (4, n)."""
    shifts = np.arange(SLOTS, dtype=np.uint64)[:, None] * np.uint64(16)
    return (hits >> shifts & np.uint64(0xFFFF)).astype(np.uint16)


def _counts(
    numbers: npt.NDArray[np.uint16], ports: npt.NDArray[np.uint16], table: MessageTable
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


def _shown(numbers: npt.NDArray[np.uint16], table: MessageTable) -> npt.NDArray[np.int8]:
    """Return the certainty of each message's protocol; a message that must recur is LIKELY or nothing."""
    certainty = table.certainty[numbers].astype(np.int8)
    repeats = table.repeats[numbers]
    if not (repeats > 1).any():
        return certainty
    same = (numbers[:, :, None] == numbers[:, None, :]).sum(axis=2)
    recurring = np.where(same >= repeats, np.int8(Certainty.LIKELY), np.int8(0))
    return np.where(repeats > 1, recurring, certainty)


def _protocol(
    numbers: npt.NDArray[np.uint16], shown: npt.NDArray[np.int8], table: MessageTable
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


def labels(facts: pa.RecordBatch, table: MessageTable) -> list[list[str]]:
    """Return the names of a single flow's messages: those of a, and those of b."""
    ends = []
    for column in ("hits_a", "hits_b"):
        numbers = _slots(facts[column].to_numpy())[:, 0] & _NUMBER
        messages = [table.messages[number - 2] for number in numbers if number >= 2]
        ends.append([f"{message.protocol.name} {message.message}" for message in messages])
    return ends
