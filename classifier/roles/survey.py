"""What all flows together show of each endpoint and host: peers, and ports close to one another.

Counters are sketches of bounded size that do not depend on the order in which flows are added. A
key's 64 bits are kept at two places of a table; other keys may share one of them, but hardly both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifier.flows.hashing import Hashes, mixed
from classifier.roles.ends import Ends, Mask, Numbers
from classifier.roles.weights import weight

#: 8 MB a table, of which the system gives what is touched. Always the same, so that a capture in pieces
#: gives what the whole one does. Of three million flows every other set has a bit that isn't its own, of ten
#: million it has four.
PLACES = 1 << 20
Counts = npt.NDArray[np.uint8]


class Bitmaps:
    """Sets of numbers below 64, each under a key."""

    def __init__(self) -> None:
        """Start with empty sets."""
        self._table = np.zeros(PLACES, dtype=np.uint64)

    def add(self, keys: Hashes, numbers: npt.NDArray[np.uint64]) -> None:
        """Put n numbers into the sets of n keys."""
        bits = np.uint64(1) << numbers
        for places in self._places(keys):
            np.bitwise_or.at(self._table, places, bits)

    def sets(self, keys: Hashes) -> Hashes:
        """Return the sets of keys as bits."""
        one, other = (self._table[places] for places in self._places(keys))
        return one & other

    def _places(self, keys: Hashes) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        last = np.uint64(PLACES - 1)
        return (keys & last).astype(np.intp), (keys >> np.uint64(32) & last).astype(np.intp)


class Survey:
    """Counters over all flows of the input.

    Where a handshake shows the sides, or an answer over UDP, only the server's end counts as one that has
    peers, and only the client's as one whose port has neighbours. Attempts that came to nothing don't
    count, nor peers at a known service's port: a client that keeps its port talks to many of them.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._peers = Bitmaps()
        self._blocks = Bitmaps()
        self._calls = Bitmaps()

    def add(self, ends: Ends, likeness: Numbers) -> None:
        """Count n flows; `likeness`: how much each end's port looks like a server's (2, n)."""
        may_call = likeness < weight("fan_in", "client_below")
        # A datagram that nobody answers shows little of its target, which may be one of a scan's: it must
        # look like the client.
        looks_client = likeness[::-1] - likeness > weight("fan_in", "one_way_below")
        active = (ends.sent | ~ends.datagrams | looks_client) & ~ends.attempts
        for end in (0, 1):
            peer_called = active[1 - end] & may_call[1 - end]
            self._add_peers(ends, end, peer_called & (ends.called != 1 - end))
            self._add_ports(ends, end, active[end] & (ends.called != end))
            called = ends.called == 1 - end
            self._calls.add(ends.endpoints[end][called], ends.endpoints[1 - end][called] >> np.uint64(58))

    def peer_ports(self, ends: Ends) -> Counts:
        """How many different ports have talked to each end, up to 64 and its own flow included (2, n)."""
        return np.maximum(np.bitwise_count(self._peers.sets(ends.endpoints)), 1)

    def calls(self, ends: Ends) -> Counts:
        """How many endpoints each end has called, up to 64, not counting its own flow (2, n)."""
        own = ends.called == np.array([[1], [0]])
        counts: Counts = np.bitwise_count(self._calls.sets(ends.endpoints)) - own
        return counts

    def neighbours(self, ends: Ends) -> Counts:
        """How many other ports close to its own each end's host has used, up to 191 (2, n).

        Close are those of the same block of 64 ports, and of the half blocks beside it.
        """
        blocks, low = _blocks(ends)
        own = self._blocks.sets(_block_keys(ends, blocks))
        other = np.where(low < 32, blocks - 1, blocks + 1)
        beside = self._blocks.sets(_block_keys(ends, other))
        half = np.where(low < 32, np.uint64(0xFFFF_FFFF_0000_0000), np.uint64(0xFFFF_FFFF))
        others = own & ~(np.uint64(1) << low.astype(np.uint64))
        counts: Counts = np.bitwise_count(others) + np.bitwise_count(beside & half)
        return counts

    def _add_peers(self, ends: Ends, end: int, where: Mask) -> None:
        peer = ends.ports[1 - end][where].astype(np.uint64)
        self._peers.add(ends.endpoints[end][where], mixed([peer]) >> np.uint64(58))

    def _add_ports(self, ends: Ends, end: int, where: Mask) -> None:
        blocks, low = _blocks(ends)
        keys = _block_keys(ends, blocks)[end][where]
        self._blocks.add(keys, low[end][where].astype(np.uint64))


def _blocks(ends: Ends) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the block of 64 in which each port lies, and its place there (2, n)."""
    ports = ends.ports.astype(np.int64)
    return ports >> 6, ports & 63


def _block_keys(ends: Ends, blocks: npt.NDArray[np.int64]) -> Hashes:
    kind = ends.proto.astype(np.uint64) << np.uint64(16)
    return mixed([ends.hosts, kind | blocks.astype(np.uint64) & np.uint64(0xFFFF)])
