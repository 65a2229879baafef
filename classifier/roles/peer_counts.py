"""Counts over all flows, by endpoint and host: peers, nearby ports, requests.

Counters are sketches of bounded size, independent of the order in which flows are added.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from classifier.flows.hashing import Hashes, mixed
from classifier.roles.bitmaps import Bitmaps, Counts, of_ports, sixth
from classifier.roles.flow_features import TCP, FlowFeatures, Mask, Numbers, once
from classifier.roles.ports import callers
from classifier.roles.sweeps import Sweeps
from classifier.roles.weights import weight, weights

#: Mean gaps between its packets after which a flow that begins did not start before the capture.
_PAUSES = 10


class PeerCounts:
    """Counters over all flows of the input.

    Where a handshake, or an answer over UDP, shows the sides, peers are counted only for the server, and
    nearby ports only for the client. Not counted: failed attempts, endpoints that took no part, and peers at
    a known service's port, as a client that reuses its port has many of them. `begin_ns` is the time of the
    capture's earliest packet.
    """

    def __init__(self, begin_ns: int) -> None:
        self._begin_ns = begin_ns
        self._peers = Bitmaps()
        self._blocks = Bitmaps()
        self._targets = Bitmaps()
        self._calls = Bitmaps()
        # Sets that few flows have share a table.
        self._callers, self._served, self._asked_from, self._speaks_first, self._spoken_to_first = (
            Bitmaps(self._calls, kind) for kind in range(1, 6)
        )
        self.sweeps = Sweeps(self._calls)

    def add(self, ends: FlowFeatures, likeness: Numbers) -> None:
        """Count n flows; `likeness`: log-odds of each port being a server's (2, n)."""
        self.sweeps.add(ends, likeness)
        may_call = likeness < weight("fan_in", "client_below")
        active = ends.took_part & ~ends.attempts
        unprivileged = ends.unprivileged
        scattered, began = _scattered(ends, likeness), self._began(ends)
        for end in (0, 1):
            ports, endpoints = ends.ports[end], ends.endpoints[end]
            peers, peer_endpoints = of_ports(ends.ports[1 - end]), ends.endpoints[1 - end]
            where = active[1 - end] & may_call[1 - end] & (ends.called != 1 - end)
            self._peers.add(endpoints[where], peers[where])
            where &= scattered[end]
            self._callers.add(_blocks(ends, end, where), peers[where])
            where = active[end] & (ends.called != end) & unprivileged[end]
            keys = _blocks(ends, end, where)
            self._blocks.add(keys, _low(ports[where]))
            self._targets.add(keys, peers[where])
            where = (ends.serving == end) & unprivileged[end]
            self._served.add(_blocks(ends, end, where), _low(ports[where]))
            where = _asks(ends, likeness, end)
            self._calls.add(endpoints[where], sixth(peer_endpoints[where]))
            where = began & (ends.first_from_b == bool(end))
            self._speaks_first.add(endpoints[where], peers[where])
            self._spoken_to_first.add(peer_endpoints[where], of_ports(ports[where]))
            where = _asks_group(ends, likeness, end)
            keys = _port_keys(ends.proto[where], ports[where])
            self._asked_from.add(keys, np.zeros_like(keys))

    def peer_ports(self, ends: FlowFeatures) -> Counts:
        """Return the distinct ports that contacted each endpoint, up to 64, including this flow (2, n)."""
        return np.maximum(self._peers.counts(ends.endpoints), 1)

    def calls(self, ends: FlowFeatures, likeness: Numbers) -> Counts:
        """Return the endpoints that each sent requests to, up to 64, except in this flow (2, n)."""
        own = np.stack([_asks(ends, likeness, end) for end in (0, 1)]).view(np.uint8)
        counts: Counts = np.maximum(self._calls.counts(ends.endpoints), own) - own
        return counts

    def tells_group(self, ends: FlowFeatures, likeness: Numbers) -> tuple[Mask, Mask]:
        """Return whether each endpoint announces something to a group, and whether certainly so (2, n).

        Certain by its message, by a port for announcements, or as others sent requests from the group's port;
        else likely if its own port looks much more like a server's.
        """
        said = ends.said.server > ends.said.client
        announces = ends.datagrams & (ends.ports[0] == ends.ports[1]) & (ends.said.client == 0)
        to_group = ends.groups[::-1]
        if not to_group.any():
            return to_group, to_group
        announces &= np.isin(ends.ports, weights()["group_address"]["announcers"])
        asked_from = self._asked_from.sets(_port_keys(ends.proto, ends.ports))[::-1] != 0
        sure = to_group & (said | announces | asked_from | callers(ends)[::-1])
        answers = likeness - likeness[::-1] > weight("group_address", "answer")
        return sure | (to_group & answers & (ends.said.client == 0)), sure

    def neighbours(self, ends: FlowFeatures) -> Counts:
        """Return the nearby ports that each endpoint's host used, up to 95; none below 1024 (2, n).

        Nearby are those of the same block of 64 ports, and of the adjacent half block.
        """
        return self._others_near(self._blocks, ends)

    def served_neighbours(self, ends: FlowFeatures) -> Counts:
        """Return the nearby ports that are proven servers on each endpoint's host (2, n)."""
        return self._others_near(self._served, ends)

    def targets(self, ends: FlowFeatures) -> Numbers:
        """Estimate the distinct peer ports of each endpoint and nearby ports, at least 1 (2, n)."""
        near = _unprivileged_ends(ends)
        sets = self._targets.sets(near.own) | self._targets.sets(near.beside)
        return near.spread(_about()[np.bitwise_count(sets)], of_others=1.0)

    def scattered_callers(self, ends: FlowFeatures, likeness: Numbers) -> Counts:
        """Return the client ports that contacted nearby ports of an endpoint below client ranges (2, n)."""
        near = _around(ends, _scattered(ends, likeness))
        sets = self._callers.sets(near.own) | self._callers.sets(near.beside)
        return near.spread(np.bitwise_count(sets))

    def addressed(self, ends: FlowFeatures) -> Numbers:
        """Return the share of UDP flows in which each endpoint's peers sent first, from 0 to 1 (2, n).

        Always 1 for connections.
        """
        endpoints = ends.endpoints[:, ends.datagrams]
        to, of = (
            sets.counts(endpoints).astype(float) for sets in (self._spoken_to_first, self._speaks_first)
        )
        shares = np.ones(ends.ports.shape)
        shares[:, ends.datagrams] = np.where(
            to + of > 0, np.maximum(to - of, 0) / np.maximum(to + of, 1), weight("fan_in", "undirected")
        )
        return shares

    def _began(self, ends: FlowFeatures) -> Mask:
        """Return whether UDP flows began inside the capture, by their packet gaps (n)."""
        if not ends.datagrams.any():
            return ends.datagrams
        packets = ends.packets.sum(axis=0).astype(np.int64)
        lasted_ns = ends.facts["last_seen_ns"].to_numpy() - ends.first_seen_ns
        pauses_ns = lasted_ns // np.maximum(packets - 1, 1) * _PAUSES
        began: Mask = ends.datagrams & (packets > 2) & (ends.first_seen_ns - self._begin_ns > pauses_ns)
        return began

    def _others_near(self, of: Bitmaps, ends: FlowFeatures) -> Counts:
        near = _unprivileged_ends(ends)
        half = np.where(near.low < 32, np.uint64(0xFFFF_FFFF_0000_0000), np.uint64(0xFFFF_FFFF))
        others = of.sets(near.own) & ~(np.uint64(1) << near.low)
        return near.spread(np.bitwise_count(others) + np.bitwise_count(of.sets(near.beside) & half))


