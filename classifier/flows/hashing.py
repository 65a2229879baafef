"""Hashes of columns: 64 bits, the same in every run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.addresses import octets

Hashes = npt.NDArray[np.uint64]


def mixed(words: Iterable[Hashes]) -> Hashes:
    """Hash n rows of unsigned 64-bit words; collisions are very rare."""
    hashes: Hashes = np.zeros(1, dtype=np.uint64)
    for word in words:  # multiply and fold, modulo 2**64
        hashes = (hashes ^ word) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    return hashes


def address_words(address: pa.Array) -> tuple[Hashes, Hashes]:
    """Return n addresses of 16 bytes as two words each."""
    words = octets(address).view(np.uint64)
    return words[:, 0], words[:, 1]


#: Maximum bits of a bucket number in an index; a bucket takes four bytes.
_MAX_BITS = 20
#: Neighbours compared one by one before a binary search.
_STEPS = 16


class HashIndex:
    """An index of sorted hashes, ten times as fast as a binary search: hashes are evenly distributed."""

    def __init__(self, known: npt.NDArray[Any]) -> None:
        """`known` are m distinct sorted hashes."""
        self._known = known
        bits = min(len(known).bit_length() + 1, _MAX_BITS)
        self._shift = known.dtype.type(8 * known.dtype.itemsize - bits)
        sizes = np.bincount((known >> self._shift).astype(np.intp), minlength=1 << bits)
        #: Start of each bucket, that is, of the hashes that share their highest bits.
        self._begins = np.minimum(np.cumsum(sizes) - sizes, max(len(known) - 1, 0)).astype(np.int32)

    def find(self, hashes: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """Return for each hash an index into the known ones, and whether it is there."""
        known, last = self._known, len(self._known) - 1
        if last < 0:
            return np.zeros(hashes.shape, dtype=np.int32), np.zeros(hashes.shape, dtype=bool)
        wanted = hashes.reshape(-1)
        place = self._begins[wanted >> self._shift]
        before = np.flatnonzero(known[place] < wanted)
        for _ in range(_STEPS):
            before = before[place[before] < last]
            if not len(before):
                break
            place[before] += 1
            before = before[known[place[before]] < wanted[before]]
        place[before] = np.minimum(np.searchsorted(known, wanted[before]), last)
        found = known[place] == wanted
        return place.reshape(hashes.shape), found.reshape(hashes.shape)
