"""Where finished rows wait until all evidence is in: in memory first, past a limit in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

import pyarrow as pa

#: Past so many bytes rows go to a temporary file.
MEMORY_BYTES = 32 << 20


class Spool:
    """Holds record batches of one schema, in order; they can be read again and again."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        """Start empty."""
        self._memory_bytes = memory_bytes
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: pa.RecordBatchFileWriter | None = None
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch. All batches come before the first is read."""
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        if self._writer is None and self._held_bytes + batch.nbytes > self._memory_bytes:
            self._spill(batch.schema)
        if self._writer is not None:
            self._writer.write_batch(batch)
        else:
            self._held.append(batch)
            self._held_bytes += batch.nbytes

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches in the order in which they came."""
        if self._file is None:
            yield from self._held
            return
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._file.seek(0)
        reader = pa.ipc.open_file(self._file)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)

    def _spill(self, schema: pa.Schema) -> None:
        self._file = tempfile.TemporaryFile(prefix="classifier-flows-")
        self._writer = pa.ipc.new_file(self._file, schema)
        for batch in self._held:
            self._writer.write_batch(batch)
        self._held, self._held_bytes = [], 0
