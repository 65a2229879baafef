"""What all flows together show of each endpoint and host: peers, ports close to one another, questions.

Counters are sketches of bounded size that do not depend on the order in which flows are added.
"""

from __future__ import annotations

import numpy as np

from classifier.flows.hashing import Hashes, mixed
from classifier.roles.bitmaps import Bitmaps, Counts, of_ports, sixth
from classifier.roles.ends import TCP, Ends, Mask, Numbers
from classifier.roles.ports import callers
from classifier.roles.sweeps import Sweeps
from classifier.roles.weights import weight, weights

#: A flow that begins after so many of its own mean pauses did not go on from before the capture.
_PAUSES = 10


class Survey:
    """Counters over all flows of the input.

    Where a handshake shows the sides, or an answer over UDP, only the server's end counts as one that has
    peers, and only the client's as one whose port has neighbours. Failed attempts don't count, nor ends that
    took no part, nor peers at a known service's port: a client that keeps its port talks to many of them.
    """

    def __init__(self, begin_ns: int) -> None:
        """Start with nothing; `begin_ns`: time of the capture's earliest packet."""
        self._begin_ns = begin_ns
        self._peers = Bitmaps()
        self._blocks = Bitmaps()
        self._targets = Bitmaps()
        self._calls = Bitmaps()
        # What few flows have shares a table.
        self._callers, self._served, self._asked_from, self._speaks_first, self._spoken_to_first = (
            Bitmaps(self._calls, kind) for kind in range(1, 6)
        )
        self.sweeps = Sweeps(self._calls)

    def add(self, ends: Ends, likeness: Numbers) -> None:
        """Count n flows; `likeness`: how much each end's port looks like a server's (2, n)."""
        self.sweeps.add(ends, likeness)
        may_call = likeness < weight("fan_in", "client_below")
        active = ends.took_part & ~ends.attempts
        keys, low, unprivileged = ends.blocks[0], _low(ends), ends.unprivileged
        scattered, began = _scattered(ends, likeness), self._began(ends)
        for end in (0, 1):
            peers = of_ports(ends.ports[1 - end])
            peer_called = active[1 - end] & may_call[1 - end] & (ends.called != 1 - end)
            _put(self._peers, ends.endpoints[end], peers, peer_called)
            _put(self._callers, keys[end], peers, peer_called & scattered[end])
            used = active[end] & (ends.called != end) & unprivileged[end]
            _put(self._blocks, keys[end], low[end], used)
            _put(self._targets, keys[end], peers, used)
            _put(self._served, keys[end], low[end], (ends.serving == end) & unprivileged[end])
            _put(self._calls, ends.endpoints[end], sixth(ends.endpoints[1 - end]), _asks(ends, likeness, end))
            first = began & (ends.first_from_b == bool(end))
            _put(self._speaks_first, ends.endpoints[end], peers, first)
            _put(self._spoken_to_first, ends.endpoints[1 - end], of_ports(ends.ports[end]), first)
            asks = _asks_group(ends, likeness, end)
            _put(self._asked_from, _port_keys(ends)[end], np.zeros_like(peers), asks)

    def peer_ports(self, ends: Ends) -> Counts:
        """How many different ports have talked to each end, up to 64 and its own flow included (2, n)."""
        return np.maximum(self._peers.counts(ends.endpoints), 1)

    def calls(self, ends: Ends, likeness: Numbers) -> Counts:
        """How many endpoints each end has asked, up to 64, not counting its own flow (2, n)."""
        own = np.stack([_asks(ends, likeness, end) for end in (0, 1)])
        counts: Counts = np.maximum(self._calls.counts(ends.endpoints), own) - own
        return counts

    def tells_group(self, ends: Ends, likeness: Numbers) -> tuple[Mask, Mask]:
        """Return whether each end tells a group address something, and whether surely no question (2, n).

        Its message says so, or its port is for announcements, or others have asked from the group's port; or
        its own port looks much more like a server's.
        """
        said = ends.said.server > ends.said.client
        announces = ends.datagrams & (ends.ports[0] == ends.ports[1]) & (ends.said.client == 0)
        to_group = ends.groups[::-1]
        if not to_group.any():
            return to_group, to_group
        announces &= np.isin(ends.ports, weights()["group_address"]["announcers"])
        asked_from = self._asked_from.sets(_port_keys(ends))[::-1] != 0
        sure = to_group & (said | announces | asked_from | callers(ends)[::-1])
        answers = likeness - likeness[::-1] > weight("group_address", "answer")
        return sure | (to_group & answers & (ends.said.client == 0)), sure

    def neighbours(self, ends: Ends) -> Counts:
        """How many other ports close to its own each end's host has used, up to 95 (2, n); none below 1024.

        Close are those of the same block of 64 ports, and of the half block beside it.
        """
        return self._near(self._blocks, ends)

    def served_neighbours(self, ends: Ends) -> Counts:
        """How many other ports close to its own are proven to serve at each end's host (2, n)."""
        return self._near(self._served, ends)

    def targets(self, ends: Ends) -> Numbers:
        """How many different ports its own and its neighbours talk to, about, and 1 at least (2, n)."""
        return _about(self._around(self._targets, ends, ends.unprivileged))

    def scattered_callers(self, ends: Ends, likeness: Numbers) -> Counts:
        """How many ports of clients' ranges talk to those close to its own, which is below them (2, n)."""
        counts: Counts = np.bitwise_count(self._around(self._callers, ends, _scattered(ends, likeness)))
        return counts

    def addressed(self, ends: Ends) -> Numbers:
        """Return how far each end's peers speak first over UDP, rather than it, from 0 to 1 (2, n).

        Connections are opened, whoever speaks first: always 1.
        """
        to, of = (
            sets.counts(ends.endpoints).astype(float) for sets in (self._spoken_to_first, self._speaks_first)
        )
        shares = np.where(
            to + of > 0, np.maximum(to - of, 0) / np.maximum(to + of, 1), weight("fan_in", "undirected")
        )
        return np.where(ends.datagrams, shares, 1.0)

    def _began(self, ends: Ends) -> Mask:
        """Return whether datagrams began inside the capture: they would have been seen before (n)."""
        packets = ends.packets.sum(axis=0).astype(np.int64)
        lasted_ns = ends.facts["last_seen_ns"].to_numpy() - ends.first_seen_ns
        pauses_ns = lasted_ns // np.maximum(packets - 1, 1) * _PAUSES
        began: Mask = ends.datagrams & (packets > 2) & (ends.first_seen_ns - self._begin_ns > pauses_ns)
        return began

    def _near(self, of: Bitmaps, ends: Ends) -> Counts:
        own, beside = (of.sets_where(keys, ends.unprivileged) for keys in ends.blocks)
        low = _low(ends)
        half = np.where(low < 32, np.uint64(0xFFFF_FFFF_0000_0000), np.uint64(0xFFFF_FFFF))
        others = own & ~(np.uint64(1) << low)
        counts: Counts = np.bitwise_count(others) + np.bitwise_count(beside & half)
        return counts

    def _around(self, of: Bitmaps, ends: Ends, where: Mask) -> Hashes:
        """Join the sets of some ends' own blocks and those beside them."""
        own, beside = (of.sets_where(keys, where) for keys in ends.blocks)
        return own | beside


