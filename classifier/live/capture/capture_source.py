"""What is listened to: packet sockets, capturing programs, streams. Each is a tap.

A tap hands out flow facts window by window, counts, and words about what happened to it.
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

#: The name of an interface, a binary file with a capture that still grows, or a folder of rotated files.
Source = str | BinaryIO | Path


def not_writable(path: str, error: OSError) -> CaptureError:
    """Say that a file can't be written, and what to try."""
    return CaptureError(
        path,
        f"can't be written ({error.strerror or error}) by the user that this runs as; "
        "choose another place, or another --user",
        status=ExitStatus.NOT_WRITTEN,
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """How to capture."""

    meter: MeterOptions
    signatures: _meter.Signatures
    filter: str | None
    promiscuous: bool
    #: Bytes kept of a packet.
    snap_bytes: int
    #: Size of the kernel's buffer.
    buffer_bytes: int
    #: pcapng file for the packets.
    keep: str | None
    #: The user that this program becomes before it reads.
    user: str | None
    #: File with what a followed folder was taken of.
    state: str | None = None
    #: The newest file of a folder is complete when it hasn't grown for so long.
    settle_s: float = 600.0

    def keep_descriptor(self, again: bool = False) -> int | None:
        """Open the file for the packets, `again` to append to it; the caller passes the descriptor on."""
        if self.keep is None:
            return None
        try:
            return os.open(
                self.keep, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if again else os.O_TRUNC), 0o644
            )
        except OSError as error:
            raise not_writable(self.keep, error) from error


class Tap:
    """Something that is listened to, by one session of the meter after the other."""

    def __init__(self, name: str, wish: Wish) -> None:
        """Prepare to listen; nothing is read before `start`."""
        self.name = name
        self.wish = wish
        self._live: _meter.Live | None = None
        #: Of the sessions that are over.
        self._before = Counters()
        self._up: bool | None = True
        #: What to tell the user.
        self.news: list[str] = []

    def start(self) -> None:
        """Begin to listen."""
        raise NotImplementedError

    def look_after(self) -> None:
        """Note what happened to the source, and go on listening where that is possible."""

    def note_state(self, up: bool | None) -> None:
        """Tell that the interface went down or came up again."""
        if up is not None and up != self._up:
            self._up = up
            self.news.append(
                f"{self.name}: the interface is " + ("up again" if up else "down or gone; waiting for it")
            )

    @property
    def lost(self) -> int:
        """Packets that the capturing system has lost so far, where the stream itself doesn't tell."""
        return 0

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._live is None or self._live.ended

    @property
    def trouble(self) -> CaptureError | None:
        """Why it ended, if not by itself."""
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
        """Stop listening, and yield the flows that were still active."""
        if self._live is not None:
            self._live.stop()
            yield from _rest(self._live)

    def going_on(self) -> list[pa.RecordBatch]:
        """Return flows that are still open at the end, because another run goes on with them."""
        return []

    def restart(self, live: _meter.Live) -> list[_meter.Batch]:
        """Go on with another session; returns the flows of the last one that were still active."""
        rest: list[_meter.Batch] = []
        if self._live is not None:
            rest = list(_rest(self._live))
            self._before += self._in_session()
        self._live = live
        return rest

    @property
    def keep_problem(self) -> str | None:
        """Why its packets are no longer kept."""
        return self._live.keep_problem if self._live else None

    def close(self) -> None:
        """Let go of the source."""


class Stream(Tap):
    """A capture that arrives through a pipe or a file."""

    def __init__(self, file: BinaryIO, wish: Wish) -> None:
        """Take an open binary file."""
        name = getattr(file, "name", None)
        known = "standard input" if name == "<stdin>" else name if isinstance(name, str) else "stream"
        super().__init__(known, wish)
        self._file = file

    def start(self) -> None:
        """Begin to read."""
        keep = self.wish.keep_descriptor()
        self._live = _meter.live_stream(
            os.dup(self._file.fileno()), self.wish.signatures, self.wish.meter, keep=keep
        )


def _rest(live: _meter.Live) -> Iterator[_meter.Batch]:
    last = False
    while not last:
        batch, last = live.finish()
        yield batch
