"""Storage of rows until all evidence is collected: in memory, beyond a limit in a temporary file."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from typing import IO

import pyarrow as pa

#: Bytes of rows held in memory; beyond this they spill to a temporary file.
MEMORY_BYTES = 32 << 20
#: Rows of a batch: enough for efficient work on columns; the meter's batches are at most as large.
BATCH_ROWS = 1 << 15
#: LZ4: flow facts take a third of their space, and totals a fifth, in less time than the disk would need.
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")
#: Minimum seconds between releases of free memory.
_RELEASE_INTERVAL_S = 0.1


class Spool:
    """Record batches of one schema, in order; they can be read repeatedly."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES, batch_rows: int = 0) -> None:
        """Create an empty spool. Batches are merged up to `batch_rows` rows."""
        #: Bytes held in memory; beyond this batches spill to a file.
        self.memory_bytes = memory_bytes
        self._batch_rows = batch_rows
        self._small: list[pa.RecordBatch] = []
        self._small_rows = 0
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: pa.RecordBatchFileWriter | None = None
        self._batches = 0
        self._names: list[str] = []
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch. All batches must be added before the first is read."""
        if not batch.num_rows:
            return
        if self._small_rows + batch.num_rows > self._batch_rows:
            self._merge_small()
        self.rows += batch.num_rows
        self._names = batch.schema.names
        self._small.append(batch)
        self._small_rows += batch.num_rows
        self._held_bytes += batch.nbytes
        if (
            self._small_rows >= self._batch_rows
        ):  # not by memory, which the order of rows would then depend on
            self._merge_small()

    def _merge_small(self) -> None:
        if not self._small:
            return
        batch = as_one(self._small) if len(self._small) > 1 else self._small[0]
        self._small, self._small_rows = [], 0
        self._batches += 1
        self._held.append(batch)
        if self._writer is not None or self._held_bytes > self.memory_bytes:
            self._spill(batch.schema)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches in the order in which they were added."""
        self._merge_small()
        return self._read(range(self._batches), None)

    @property
    def is_in_memory(self) -> bool:
        """True if no batch is in a file, so that all can be released."""
        return self._file is None

    def release(self) -> None:
        """Release all batches, which are in memory; none can be read again."""
        self._small, self._held, self._batches = [], [], 0

    def columns(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield some columns of all batches; the others are not read."""
        self._merge_small()
        return self._read(range(self._batches), names)

    def without(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield all batches without some columns, which are not read."""
        return self.columns([name for name in self._names if name not in names])

    def at(self, places: Iterable[int]) -> Iterator[pa.RecordBatch]:
        """Yield the batches with these indices, in the order of addition from 0."""
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
            release_memory()  # memory used for the previous batch
            batch = reader.get_batch(place)
            yield batch.select(names) if names else batch

    def _spill(self, schema: pa.Schema) -> None:
        try:
            if self._writer is None:
                self._file = tempfile.TemporaryFile(prefix="classifier-flows-")
                self._writer = pa.ipc.new_file(self._file, schema, options=_OPTIONS)
            self._held.reverse()
            while self._held:  # each is released as soon as it is written
                self._writer.write_batch(self._held.pop())
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), tempfile.gettempdir()) from error
        self._held_bytes = 0


def as_one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Return the rows of one or more batches of one schema as one batch."""
    whole: pa.RecordBatch = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    return whole


class _MemoryRelease:
    """Returns free memory to the system, much of which allocators would otherwise keep."""

    def __init__(self) -> None:
        self._last_s = 0.0

    def __call__(self) -> None:
        """Return free memory, unless it was done very recently: it takes milliseconds.

        With Arrow's allocator `system`, which the command line chooses, this includes numpy's memory.
        """
        now_s = time.monotonic()
        if now_s - self._last_s > _RELEASE_INTERVAL_S:
            self._last_s = now_s
            pa.default_memory_pool().release_unused()


release_memory = _MemoryRelease()
