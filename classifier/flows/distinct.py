"""Distinct values of a column, found by hashing, which is fast where few values recur in many rows."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers = npt.NDArray[np.int64]


def distinct(values: Numbers) -> tuple[Numbers, Numbers]:
    """Return the distinct values of n numbers, in order of first occurrence, and each row's index (n)."""
    encoded = pa.array(values).dictionary_encode()
    return encoded.dictionary.to_numpy(), encoded.indices.to_numpy().astype(np.int64)


#: Maximum rows remembered; beyond this all are forgotten. Only hostile input has as many.
MAX_REMEMBERED = 1 << 16


class Remembered:
    """The results of a function for distinct rows, computed once for each; safe for several threads."""

    def __init__(self, function: Callable[..., tuple[npt.NDArray[Any], ...]]) -> None:
        """`function` maps columns (n) to columns (… n)."""
        self._function = function
        self._place: dict[tuple[Any, ...], int] = {}
        self._found: tuple[npt.NDArray[Any], ...] = ()
        self._lock = Lock()

    def __call__(self, *columns: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
        """Return the function's results for n distinct rows."""
        rows = list(zip(*(column.tolist() for column in columns), strict=True))
        with self._lock:
            if len(self._place) + len(rows) > MAX_REMEMBERED:
                self._place.clear()
                self._found = ()
            new = [number for number, row in enumerate(rows) if row not in self._place]
            if new or not self._found:
                made = self._function(*(column[new] for column in columns))
                self._found = tuple(map(_joined, self._found, made)) if self._found else tuple(made)
                self._place |= {rows[number]: len(self._place) + at for at, number in enumerate(new)}
            places = [self._place[row] for row in rows]
            return tuple(column[..., places] for column in self._found)


def _joined(column: npt.NDArray[Any], more: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([column, more], axis=-1)
