"""Where rows wait until all evidence is in: in memory first, past a limit in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

import pyarrow as pa

#: Past so many bytes rows go to a temporary file.
MEMORY_BYTES = 32 << 20
#: Flow facts take a third of their space so, and sums a fifth, for less time than the disk would need.
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class Spool:
    """Holds record batches of one schema, in order; they can be read again and again."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        """Start empty."""
        self._memory_bytes = memory_bytes
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: pa.RecordBatchFileWriter | None = None
        self._batches = 0
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch. All batches come before the first is read."""
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        self._batches += 1
        if self._writer is None and self._held_bytes + batch.nbytes > self._memory_bytes:
            self._spill(batch.schema)
        if self._writer is not None:
            self._writer.write_batch(batch)
        else:
            self._held.append(batch)
            self._held_bytes += batch.nbytes

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches in the order in which they came."""
        return self._read(range(self._batches), None)

    def columns(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield some columns of all batches; the others are not read."""
        return self._read(range(self._batches), names)

    def at(self, places: Iterable[int]) -> Iterator[pa.RecordBatch]:
        """Yield some of the batches: the first that was added is at 0."""
        return self._read(places, None)

    def _read(self, places: Iterable[int], names: list[str] | None) -> Iterator[pa.RecordBatch]:
        if self._file is None:
            for place in places:
                yield self._held[place].select(names) if names else self._held[place]
            return
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._file.seek(0)
        reader = pa.ipc.open_file(self._file)
        if names:
            chosen = [reader.schema.get_field_index(name) for name in names]
            self._file.seek(0)
            reader = pa.ipc.open_file(self._file, options=pa.ipc.IpcReadOptions(included_fields=chosen))
        for place in places:
            batch = reader.get_batch(place)
            yield batch.select(names) if names else batch

    def _spill(self, schema: pa.Schema) -> None:
        self._file = tempfile.TemporaryFile(prefix="classifier-flows-")
        self._writer = pa.ipc.new_file(self._file, schema, options=_OPTIONS)
        self._held.reverse()
        while self._held:  # each is given up as soon as it is written
            self._writer.write_batch(self._held.pop())
        self._held_bytes = 0


def as_one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Return the rows of batches of one schema, of which there are some, as one batch."""
    whole: pa.RecordBatch = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    return whole