class _Near(NamedTuple):
    """Keys for looking up the ports near those of m endpoints."""

    #: Indices of the m among the endpoints a, then b, of all flows.
    places: npt.NDArray[np.intp]
    #: Index of each port in its block of 64.
    low: Hashes
    #: Keys of each port's block, and of the one with the adjacent half.
    own: Hashes
    beside: Hashes
    #: Number of all flows.
    flows: int

    def spread(self, values: npt.NDArray[Any], of_others: float = 0) -> npt.NDArray[Any]:
        """Return m values at their endpoints, and another value at all others (2, n)."""
        spread = np.full(2 * self.flows, of_others, dtype=values.dtype)
        spread[self.places] = values
        return spread.reshape(2, self.flows)


@once
def _unprivileged_ends(ends: FlowFeatures) -> _Near:
    return _around(ends, ends.unprivileged)


def _around(ends: FlowFeatures, where: Mask) -> _Near:
    """Return the keys for looking up ports near those of some endpoints."""
    places, flows = np.flatnonzero(where), len(ends.proto)
    hosts, ports, proto = ends.hosts.ravel()[places], ends.ports.ravel()[places], ends.proto[places % flows]
    blocks, low = ports >> np.uint16(6), _low(ports)
    beside = (blocks + np.where(low < 32, -1, 1)).astype(np.uint16)
    own = _block_keys(hosts, proto, blocks)
    return _Near(places, low, own, _block_keys(hosts, proto, beside), flows)


