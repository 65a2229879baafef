"""Sums by group in numpy: exact, in one process, and in memory of the size of the columns.

pyarrow's own `group_by` takes several times the memory of its input and gives little of it back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows.distinct import Numbers, distinct

Mask = npt.NDArray[np.bool_]
#: Products of numbers of keys stay below, so that they fit an int64.
_MOST = 1 << 62


class Grouping:
    """The n rows of a table in g groups by the columns `keys`, in the order of their first rows."""

    def __init__(self, table: pa.Table, keys: Sequence[str]) -> None:
        """Number the groups; a null is a key like any other."""
        self._table = table
        self._ids, count = _ids(table, keys)
        self.first_rows = np.empty(count, dtype=np.int64)
        self.first_rows[self._ids[::-1]] = np.arange(len(self._ids) - 1, -1, -1)

    def keys(self, *columns: str) -> dict[str, pa.Array]:
        """Return columns that are the same within each group, a value for each of the g groups."""
        rows = pa.array(self.first_rows)
        return {name: _one(self._table[name]).take(rows) for name in columns}

    def sums(self, *columns: str) -> dict[str, pa.Array]:
        """Return the sums of columns (g)."""
        return {name: self._reduce(np.add, name) for name in columns}

    def smallest(self, column: str) -> pa.Array:
        """Return the minima of a column (g)."""
        return self._reduce(np.minimum, column)

    def largest(self, column: str) -> pa.Array:
        """Return the maxima of a column (g)."""
        return self._reduce(np.maximum, column)

    def distinct(self, columns: Sequence[str], where: Mask) -> pa.Array:
        """Count in each group the distinct values of columns, in the rows `where` says (g)."""
        values, count = _ids(self._table, columns)
        groups = self._pairs(values, count, where) // max(count, 1)
        return pa.array(np.bincount(groups, minlength=len(self.first_rows)).astype(np.uint64))

    def values(self, column: str, where: Mask) -> pa.ListArray:
        """List in each group the distinct values of a uint16 column, sorted, in the rows `where` says (g)."""
        numbers = _one(self._table[column])
        count = 1 << 16
        pairs = np.sort(self._pairs(numbers.to_numpy().astype(np.int64), count, where))
        groups = np.arange(len(self.first_rows) + 1)
        offsets = np.searchsorted(pairs, groups * count).astype(np.int32)
        return pa.ListArray.from_arrays(offsets, pa.array(pairs % count, numbers.type))

    def _reduce(self, ufunc: np.ufunc, column: str) -> pa.Array:
        values = self._table[column].to_numpy()
        reduced = np.zeros(len(self.first_rows), values.dtype) if ufunc is np.add else values[self.first_rows]
        ufunc.at(reduced, self._ids, values)
        return pa.array(reduced)

    def _pairs(self, values: Numbers, count: int, where: Mask) -> Numbers:
        """Return the distinct pairs of group and value below `count`, as `group * count + value`."""
        pairs: Numbers = pc.unique(pa.array(self._ids[where] * count + values[where])).to_numpy()
        return pairs


def _ids(table: pa.Table, keys: Sequence[str]) -> tuple[Numbers, int]:
    """Number the distinct combinations of `keys`: each row's number (n), and how many there are."""
    ids, most = np.zeros(table.num_rows, dtype=np.int64), 1
    for name in keys:
        codes, count = _codes(_one(table[name]))
        if most * count > _MOST:
            values, ids = distinct(ids)
            most = len(values)
        ids = ids * count + codes
        most *= count
    values, ids = distinct(ids)
    return ids, len(values)


def _codes(column: pa.Array) -> tuple[Numbers, int]:
    """Return a number below the second for each value of a column; small numbers stand for themselves."""
    if pa.types.is_unsigned_integer(column.type) and column.type.bit_width <= 16 and not column.null_count:
        return column.to_numpy().astype(np.int64), 1 << column.type.bit_width
    encoded = column.dictionary_encode("encode")
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary) + 1


def _one(column: pa.ChunkedArray) -> pa.Array:
    chunks = column.combine_chunks()
    return chunks if isinstance(chunks, pa.Array) else chunks.chunk(0)
