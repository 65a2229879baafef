"""Sums by keys that take bounded memory, however many keys there are, and stay exact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows.hashing import address_words, mixed
from classifier.flows.parted import Parted
from classifier.flows.spool import MEMORY_BYTES, give_back

#: Brings the rows of each key together.
AddUp = Callable[[pa.Table], pa.Table]
#: Rows on disk are in so many parts.
_PART_BITS = 8
_PARTS = 1 << _PART_BITS
#: However narrow rows are, to bring those of each key together takes so much for each.
_ROW_BYTES = 200
#: Small parts are read together, up to this share of the memory: adding up takes several times their size.
_TOGETHER = 4
Order = list[tuple[str, str]]


class Sums:
    """Adds up tables by keys; past a limit sums go to a temporary file, in parts that share no key.

    The order in which rows are added matters only to the order in which groups come out.
    """

    def __init__(self, add_up: AddUp, part_by: Iterable[str] = (), memory_bytes: int = MEMORY_BYTES) -> None:
        """Take what adds up, and those of the keys that are addresses: of them the parts are made.

        Without any, all stays in memory: for keys of which there are few.
        """
        self._add_up = add_up
        self._part_by = list(part_by)
        self._memory_bytes = memory_bytes
        self._pieces: list[pa.Table] = []
        self._bytes = 0
        self._parted: Parted | None = None

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        if not rows.num_rows:
            return
        self._pieces.append(self._add_up(rows))
        self._bytes += _size(self._pieces[-1])
        if self._bytes > self._memory_bytes:
            self._merge()
            if self._part_by and self._bytes > self._memory_bytes // 2:
                self._spill()
            give_back()

    def parts(self) -> Iterator[pa.Table]:
        """Yield all groups, each once; nothing where nothing was added. No rows can be added afterwards."""
        give_back()
        self._merge()
        if self._parted is None:
            yield from self._pieces
            return
        if self._pieces:
            self._spill()
        for parts in self._together(self._parted.part_bytes):
            if batches := list(self._parted.read(parts)):
                yield self._add_up(pa.Table.from_batches(batches))
                give_back()

    def _together(self, part_bytes: list[int]) -> Iterator[list[int]]:
        """Yield which parts are added up together: one, or several small ones."""
        together: list[int] = []
        size = 0
        for part, more in enumerate(part_bytes):
            if together and size + more > self._memory_bytes // _TOGETHER:
                yield together
                together, size = [], 0
            together.append(part)
            size += more
        yield together

    def _merge(self) -> None:
        if len(self._pieces) > 1:
            self._pieces = [self._add_up(pa.concat_tables(self._pieces))]
        self._bytes = sum(map(_size, self._pieces))

    def _spill(self) -> None:
        """Move what is in memory to the file."""
        if self._parted is None:
            self._parted = Parted(_PARTS, memory_bytes=0)
        (rows,) = self._pieces[0].combine_chunks().to_batches()
        words = [word for name in self._part_by for word in address_words(rows[name])]
        part = (mixed(words) >> np.uint64(64 - _PART_BITS)).astype(np.intp)  # the bits that are mixed best
        self._parted.write(rows, part)
        self._pieces, self._bytes = [], 0


def _size(rows: pa.Table) -> int:
    size: int = max(rows.nbytes, rows.num_rows * _ROW_BYTES)
    return size


def ranked(parts: Iterable[pa.Table], order: Order, top: int | None, total: AddUp) -> list[pa.Table]:
    """Return the first `top` rows of all parts, and `total` of the others: two tables, or none.

    Memory is that of the largest part and the rows that are returned.
    """
    best: pa.Table | None = None
    rest: list[pa.Table] = []
    for part in parts:
        table = part if best is None else pa.concat_tables([best, part])
        places = pc.sort_indices(table, sort_keys=order)
        if top is not None and table.num_rows > top:
            rest.append(total(table.take(places.slice(top))))
            places = places.slice(0, top)
        best = table.take(places)
    if best is None:
        return []
    return [best, total(pa.concat_tables(rest)) if rest else best.slice(0, 0)]


def with_row(table: pa.Table, label: str, word: str, sums: dict[str, pa.Array]) -> pa.Table:
    """Add a row that the column `label` calls by a word, with sums; what isn't among them is null."""
    nullable = pa.schema([field.with_nullable(True) for field in table.schema])
    row = {label: pa.array([word]), **sums}
    columns = [
        row[field.name].cast(field.type) if field.name in row else pa.nulls(1, field.type)
        for field in nullable
    ]
    return pa.concat_tables([table.cast(nullable), pa.table(columns, nullable)])
