"""Hashes of columns: 64 bits, the same in every run, whole columns at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.addresses import octets

Hashes = npt.NDArray[np.uint64]


def mixed(words: Iterable[Hashes]) -> Hashes:
    """Hash n rows of unsigned 64-bit words: equal rows are equal, others hardly ever."""
    hashes: Hashes = np.zeros(1, dtype=np.uint64)
    for word in words:  # multiply and fold, modulo 2**64
        hashes = (hashes ^ word) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    return hashes


def address_words(address: pa.Array) -> tuple[Hashes, Hashes]:
    """Return n addresses of 16 bytes as two words each."""
    words = octets(address).view(np.uint64)
    return words[:, 0], words[:, 1]
