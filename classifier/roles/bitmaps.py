"""Sketches of sets: bounded in size, and independent of the order in which things are added."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifier.flows.hashing import Hashes, mixed

#: 8 MB a table, of which the system gives what is touched. Always the same, so that a capture in pieces
#: gives what the whole one does. Of three million flows every other set has a bit that isn't its own, of ten
#: million it has four.
PLACES = 1 << 20
Counts = npt.NDArray[np.uint8]


class Bitmaps:
    """Sets of numbers below 64, each under a key.

    A key's 64 bits are kept at two places of a table; other keys may share one of them, but hardly both.
    """

    def __init__(self, beside: Bitmaps | None = None, kind: int = 0) -> None:
        """Start with empty sets: in a table of their own, or `beside` others in theirs, each `kind` apart."""
        self._table: Hashes = beside._table if beside else np.zeros(PLACES, dtype=np.uint64)
        self._kind = mixed([np.array([kind], dtype=np.uint64)]) if kind else np.zeros(1, dtype=np.uint64)

    def add(self, keys: Hashes, numbers: npt.NDArray[np.uint64]) -> None:
        """Put n numbers into the sets of n keys."""
        bits = np.uint64(1) << numbers
        for places in self._places(keys):
            np.bitwise_or.at(self._table, places, bits)

    def sets(self, keys: Hashes) -> Hashes:
        """Return the sets of keys as bits."""
        one, other = (self._table[places] for places in self._places(keys))
        return one & other

    def sets_where(self, keys: Hashes, where: npt.NDArray[np.bool_]) -> Hashes:
        """Return the sets of some of the keys, and empty ones for all others."""
        sets = np.zeros(keys.shape, dtype=np.uint64)
        sets[where] = self.sets(keys[where])
        return sets

    def counts(self, keys: Hashes) -> Counts:
        """Return how many numbers the sets of keys have."""
        counts: Counts = np.bitwise_count(self.sets(keys))
        return counts

    def _places(self, keys: Hashes) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        last, keys = np.uint64(PLACES - 1), keys ^ self._kind
        return (keys & last).astype(np.intp), (keys >> np.uint64(32) & last).astype(np.intp)


def sixth(hashes: Hashes) -> Hashes:
    """Return a number below 64 for each hash."""
    return hashes >> np.uint64(58)


def of_ports(ports: npt.NDArray[np.uint16]) -> Hashes:
    """Return a number below 64 for each port, so that neighbours differ as others do."""
    return sixth(mixed([ports.astype(np.uint64)]))