def _asks(ends: FlowFeatures, likeness: Numbers, end: int) -> Mask:
    """Return whether an endpoint sent a request, by a handshake, an answer, an ICMP error or a group (n)."""
    asks: Mask = (ends.called == 1 - end) | (ends.handshakes.closed == 1 - end)
    return asks | _asks_group(ends, likeness, end)


def _asks_group(ends: FlowFeatures, likeness: Numbers, end: int) -> Mask:
    """Return whether an endpoint sent a request to a group, from a port less like a server's (n)."""
    groups: Mask = ends.groups[1 - end]
    if not groups.any():
        return groups
    group = groups & (ends.ports[0] != ends.ports[1]) & ~callers(ends)[1 - end]
    no_more = likeness[end] <= likeness[1 - end] + weight("group_address", "answer")
    asks: Mask = group & no_more & (ends.said.server[end] == 0)
    return asks


def _port_keys(proto: npt.NDArray[np.uint8], ports: npt.NDArray[np.uint16]) -> Hashes:
    return mixed([proto.astype(np.uint64) << np.uint64(16) | ports])


def _scattered(ends: FlowFeatures, likeness: Numbers) -> Mask:
    """Return whether each TCP port is below today's client ranges, with its peer's inside (2, n)."""
    below, inside = weight("fan_in", "served_above"), weight("fan_in", "scattered_below")
    scattered: Mask = (likeness > below) & (likeness[::-1] < inside) & (ends.proto == TCP)
    return scattered


@cache
def _about() -> Numbers:
    """Return the estimated insertions of a set by its size, at least 1: linear counting (65)."""
    empty = np.maximum(64 - np.arange(65.0), 0.5)
    estimates: Numbers = np.maximum(-64 * np.log(empty / 64), 1.0)
    return estimates


def _low(ports: npt.NDArray[np.uint16]) -> Hashes:
    """Return the indices of n ports in their blocks of 64."""
    return (ports & 63).astype(np.uint64)


def _blocks(ends: FlowFeatures, end: int, where: Mask) -> Hashes:
    """Return the keys of the blocks of an endpoint's ports, for some flows."""
    return _block_keys(ends.hosts[end][where], ends.proto[where], ends.ports[end][where] >> np.uint16(6))


def _block_keys(hosts: Hashes, proto: npt.NDArray[np.uint8], blocks: npt.NDArray[np.uint16]) -> Hashes:
    return mixed([hosts, proto.astype(np.uint64) << np.uint64(16) | blocks])
