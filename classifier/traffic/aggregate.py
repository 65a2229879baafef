"""Aggregation of rows of integers by any of their columns, exactly and in bounded memory.

Rows are columns of numbers: keys (texts by their codes, addresses as two words), and measures, which merge.
Measures and keys of each table are data, in `views`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.distinct import Numbers, distinct
from classifier.flows.hashing import mixed
from classifier.flows.partitions import Partitions
from classifier.flows.spool import MEMORY_BYTES, release_memory

Mask = npt.NDArray[np.bool_]
#: Columns of numbers, all of one length.
Rows = dict[str, npt.NDArray[Any]]
#: Limit of the product of the sizes of keys, so that it fits an int64.
_MAX_PRODUCT = 1 << 62
#: Parts on disk: summing takes several times the size of a part, which is a small share of the memory.
_PART_BITS = 6
_PARTS = 1 << _PART_BITS
_SUMMING = 4
#: Shares of the rows that are summed or written one after the other.
_AT_A_TIME = 8


class Measure(NamedTuple):
    """A measure: columns to sum, over the rows of some kinds."""

    columns: tuple[str, ...]
    #: For each number in the column `kind`, whether such rows count; None: all rows count.
    kinds: tuple[bool, ...] | None = None
    merge: np.ufunc = np.add


#: Merge kinds of measures that aren't added.
MERGES = {"first_seen_ns": np.minimum, "last_seen_ns": np.maximum, "source": np.maximum}


def plain(*columns: str) -> dict[str, Measure]:
    """Return measures of columns over all rows."""
    return {name: Measure((name,), merge=MERGES.get(name, np.add)) for name in columns}


def size(rows: Rows) -> int:
    """Return the number of rows."""
    return len(next(iter(rows.values())))


def some(rows: Rows, mask: Mask) -> Rows:
    """Return the rows of a mask."""
    if mask.all():
        return rows
    places = np.flatnonzero(mask)
    return {name: column.take(places) for name, column in rows.items()}


def joined(pieces: Sequence[Rows]) -> Rows:
    """Return the rows of one or more pieces."""
    if len(pieces) == 1:
        return pieces[0]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def as_batch(rows: Rows) -> pa.RecordBatch:
    """Return rows as a batch to spool: 64-bit integers, whatever their width."""
    kinds = {name: np.uint64 if name.endswith(("_high", "_low")) else np.int64 for name in rows}
    return pa.RecordBatch.from_pydict(
        {name: pa.array(rows[name].astype(kinds[name], copy=False)) for name in rows}
    )


def numbered(rows: Rows, keys: Sequence[str]) -> tuple[Numbers, Numbers]:
    """Number the groups of rows with equal keys: each row's number (n), and a row of each group (g)."""
    ids, most = np.zeros(size(rows), dtype=np.int64), 1
    for name in keys:
        codes, count = _codes(rows[name])
        if most * count > _MAX_PRODUCT:
            values, ids = distinct(ids)
            most = len(values)
        if most * count > _MAX_PRODUCT:
            values, codes = distinct(codes)
            count = len(values)
        ids = ids * count + codes if most > 1 else codes
        most *= count
    if most > 4 * len(ids) + 1024:
        values, ids = distinct(ids)
        most = len(values)
    else:
        present = np.zeros(most, dtype=bool)
        present[ids] = True
        places = np.cumsum(present) - 1
        ids, most = places[ids], int(places[-1]) + 1 if most else 0
    row = np.empty(most, dtype=np.int64)
    row[ids] = np.arange(len(ids))
    return ids, row


def _codes(column: npt.NDArray[Any]) -> tuple[Numbers, int]:
    """Return codes from 0 for the values of a column, and an upper bound of the codes."""
    if not len(column):
        return column.astype(np.int64), 1
    least, most = int(column.min()), int(column.max())
    if most - least < _MAX_PRODUCT:
        return (column - column.dtype.type(least)).astype(np.int64), most - least + 1
    values, codes = distinct(column.view(np.int64))
    return codes, len(values)


def summed(rows: Rows, keys: Sequence[str], measures: Mapping[str, Measure]) -> Rows:
    """Sum rows by keys; return a row for each group, with its keys and measures."""
    ids, row = numbered(rows, keys)
    return {name: rows[name][row] for name in keys} | sums(rows, ids, len(row), measures)


def sums(
    rows: Rows, ids: Numbers, groups: int, measures: Mapping[str, Measure], places: Numbers | None = None
) -> Rows:
    """Sum rows, or those at `places`, by their group numbers; times of groups without rows are 0."""
    #: By kinds: group numbers and indices of the rows that count; None: all rows.
    chosen: dict[tuple[bool, ...] | None, tuple[Numbers, Numbers | None]] = {None: (ids, places)}
    found: Rows = {}
    for name, measure in measures.items():
        if measure.kinds is not None and measure.kinds not in chosen:
            kind = rows["kind"] if places is None else rows["kind"].take(places)
            counts = np.flatnonzero(np.array(measure.kinds).take(kind))
            where = counts if places is None else places.take(counts)
            chosen[measure.kinds] = (ids.take(counts), where) if len(counts) < len(ids) else chosen[None]
        group, where_ = chosen[measure.kinds]
        for column in measure.columns:
            values = rows[column] if where_ is None else rows[column].take(where_)
            if name not in found:
                found[name] = np.zeros(groups, dtype=np.int64)
                if measure.merge is not np.add:
                    found[name][group] = values
            if len(values):
                measure.merge.at(found[name], group, values.astype(np.int64, copy=False))
    return found


