"""Taps, the sources of a live capture: packet sockets, capture programs, streams, folders.

A source returns flow facts window by window, counters, and notices about its source.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from classifier import _meter
from classifier.errors import CaptureError, ExitStatus
from classifier.metering.counters import Counters
from classifier.sources.inputs import problem

if TYPE_CHECKING:
    import pyarrow as pa

    from classifier.metering.options import MeterOptions

#: Name of an interface, binary file with a growing capture, or folder of rotated files.
Source = str | BinaryIO | Path


def not_writable(path: str, error: OSError) -> CaptureError:
    """Return the error for a file that can't be written, with the remedy."""
    return CaptureError(
        path,
        f"can't be written by the current user ({error.strerror or error}); "
        "choose another place, or another --user",
        status=ExitStatus.NOT_WRITTEN,
    )


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """Options of the capture."""

    meter: MeterOptions
    signatures: _meter.Signatures
    filter: str | None
    promiscuous: bool
    #: Snapshot length: bytes captured of each packet.
    snap_bytes: int
    #: Size of the kernel buffer.
    buffer_bytes: int
    #: pcapng file to save the packets to.
    keep: str | None
    #: User that privileges are dropped to before reading.
    user: str | None
    #: State file of a followed folder.
    state: str | None = None
    #: Seconds without growth after which a folder's newest file is complete.
    settle_s: float = 600.0

    def keep_descriptor(self, again: bool = False) -> int | None:
        """Open the file for the packets, `again` to append to it; the caller owns the descriptor."""
        if self.keep is None:
            return None
        try:
            return os.open(
                self.keep, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if again else os.O_TRUNC), 0o644
            )
        except OSError as error:
            raise not_writable(self.keep, error) from error


class CaptureSource:
    """A source of packets, read by successive sessions of the meter; nothing is read before `start`."""

    def __init__(self, name: str, options: CaptureOptions) -> None:
        self.name = name
        self.options = options
        self._live: _meter.Live | None = None
        #: Of the sessions that are over.
        self._before = Counters()
        self._up: bool | None = True
        #: Notices for the user.
        self.news: list[str] = []

    def start(self) -> None:
        """Start reading."""
        raise NotImplementedError

    def look_after(self) -> None:
        """Check the source, report changes, and resume reading where possible."""

    def note_state(self, up: bool | None) -> None:
        """Add a notice if the interface went down or came up again."""
        if up is not None and up != self._up:
            self._up = up
            self.news.append(
                f"{self.name}: interface " + ("up again" if up else "down or removed; waiting for it")
            )

    @property
    def lost(self) -> int:
        """Packets dropped so far that the stream itself doesn't report."""
        return 0

    @property
    def ended(self) -> bool:
        """True once no more packets will come."""
        return self._live is None or self._live.ended

    @property
    def trouble(self) -> CaptureError | None:
        """The error that ended it, if any."""
        described = self._live.problem if self._live else None
        return problem(self.name, described) if described else None

    @property
    def counters(self) -> Counters:
        """The counters of all sessions."""
        return self._in_session() + self._before + Counters(dropped=self.lost)

    @property
    def active_flows(self) -> int:
        """How many flows are active."""
        return self._live.active_flows if self._live else 0

    def _in_session(self) -> Counters:
        return Counters(**self._live.counters) if self._live else Counters()

    def window(self) -> tuple[list[_meter.Batch], _meter.Batch | None]:
        """Return the flows that have ended since the last call, and the active ones with a packet since."""
        if self._live is None:
            return [], None
        ended, active = self._live.window()
        return [ended], active

    def finish(self) -> Iterator[_meter.Batch]:
        """Stop reading, and yield the flows that were still active."""
        if self._live is not None:
            self._live.stop()
            yield from _rest(self._live)

    def going_on(self) -> list[pa.RecordBatch]:
        """Return flows that stay open at the end, for another run."""
        return []

    def restart(self, live: _meter.Live) -> list[_meter.Batch]:
        """Continue with another session; return the flows of the last one that were still active."""
        rest: list[_meter.Batch] = []
        if self._live is not None:
            rest = list(_rest(self._live))
            self._before += self._in_session()
        self._live = live
        return rest

    @property
    def keep_problem(self) -> str | None:
        """The error that stopped saving its packets, if any."""
        return self._live.keep_problem if self._live else None

    def close(self) -> None:
        """Release the source."""


class StreamSource(CaptureSource):
    """A capture that arrives through an open binary file, such as a pipe."""

    def __init__(self, file: BinaryIO, options: CaptureOptions) -> None:
        name = getattr(file, "name", None)
        known = "standard input" if name == "<stdin>" else name if isinstance(name, str) else "stream"
        super().__init__(known, options)
        self._file = file

    def start(self) -> None:
        """Start reading."""
        keep = self.options.keep_descriptor()
        self._live = _meter.live_stream(
            os.dup(self._file.fileno()), self.options.signatures, self.options.meter, keep=keep
        )


def _rest(live: _meter.Live) -> Iterator[_meter.Batch]:
    last = False
    while not last:
        batch, last = live.finish()
        yield batch
