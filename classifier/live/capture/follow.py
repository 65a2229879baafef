"""Follow a folder that a capture program rotates into: each file is read once, when it is complete.

A thread meters the files. Their flows are stitched to those of earlier files, and returned as ended once no
later file can change them. Progress and open flows can be saved to a state file, from which another run
resumes.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier.errors import CaptureError, ExitStatus
from classifier.flows.incremental_stitch import BEFORE_ALL, join, settled
from classifier.live.capture.capture_source import CaptureOptions, CaptureSource
from classifier.live.capture.follow_state import FollowState
from classifier.metering.counters import Counters
from classifier.sources import path_kinds
from classifier.sources.inputs import Input, problem

#: Seconds between scans of the folder.
LOOK_S = 0.5
#: Age beyond the newest file at which a sensor's series is no longer waited for.
_SILENT_NS = 24 * 3600 * 1_000_000_000


#: Counters copied from a reader.
@dataclass(frozen=True)
class _File:
    """A capture in the folder."""

    path: str
    name: str
    size_bytes: int
    changed_ns: int

    @property
    def series(self) -> str:
        """The part of the name shared by all files of a series."""
        return _series(self.name)

    @property
    def age(self) -> tuple[Any, ...]:
        """Sort key: time of change, then the numbers in the name."""
        return self.changed_ns, [int(part) if part.isdigit() else 0 for part in re.split(r"(\d+)", self.name)]

    @property
    def size_and_change(self) -> tuple[int, int]:
        """Changes when the file changes."""
        return self.size_bytes, self.changed_ns


def _series(name: str) -> str:
    """Return a name with its digits masked; each sensor that writes to the folder has its own."""
    return re.sub(r"\d+", "#", name)


def _files(folder: Path) -> Iterator[_File]:
    """Yield the captures in a folder."""
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):  # a ring buffer deletes its oldest file
            if path_kinds.is_capture(entry.name) and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield _File(entry.path, entry.name, status.st_size, status.st_mtime_ns)


class FollowedFolder(CaptureSource):
    """A followed folder; nothing is read before `start`."""

    def __init__(self, path: Path, options: CaptureOptions) -> None:
        super().__init__(path_kinds.shown(str(path)), options)
        self._path = path
        self._state_file = Path(options.state) if options.state else None
        #: Progress of the thread, guarded by the lock.
        self._now, self._counted, self._ended = FollowState(), Counters(), list[pa.Table]()
        self._touched_ns: int | None = None
        #: Series of files in the folder.
        self._series: set[str] = set()
        #: Progress as of the last window.
        self._then, self._counters_then = FollowState(), Counters()
        self._saved = True
        self._failure: CaptureError | None = None
        self._said: list[str] = []
        #: The error that ended the thread early.
        self._crash: Exception | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)

    def start(self) -> None:
        """Start reading files."""
        if not self._path.is_dir() or not os.access(self._path, os.R_OK | os.X_OK):
            message = "not a folder this user can read; check the path, or try another --user"
            raise CaptureError(self.name, message, status=ExitStatus.NO_INPUT)
        if self._state_file:
            self._now = FollowState.load(self._state_file)
            self._then = self._now.copy()
            self._then.save(self._state_file)  # fails now if it can't be written
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Always false: more files may come."""
        return False

    @property
    def trouble(self) -> CaptureError | None:
        """The first file that couldn't be read."""
        return self._failure

    @property
    def counters(self) -> Counters:
        """The counters of all files read by this run, as of the last window."""
        return self._counters_then

    @property
    def active_flows(self) -> int:
        """How many flows of the files taken are open, as of the last window."""
        return self._then.flows.num_rows if self._then.flows else 0

    def window(self) -> tuple[list[pa.RecordBatch], pa.RecordBatch | None]:
        """Return the flows that have ended since the last call, and the open ones with a packet since."""
        if self._crash:
            raise self._crash
        self._save()
        with self._lock:
            ended, since_ns = self._hand_out(), self._touched_ns
            self._touched_ns = None
            self.news += self._said
            self._said = []
        flows, touched = self._then.flows, None
        if flows is not None and since_ns is not None:
            touched = _batch(flows.filter(pc.greater_equal(flows["last_seen_ns"], since_ns)))
        return [_batch(table) for table in ended], touched

    def finish(self) -> Iterator[pa.RecordBatch]:
        """Stop reading, and yield the open flows, unless they are saved for another run."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._state_file:  # a file read since the last window is read again by the next run
            return
        for table in [*self._hand_out(), self._now.flows]:
            if table is not None:
                yield _batch(table)
        self._now.flows = None

    def going_on(self) -> list[pa.RecordBatch]:
        """Return the open flows that are saved for another run."""
        flows = self._then.flows
        return [] if flows is None or not self._state_file else [_batch(flows)]

    def close(self) -> None:
        """Save the progress."""
        self._save()

    def _hand_out(self) -> list[pa.Table]:
        ended, self._ended = self._ended, []
        self._then, self._counters_then = self._now.copy(), self._counted
        self._saved = False
        return ended

    def _save(self) -> None:
        """Save the progress as of the last window, which by now is shown and recorded."""
        if self._state_file and not self._saved:
            self._then.save(self._state_file)
        self._saved = True

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for file in self._complete():
                    if not self._stop.is_set():
                        self._take(file)
                self._stop.wait(LOOK_S)
        except OSError as error:
            self._crash = CaptureError(self.name, f"can't be followed any longer ({error.strerror or error})")
        except Exception as error:  # raised again by `window`
            self._crash = error

    def _complete(self) -> list[_File]:
        """Return the complete files that haven't been read, oldest first."""
        files = sorted(_files(self._path), key=lambda file: file.age)
        newest = {file.series: file for file in files}
        there = {file.name for file in files}
        self._series = set(newest)
        with self._lock:
            self._now.taken = {name: was for name, was in self._now.taken.items() if name in there}
        settled_ns = time.time_ns() - int(self.options.settle_s * 1e9)
        complete = [f for f in files if newest[f.series] is not f or f.changed_ns <= settled_ns]
        return [file for file in complete if self._now.taken.get(file.name, ())[:2] != file.size_and_change]

    def _take(self, file: _File) -> None:
        """Meter a file, and stitch its flows to the open ones."""
        rows, counters = self._metered(file)
        if self._stop.is_set():
            return
        begin_ns, end_ns = counters.span_ns or (0, 0)
        before = self._now.taken.get(file.name)
        taken = self._now.taken | {file.name: (*file.size_and_change, begin_ns)}
        if before and before[2] == begin_ns:
            message = "has grown since it was read; the added part is not counted"
            self._fail(CaptureError(file.path, message, status=ExitStatus.PARTIAL))
            with self._lock:
                self._now.taken = taken
            return
        ends_ns = self._now.ends_ns | ({file.series: end_ns} if counters.span_ns else {})
        newest_ns = max(ends_ns.values(), default=0)
        ends_ns = {series: end for series, end in ends_ns.items() if end > newest_ns - _SILENT_NS}
        parts = [part for part in (self._now.flows, rows) if part is not None]
        flows, ended = None, None
        if parts:
            idle = self.options.meter.idle
            joined, _ = join(pa.concat_tables(parts), **idle)
            # A series of which no file was read yet may have packets of any time.
            known = self._series <= {_series(name) for name in taken}
            until_ns = min(ends_ns.values()) if known else BEFORE_ALL
            over = pa.array(settled(joined, BEFORE_ALL, until_ns, max(idle.values())))
            flows, ended = joined.filter(pc.invert(over)), joined.filter(over)
        with self._lock:
            self._now = FollowState(taken, ends_ns, flows)
            self._counted += counters
            if ended is not None and ended.num_rows:
                self._ended.append(ended)
            if counters.span_ns and (self._touched_ns is None or begin_ns < self._touched_ns):
                self._touched_ns = begin_ns

    def _metered(self, file: _File) -> tuple[pa.Table | None, Counters]:
        """Return the flows of a file, and its counters."""
        capture = Input(path_kinds.shown(file.path), file.path, file.size_bytes)
        try:
            reader = capture.open(self.options.meter, self.options.signatures)
        except CaptureError as error:
            self._fail(error)
            return None, Counters()
        batches = []
        for batch in reader:
            if batch.num_rows:
                batches.append(pa.record_batch(batch))
            if self._stop.is_set():
                break
        capture.close()
        if reader.problem:
            self._fail(problem(capture.name, reader.problem))
        counters = Counters(**reader.counters)
        if not batches:
            return None, counters
        rows = pa.Table.from_batches(batches)
        here = pa.ListArray.from_arrays(
            np.arange(rows.num_rows + 1, dtype=np.int32), pa.array(np.zeros(rows.num_rows, np.int32))
        )
        return rows.append_column("capture", here), counters

    def _fail(self, error: CaptureError) -> None:
        """Report a file that can't be read; the first one also sets the exit status."""
        if self._failure is None:
            self._failure = error
        else:
            with self._lock:
                self._said.append(str(error))


def _batch(flows: pa.Table) -> pa.RecordBatch:
    """Return flows as the meter returns them."""
    return pa.RecordBatch.from_arrays(
        [column.combine_chunks() for column in flows.drop_columns("capture").columns],
        schema=flows.drop_columns("capture").schema,
    )
