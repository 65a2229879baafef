"""The facts of flows that have ended, as many as fit: for judging everything once more at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pyarrow as pa

from classifier.flows.spool import Spool

#: Rows of one piece; the oldest piece goes as a whole.
_PIECE_ROWS = 50_000
#: What the pieces keep in memory, together: the rest is on disk.
_MEMORY_BYTES = 16 << 20


class History(Spool):
    """A spool that forgets: it holds the latest rows, `most_rows` of them and at the most a piece more."""

    def __init__(self, most_rows: int) -> None:
        """Start empty."""
        super().__init__()
        self._most_rows = most_rows
        self._piece_rows = min(_PIECE_ROWS, most_rows)
        self._piece_bytes = _MEMORY_BYTES // max(1, most_rows // _PIECE_ROWS)
        self._pieces: deque[Spool] = deque([Spool(self._piece_bytes)])
        #: Rows that are no longer there.
        self.forgotten = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch."""
        if self._pieces[-1].rows + batch.num_rows > self._piece_rows and self._pieces[-1].rows:
            self._pieces.append(Spool(self._piece_bytes))
        self._pieces[-1].add(batch)
        self.rows += batch.num_rows
        while self.rows - self._pieces[0].rows >= self._most_rows:
            gone = self._pieces.popleft()
            self.rows -= gone.rows
            self.forgotten += gone.rows

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches in the order in which they came."""
        for piece in self._pieces:
            yield from piece
