"""Set sketches of bounded size, independent of the order of insertion."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from classifier.flows.hashing import Hashes, mixed
from classifier.ports.service import PORTS

#: Words of a table, 8 MB, of which only touched pages take memory. The size is constant, so that a capture in
#: pieces gives the same result as a whole one. With three million flows every other set has one false bit,
#: with ten million each has four.
PLACES = 1 << 20
Counts = npt.NDArray[np.uint8]


class Bitmaps:
    """Sets of numbers below 64, each under a key.

    A key's 64 bits are stored at two places of a table; other keys may share one of them, but rarely both.
    The sets have a table of their own, or share the one of `beside`, separated by `kind`.
    """

    def __init__(self, beside: Bitmaps | None = None, kind: int = 0) -> None:
        self._table: Hashes = beside._table if beside else np.zeros(PLACES, dtype=np.uint64)
        self._kind = mixed([np.array([kind], dtype=np.uint64)]) if kind else np.zeros(1, dtype=np.uint64)

    def add(self, keys: Hashes, numbers: npt.NDArray[np.uint64]) -> None:
        """Add n numbers to the sets of n keys."""
        bits = np.uint64(1) << numbers
        for places in self._places(keys):
            # `at` is slow, and slower on a cold cache, which this read warms.
            new = self._table.take(places) & bits == 0
            if 4 * np.count_nonzero(new) < len(new):
                np.bitwise_or.at(self._table, places[new], bits[new])
            else:
                np.bitwise_or.at(self._table, places, bits)

    def sets(self, keys: Hashes) -> Hashes:
        """Return the sets of keys as bit masks."""
        one, other = (self._table.take(places) for places in self._places(keys))
        one &= other
        return one

    def counts(self, keys: Hashes) -> Counts:
        """Return the sizes of the sets of keys."""
        counts: Counts = np.bitwise_count(self.sets(keys))
        return counts

    def _places(self, keys: Hashes) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        last, keys = np.uint64(PLACES - 1), keys ^ self._kind
        return (keys & last).view(np.intp), (keys >> np.uint64(32) & last).view(np.intp)


def sixth(hashes: Hashes) -> Hashes:
    """Return a number below 64 for each hash."""
    return hashes >> np.uint64(58)


def of_ports(ports: npt.NDArray[np.uint16]) -> Hashes:
    """Return a number below 64 for each port, hashed so that neighbours differ."""
    return _of_all_ports().take(ports)


@cache
def _of_all_ports() -> Hashes:
    return sixth(mixed([np.arange(PORTS, dtype=np.uint64)]))