def counted(ids: Numbers, groups: int, values: Numbers) -> Numbers:
    """Count the distinct values in each group, given n group numbers and n values."""
    pairs = distinct_pairs(ids, values)[0]
    return np.bincount(pairs, minlength=groups)


def distinct_pairs(ids: Numbers, values: npt.NDArray[Any]) -> tuple[Numbers, Numbers]:
    """Return the distinct pairs of n group numbers and n values, sorted."""
    count = int(values.max()) + 1 if len(values) else 1
    pairs = np.sort(ids * count + values.astype(np.int64, copy=False))
    pairs = pairs[np.concatenate([[True], pairs[1:] != pairs[:-1]])] if len(pairs) else pairs
    return pairs // count, pairs % count


class Aggregate:
    """Rows to be summed by some of their columns, or by all of them.

    Beyond a limit rows of equal keys are summed; if that doesn't suffice, they spill to a temporary file, in
    parts by some of the keys. The order in which rows are added only affects the order of groups.
    """

    def __init__(
        self,
        keys: Sequence[str],
        measures: Mapping[str, Measure],
        part_by: Sequence[str] = (),
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        """`keys` identify a row; those of `part_by` determine its part on disk.

        Without `part_by` all rows stay in memory, for keys with few values.
        """
        self._keys = [*keys]
        self._measures = measures
        self._part_by = part_by
        self._memory_bytes = memory_bytes
        self._pieces: list[Rows] = []
        self._bytes = 0
        self._parted: Partitions | None = None

    def add(self, rows: Rows) -> None:
        """Add rows."""
        if not size(rows):
            return
        self._pieces.append({name: _narrow(column) for name, column in rows.items()})
        self._bytes += _bytes(self._pieces[-1])
        if self._bytes > self._memory_bytes // (_SUMMING if self.is_on_disk else 1):
            self._shrink()

    def total(self) -> Rows | None:
        """Return the sums by all keys, which must have few values; None if no rows were added."""
        return self._summed() if self._pieces else None

    def parts(self) -> Iterator[Rows]:
        """Yield all rows unsummed, those equal in `part_by` together; no rows can be added afterwards."""
        if self._parted is None:
            if self._pieces:
                self._pieces = [self._whole()]
                yield self._pieces[0]
            return
        if self._pieces:
            self._spill(self._whole())
        together: list[int] = []
        bytes_ = 0
        for part in np.flatnonzero(self._parted.part_bytes).tolist():
            more = self._parted.part_bytes[part]
            if together and bytes_ + more > self._memory_bytes // _SUMMING:
                yield self._read(together)
                together, bytes_ = [], 0
            together.append(part)
            bytes_ += more
        yield self._read(together)

    @property
    def is_on_disk(self) -> bool:
        """True if rows are in parts on disk."""
        return self._parted is not None

    def _summed(self) -> Rows:
        whole = summed(self._whole(), self._keys, self._measures)
        self._pieces = [whole]
        self._bytes = _bytes(whole)
        return whole

    def _whole(self) -> Rows:
        """Return all pieces as one; each column is released once it is joined."""
        pieces, self._pieces = self._pieces, []
        if len(pieces) == 1:
            return pieces[0]
        return {name: np.concatenate([piece.pop(name) for piece in pieces]) for name in [*pieces[0]]}

    def _shrink(self) -> None:
        """Sum rows of equal keys, a share at a time, and move all to the file if they are still too many."""
        pieces, share = self._pieces[::-1], self._bytes // _AT_A_TIME
        self._pieces, self._bytes = [], 0
        while pieces:
            together = [pieces.pop()]
            while pieces and sum(map(_bytes, together)) < share:
                together.append(pieces.pop())
            rows = summed(joined(together), self._keys, self._measures)
            self._pieces.append({name: _narrow(column) for name, column in rows.items()})
            self._bytes += _bytes(self._pieces[-1])
        if not self._part_by:
            self._memory_bytes = max(self._memory_bytes, 2 * self._bytes)
        elif self._bytes > self._memory_bytes // 2:
            self._spill(self._whole())
            self._bytes = 0
        release_memory()

    def _spill(self, rows: Rows) -> None:
        rows = {name: rows[name] for name in (*self._keys, *self._measures)}
        if self._parted is None:
            self._parted = Partitions(_PARTS, memory_bytes=0)
        words = [rows[name].astype(np.uint64) for name in self._part_by]
        part = (mixed(words) >> np.uint64(64 - _PART_BITS)).astype(np.intp)  # the best mixed bits
        del words
        # A share at a time: rows on disk are several times as wide.
        for places in np.array_split(np.argsort(part, kind="stable"), _AT_A_TIME):
            batch = as_batch({name: column.take(places) for name, column in rows.items()})
            self._parted.write(batch, part.take(places))

    def _read(self, parts: list[int]) -> Rows:
        assert self._parted
        batches = list(self._parted.read(parts))
        return {
            name: _narrow(np.concatenate([batch[name].to_numpy() for batch in batches]))
            for name in batches[0].schema.names
        }


def _narrow(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return numbers from 0 to 2**32 in as few bytes as they fit; joined with wider ones they stay exact."""
    if column.min() < 0 or column.max() >> 32:
        return column
    return column.astype(np.min_scalar_type(column.max()), copy=False)


def _bytes(rows: Rows) -> int:
    return sum(column.nbytes for column in rows.values())
