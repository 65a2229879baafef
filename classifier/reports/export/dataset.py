"""The flow table as a folder of Parquet files by day: `date=2026-11-23/part-0.parquet`.

The folder may be a URL. Readers of such data sets (DuckDB, Polars, Spark, pyarrow) see a column `date`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from classifier.errors import CaptureError, ExitStatus
from classifier.sources import path_kinds

#: Rows of a row group, which is held in memory; rows of a file.
_GROUP_ROWS, _FILE_ROWS = 1 << 17, 1 << 24
#: Upper limit of days, that is, of partitions; beyond any capture.
_MOST_DAYS = 1 << 16


class Dataset:
    """A folder to which flows are written, given by its path or URL.

    CaptureError: it isn't empty, or can't be listed.
    """

    def __init__(self, path: str) -> None:
        from pyarrow import fs

        self._name = path
        if path_kinds.is_url(path):
            from classifier.sources.remote import filesystem

            files, self._path = filesystem(path)
            self._files = fs.PyFileSystem(fs.FSSpecHandler(files))
        else:
            self._files, self._path = fs.LocalFileSystem(), path.rstrip("/") or "/"
        try:
            there = self._files.get_file_info(fs.FileSelector(self._path, allow_not_found=True))
        except Exception as error:  # each store raises its own
            raise self._cant(error) from error
        if there:
            raise CaptureError(path, "not an empty folder; choose another", status=ExitStatus.NOT_WRITTEN)

    def write(self, batches: Iterable[pa.RecordBatch | pa.Table], schema: pa.Schema) -> None:
        """Write rows of the flow table, which may have further columns."""
        from pyarrow import dataset

        by_day = pa.schema([pa.field("date", pa.string())])
        try:
            dataset.write_dataset(
                _dated(batches),
                self._path,
                schema=pa.schema([*schema, *by_day]),
                filesystem=self._files,
                format="parquet",
                partitioning=dataset.partitioning(by_day, flavor="hive"),
                file_options=dataset.ParquetFileFormat().make_write_options(compression="zstd"),
                max_rows_per_file=_FILE_ROWS,
                max_rows_per_group=_GROUP_ROWS,
                min_rows_per_group=_GROUP_ROWS // 8,
                max_partitions=_MOST_DAYS,
                use_threads=False,  # the same rows in the same files, whenever
            )
        except Exception as error:
            raise self._cant(error) from error

    def _cant(self, error: Exception) -> CaptureError:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        message = f"can't be written ({reason}); choose another place with -o"
        return CaptureError(self._name, message, status=ExitStatus.NOT_WRITTEN)


def _dated(batches: Iterable[pa.RecordBatch | pa.Table]) -> Iterator[pa.RecordBatch]:
    """Yield the rows with the day, in UTC, of their first packets."""
    for rows in batches:
        for batch in rows.to_batches() if isinstance(rows, pa.Table) else [rows]:
            date: Any = pc.strftime(batch["first_seen"], format="%Y-%m-%d")
            yield batch.append_column("date", date)
