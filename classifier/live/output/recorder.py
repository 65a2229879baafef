"""Record flows to rotated Parquet files, each complete when it appears.

    flows.parquet  →  flows-20261123T040000Z.parquet, flows-20261123T050000Z.parquet …

Facts of the current file's flows are appended to a journal beside it, an Arrow stream, window by window. At
the time or size limit they are judged, written as Parquet and renamed, and the journal is deleted. A journal
that a killed program left behind is completed at the next start.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from classifier.complete_file import complete_file
from classifier.flows.spool import Spool
from classifier.flows.table import SCHEMA
from classifier.live.capture.capture_source import not_writable
from classifier.live.windows.window import Window
from classifier.metering.counters import Counters
from classifier.metering.metered import Metered
from classifier.pipeline import Judge
from classifier.ports.rules import Rules
from classifier.result import Traffic
from classifier.roles.directory import Entries, no_entries
from classifier.wording import counted

_JOURNAL = ".journal"
#: Key of a journal's metadata: the names of the sources, and the idle timeouts.
_HEADER = b"classifier"


@dataclass
class _UnderWay:
    """The current file of the recording."""

    path: Path
    begun_s: float
    file: pa.NativeFile
    writer: pa.RecordBatchStreamWriter
    until_ns: int = 0


@dataclass
class Recorder:
    """Records the flows that end in each window."""

    #: Folder, and stem and extension of the file names.
    target: Path
    idle: dict[str, int]
    rules: Rules
    decapsulate: bool = True
    rotate_s: float = 3600.0
    rotate_bytes: int = 256 << 20
    #: Returns the servers proven by flows of any file.
    known: Callable[[], Entries] = no_entries
    news: list[str] = field(default_factory=list)
    #: Flows that could not be recorded.
    lost: int = 0
    _under_way: _UnderWay | None = None
    #: Files of this recording with the time of the latest packet in each, oldest first.
    _files: list[tuple[Path, int]] = field(default_factory=list)
    #: Journals not yet completed, likewise.
    _left: list[tuple[Path, int]] = field(default_factory=list)
    _in_trouble: bool = False

    def __post_init__(self) -> None:
        """Check that files can be written, and complete journals of an earlier recording."""
        try:
            probe = self.target.with_name(f"{self.target.name}.{os.getpid()}.part")
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            raise not_writable(str(self.target), error) from error
        for journal in sorted(self.target.parent.glob(f"{self.target.stem}-*{_JOURNAL}")):
            if completed := self._complete(journal):
                self.news.append(f"{completed}: completed from the journal of an interrupted recording")

    def take(self, window: Window) -> None:
        """Append the flows that ended in a window; an error is reported, and the next window tries again."""
        rows = sum(batch.num_rows for batch in window.facts)
        try:
            if window.facts:
                self._append(window)
            if self._due():
                self.turn_over(window.time_ns)
        except OSError as error:
            self.lost += rows
            self._give_up(error)
        else:
            if self._in_trouble and rows:
                self._in_trouble = False
                lost = counted(self.lost, "flow")
                self.news.append(f"{self.target}: recording again; {lost} lost")

    def told(self) -> list[str]:
        """Return the notices since the last call."""
        news, self.news = self.news, []
        return news

    def end(self, time_ns: int) -> None:
        """Complete the last file; an error is reported."""
        try:
            self.turn_over(time_ns)
        except OSError as error:
            self._give_up(error)

    def turn_over(self, time_ns: int) -> None:
        """Complete the current file, whose latest packet was at `time_ns`, and journals left by errors."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            self._left.append((under_way.path, time_ns))
            under_way.writer.close()
            under_way.file.close()
        while self._left:
            journal, until_ns = self._left[-1]
            if completed := self._complete(journal):
                self._files.append((completed, until_ns))
            self._left.pop()

    def judge_again(self, traffic: Traffic) -> None:
        """Write the files once more, with verdicts from all evidence.

        `traffic` has all flows of the recording. Each is written to the file of its last packet's time.
        """
        if not self._files or self.lost:
            return
        try:
            _rewrite(traffic, sorted(self._files, key=lambda file: file[1]))
        except OSError as error:
            self.news.append(f"{self.target}: not judged once more ({_reason(error)}); first verdicts kept")

    def _complete(self, journal: Path) -> Path | None:
        """Judge the flows of a journal and write them as Parquet; None if it has no complete batch."""
        metered = _journalled(journal)
        target = journal.with_suffix(".parquet")
        if metered is not None:
            judging = Judge(metered, self.rules, self.known(), decapsulate=self.decapsulate)
            traffic = Traffic(metered, judging)
            with complete_file(target) as part:
                _write(part, traffic.batches())
        journal.unlink()
        return target if metered is not None else None

    def _append(self, window: Window) -> None:
        if self._under_way is None:
            self._under_way = self._begin(window)
        for batch in window.facts:
            self._under_way.writer.write_batch(batch)
        self._under_way.file.flush()
        self._under_way.until_ns = window.time_ns

    def _begin(self, window: Window) -> _UnderWay:
        stamp = datetime.fromtimestamp(window.time_ns / 1e9, UTC).strftime("%Y%m%dT%H%M%SZ")
        path = _free(self.target, stamp)
        header = json.dumps({"captures": window.captures, "idle": self.idle})
        schema = window.facts[0].schema.with_metadata({_HEADER: header.encode()})
        file = pa.OSFile(str(path), "wb")
        return _UnderWay(path, time.monotonic(), file, pa.ipc.new_stream(file, schema))

    def _due(self) -> bool:
        under_way = self._under_way
        if under_way is None:
            return False
        age_s = time.monotonic() - under_way.begun_s
        return age_s >= self.rotate_s or under_way.file.tell() >= self.rotate_bytes

    def _give_up(self, error: OSError) -> None:
        """Keep the journal; its complete windows are written when there is space again."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            self._left.append((under_way.path, under_way.until_ns))
            for close in (under_way.writer.close, under_way.file.close):
                with suppress(OSError):
                    close()
        if not self._in_trouble:
            self._in_trouble = True
            self.news.append(
                f"{self.target}: can't be recorded ({_reason(error)}); everything else continues"
            )


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)  # pyarrow's own text is longer


def _free(target: Path, stamp: str) -> Path:
    """Return an unused name of a journal for a file of that time."""
    for suffix in ("", *(f"-{number}" for number in range(2, 1_000_000))):
        journal = target.with_name(f"{target.stem}-{stamp}{suffix}{_JOURNAL}")
        if not journal.exists() and not journal.with_suffix(".parquet").exists():
            return journal
    raise FileExistsError(target)


def _journalled(journal: Path) -> Metered | None:
    """Read the complete batches of a journal, which may be truncated anywhere."""
    spool = Spool()
    header = None
    with suppress(pa.ArrowInvalid, OSError), pa.OSFile(str(journal)) as file:
        reader = pa.ipc.open_stream(file)
        header = json.loads(reader.schema.metadata[_HEADER])
        for batch in reader:
            spool.add(batch.replace_schema_metadata())
    if header is None or not spool.rows:
        return None
    first_ns = min(int(min(batch["first_seen_ns"].to_numpy())) for batch in spool)
    last_ns = max(int(max(batch["last_seen_ns"].to_numpy())) for batch in spool)
    captures = header["captures"]
    return Metered(
        idle=header["idle"],
        spool=spool,
        captures=captures,
        begins_ns=[first_ns] * len(captures),
        counters=Counters(span_ns=(first_ns, last_ns)),
    )


def _write(path: Path, batches: Iterator[pa.RecordBatch]) -> None:
    with parquet.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def _rewrite(traffic: Traffic, files: list[tuple[Path, int]]) -> None:
    """Write all flows, each to the file of its time, then replace the old files."""
    until_ns = np.array([until for _, until in files])
    with ExitStack() as whole:
        parts = [whole.enter_context(complete_file(path)) for path, _ in files]
        writers = [parquet.ParquetWriter(part, SCHEMA, compression="zstd") for part in parts]
        for batch in traffic.batches():
            last_ns = batch["last_seen"].cast(pa.int64()).to_numpy()
            place = np.minimum(np.searchsorted(until_ns, last_ns), len(files) - 1)
            for number in np.unique(place):
                writers[number].write_batch(batch.filter(pa.array(place == number)))
        for writer in writers:
            writer.close()