def _put(into: Bitmaps, keys: Hashes, numbers: Hashes, where: Mask) -> None:
    into.add(keys[where], numbers[where])


def _asks(ends: Ends, likeness: Numbers, end: int) -> Mask:
    """Return whether an end asks the other: a handshake, an answer, an ICMP error or a group shows it (n)."""
    asks: Mask = (ends.called == 1 - end) | (ends.handshakes.closed == 1 - end)
    return asks | _asks_group(ends, likeness, end)


def _asks_group(ends: Ends, likeness: Numbers, end: int) -> Mask:
    """Return whether an end asks a group, from another port that looks no more like a server's (n)."""
    group = ends.groups[1 - end] & (ends.ports[0] != ends.ports[1]) & ~callers(ends)[1 - end]
    no_more = likeness[end] <= likeness[1 - end] + weight("group_address", "answer")
    asks: Mask = group & no_more & (ends.said.server[end] == 0)
    return asks


def _port_keys(ends: Ends) -> Hashes:
    return mixed([ends.proto.astype(np.uint64) << np.uint64(16) | ends.ports])


def _scattered(ends: Ends, likeness: Numbers) -> Mask:
    """Return whether each TCP port is below the clients' ranges of today, and its peer's inside (2, n)."""
    below, inside = weight("fan_in", "served_above"), weight("fan_in", "scattered_below")
    scattered: Mask = (likeness > below) & (likeness[::-1] < inside) & (ends.proto == TCP)
    return scattered


def _about(sets: Hashes) -> Numbers:
    """Estimate how many were put into sets, of which each is one of 64 bits: linear counting."""
    empty = np.maximum(64 - np.bitwise_count(sets).astype(float), 0.5)
    estimate: Numbers = np.maximum(-64 * np.log(empty / 64), 1.0)
    return estimate


def _low(ends: Ends) -> Hashes:
    """Return each port's place in its block of 64 (2, n)."""
    return (ends.ports & np.uint16(63)).astype(np.uint64)
