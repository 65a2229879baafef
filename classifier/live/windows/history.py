"""Facts of the latest ended flows, kept for judging all flows once more at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator

import pyarrow as pa

from classifier.flows.spool import Spool, as_one

#: Rows of a piece; the oldest piece is dropped as a whole.
_PIECE_ROWS = 50_000
#: Bytes that all pieces hold in memory together; the rest is on disk.
_MEMORY_BYTES = 16 << 20
#: Rows collected before they become a batch: any step on a batch takes milliseconds, however few its rows.
_BATCH_ROWS = 5_000


class History(Spool):
    """A spool that drops old rows: it holds the latest `most_rows`, and at most one piece more."""

    def __init__(self, most_rows: int) -> None:
        super().__init__()
        self._most_rows = most_rows
        self._piece_rows = min(_PIECE_ROWS, most_rows)
        self._piece_bytes = _MEMORY_BYTES // max(1, most_rows // _PIECE_ROWS)
        self._pieces: deque[Spool] = deque()
        self._few: list[pa.RecordBatch] = []
        #: Rows dropped so far.
        self.forgotten = 0
        #: True if some were dropped because the disk was full.
        self.disk_full = False

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch."""
        self.rows += batch.num_rows
        self._few.append(batch)
        if sum(few.num_rows for few in self._few) >= min(_BATCH_ROWS, self._piece_rows):
            self.settle()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in the order in which they were added."""
        self.settle()
        for piece in list(self._pieces):
            batches = iter(piece)
            try:
                first = next(batches, None)
            except OSError:  # reading a piece first writes its last rows to disk
                self._lose(piece)
                continue
            if first is not None:
                yield first
            yield from batches

    def columns(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield some columns of all rows."""
        for batch in self:
            yield batch.select(names)

    def without(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield all columns except some, for all rows."""
        for batch in self:
            yield batch.select([name for name in batch.schema.names if name not in names])

    def settle(self) -> None:
        """Store the latest rows in a piece, and drop the oldest piece where there are too many rows."""
        few, self._few = self._few, []
        for batch in few_together(few):
            if not self._pieces or self._pieces[-1].rows + batch.num_rows > self._piece_rows:
                self._pieces.append(Spool(self._piece_bytes))
            try:
                self._pieces[-1].add(batch)
            except OSError:
                self._lose(self._pieces[-1])
        while self._pieces and self.rows - self._pieces[0].rows >= self._most_rows:
            self._forget(self._pieces[0])

    def _lose(self, piece: Spool) -> None:
        self.disk_full = True
        self._forget(piece)

    def _forget(self, piece: Spool) -> None:
        self._pieces.remove(piece)
        self.rows -= piece.rows
        self.forgotten += piece.rows


def few_together(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches, with small ones merged."""
    few: list[pa.RecordBatch] = []
    for batch in batches:
        if few and sum(one.num_rows for one in few) + batch.num_rows > _PIECE_ROWS:
            yield as_one(few)
            few = []
        if batch.num_rows:
            few.append(batch)
    if few:
        yield as_one(few)
