"""Taps, the sources of a live capture: packet sockets, capture programs, streams, folders.

A tap returns flow facts window by window, counters, and notices about its source.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from classifier import _meter
from classifier.errors import CaptureError, ExitStatus
from classifier.sources import problem

if TYPE_CHECKING:
    import pyarrow as pa

    from classifier._meter import MeterOptions

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
class Wish:
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


@dataclass
class Counts:
    """Counters of a tap, same as those of a Reader."""

    packets: int = 0
    wire_bytes: int = 0
    dropped: int = 0
    evicted: int = 0
    duplicates: int = 0
    #: Checksums are not verified live: those of sent packets are filled in by the network card.
    bad_checksums: tuple[int, int] = (0, 0)
    dns_names: None = None
    dns_names_left_out: int = 0
    active: int = 0
    span_ns: tuple[int, int] | None = None
    unmetered: dict[str, int] = field(default_factory=dict)
    unknown_types: dict[tuple[str, int], int] = field(default_factory=dict)
    irregular: dict[tuple[str, int, int], int] = field(default_factory=dict)
    problem: tuple[str, int, str] | None = None

    def add(self, other: Counts, sign: int = 1) -> Counts:
        """Return the sum of both, or with `sign` -1 the difference."""
        spans = [span for span in (self.span_ns, other.span_ns) if span]
        return Counts(
            packets=self.packets + sign * other.packets,
            wire_bytes=self.wire_bytes + sign * other.wire_bytes,
            dropped=self.dropped + sign * other.dropped,
            evicted=self.evicted + sign * other.evicted,
            duplicates=self.duplicates + sign * other.duplicates,
            active=self.active,
            span_ns=(min(s[0] for s in spans), max(s[1] for s in spans)) if spans else None,
            unmetered=_summed(self.unmetered, other.unmetered, sign),
            unknown_types=_summed(self.unknown_types, other.unknown_types, sign),
            irregular=_summed(self.irregular, other.irregular, sign),
            problem=self.problem,
        )


class Tap:
    """A source of packets, read by successive sessions of the meter; nothing is read before `start`."""

    def __init__(self, name: str, wish: Wish) -> None:
        self.name = name
        self.wish = wish
        self._live: _meter.Live | None = None
        self._before = Counts()
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
    def counts(self) -> Counts:
        """The counters of all sessions."""
        counts = Counts(**self._live.counts, problem=self._live.problem) if self._live else Counts()
        total = counts.add(self._before)
        total.dropped += self.lost
        return total

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
            self._before = Counts(**self._live.counts).add(self._before)
        self._live = live
        return rest

    @property
    def keep_problem(self) -> str | None:
        """The error that stopped saving its packets, if any."""
        return self._live.keep_problem if self._live else None

    def close(self) -> None:
        """Release the source."""


class Stream(Tap):
    """A capture that arrives through an open binary file, such as a pipe."""

    def __init__(self, file: BinaryIO, wish: Wish) -> None:
        name = getattr(file, "name", None)
        known = "standard input" if name == "<stdin>" else name if isinstance(name, str) else "stream"
        super().__init__(known, wish)
        self._file = file

    def start(self) -> None:
        """Start reading."""
        keep = self.wish.keep_descriptor()
        self._live = _meter.live_stream(
            os.dup(self._file.fileno()), self.wish.signatures, self.wish.meter, keep=keep
        )


def _rest(live: _meter.Live) -> Iterator[_meter.Batch]:
    last = False
    while not last:
        batch, last = live.finish()
        yield batch


def _summed(counts: dict[Any, int], others: dict[Any, int], sign: int) -> dict[Any, int]:
    return {key: counts.get(key, 0) + sign * others.get(key, 0) for key in counts | others}
