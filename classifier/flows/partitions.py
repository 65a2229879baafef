"""Rows in partitions that are read one at a time, for work that needs all rows of a key together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.spool import Spool


class Partitions:
    """Rows in numbered parts, all in one spool, so that any number of parts needs one file."""

    def __init__(self, parts: int, memory_bytes: int) -> None:
        """Create empty parts. Beyond `memory_bytes` rows spill to a temporary file."""
        self._spool = Spool(memory_bytes)
        #: Indices of the batches of each part in the spool.
        self._places: list[list[int]] = [[] for _ in range(parts)]
        self._written = 0
        #: Size of each part.
        self.part_bytes = [0] * parts

    def write(self, rows: pa.RecordBatch, part: npt.NDArray[np.intp]) -> None:
        """Add n rows to the parts with these numbers; a call adds one batch to each part."""
        rows = rows.take(pa.array(np.argsort(part, kind="stable")))
        begin = 0
        for number, count in enumerate(np.bincount(part, minlength=len(self._places)).tolist()):
            if count:
                batch = rows.slice(begin, count)
                self._spool.add(batch)
                self.part_bytes[number] += batch.nbytes
                self._places[number].append(self._written)
                self._written += 1
                begin += count

    def read(self, parts: Iterable[int]) -> Iterator[pa.RecordBatch]:
        """Yield the batches of some parts; those of each in the order in which they were written."""
        return self._spool.at(place for part in parts for place in self._places[part])
