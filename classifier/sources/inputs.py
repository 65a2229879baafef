"""One input, opened for the meter: by the core itself, or through a bridge where it can't read it."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, runtime_checkable

from classifier import _meter
from classifier.errors import CaptureError, ExitStatus, Remedy
from classifier.sources import path_kinds

if TYPE_CHECKING:
    from classifier.metering.options import MeterOptions

Source = str | os.PathLike[str] | BinaryIO
#: Who reads: None is the core itself.
Via = Literal["scapy", "tshark"]

_STATUS = {"cut": ExitStatus.PARTIAL, "damaged": ExitStatus.PARTIAL, "io": ExitStatus.NO_INPUT}


@runtime_checkable
class Bridge(Protocol):
    """A binary file with what the core can't open itself: what another program reads, a URL, a member."""

    def read(self, size: int) -> bytes | None:
        """Return some bytes."""

    def problem(self) -> str | None:
        """Say what went wrong with it, once all is read."""

    def close(self) -> None:
        """Let go of it."""


class LocalFile(io.FileIO):
    """A file, pipe or device that Python opens: where its name isn't UTF-8, and where it may wait.

    Python lets Ctrl-C through while it waits.
    """

    def problem(self) -> None:
        """Say nothing: what goes wrong is raised."""


@dataclass(slots=True)
class Input:
    """One file, URL or stream that is to be metered: plain data, unless it is an open file."""

    name: str
    #: A path, a URL, an open binary file, or a member of an archive.
    file: str | BinaryIO | Bridge
    #: Size of the (compressed) file for a progress bar; None where it isn't known.
    size_bytes: int | None
    via: Via | None = None
    #: It may keep its reader waiting, as a pipe does: only in the main thread can that be interrupted.
    waits: bool = False
    #: Of a member: at which byte of its archive it begins.
    begins_at: int | None = None
    #: Its file is there; a pipe has a writer.
    is_open: bool = False
    _bridge: Bridge | None = None
    #: What `start` has started.
    _reader: _meter.Reader | None = None

    def start(self, options: MeterOptions, signatures: _meter.Signatures) -> None:
        """Start metering before `open`, where the core opens the file itself; errors are left to `open`."""
        if isinstance(self.file, str) and not self.via and not self._needs_bridge(self.file):
            with suppress(_meter.MeterError, OSError):
                self._reader = _meter.read(self.file, signatures, options)
                self.is_open = True

    def open(self, options: MeterOptions, signatures: _meter.Signatures) -> _meter.Reader:
        """Start metering; CaptureError says why that can't be done. `close` must follow."""
        if self._reader:
            reader, self._reader = self._reader, None
            return reader
        try:
            source, self._bridge = self._source()
            self.is_open = True
            return _meter.read(source, signatures, options)
        except _meter.MeterError as error:
            told = self.trouble()
            self.close()
            raise CaptureError(self.name, told) if told else problem(self.name, error.args) from None
        except OSError as error:
            if not isinstance(self.file, str):
                raise  # the caller's own file object, and its own exception
            raise not_there(self.name, error) from error

    def trouble(self) -> str | None:
        """Say what went wrong with that through which this was read to its end; None: nothing."""
        return self._bridge.problem() if self._bridge else None

    def close(self) -> None:
        """Let go of that through which this is read."""
        if self._bridge:
            self._bridge.close()
            self._bridge = None

    def _source(self) -> tuple[Any, Bridge | None]:
        """Return what the core reads, and the same if it must be closed afterwards."""
        path = self.file if isinstance(self.file, str) else None
        bridge: Bridge | None = None
        if path and path_kinds.is_url(path):
            from classifier.sources.remote import RemoteFile

            bridge = RemoteFile(path)
        elif path and self._needs_bridge(path):
            bridge = LocalFile(path)
        elif isinstance(self.file, Bridge):
            bridge = self.file
        if self.via:
            bridge = _bridge(self.via, self.name, bridge or self.file)
        return bridge or self.file, bridge

    def _needs_bridge(self, path: str) -> bool:
        """Return whether the core can't open a path itself."""
        return self.waits or not _is_text(path) or path_kinds.is_url(path) or path_kinds.is_archive(path)


def _bridge(via: Via, name: str, file: Any) -> Bridge:
    if isinstance(file, Bridge) and not isinstance(file, LocalFile):
        message = f"--via {via} reads files and pipes; fetch or unpack it first"
        raise CaptureError(name, message, status=ExitStatus.NO_INPUT)
    if via == "tshark":
        from classifier.sources.tshark import TsharkFile

        return TsharkFile(name, file)
    from classifier.sources.scapy import ScapyFile

    return ScapyFile(name, file)


def _is_text(path: str) -> bool:
    """Whether the core can open it by its name."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def problem(name: str, described: tuple[str, int, str, str | None]) -> CaptureError:
    """Turn what the core says of an input into an exception."""
    kind, offset, message, remedy = described
    status = _STATUS.get(kind, ExitStatus.NOT_A_CAPTURE)
    return CaptureError(
        name, message, offset=offset or None, status=status, remedy=Remedy[remedy.upper()] if remedy else None
    )


def not_there(name: str, error: OSError) -> CaptureError:
    """Say why a file can't be opened, and what to try."""
    hints = {
        FileNotFoundError: "no such file; check the path",
        PermissionError: "no permission to read it; ask its owner, or read it as another user through '-'",
    }
    message = hints.get(type(error), error.strerror or str(error))
    return CaptureError(name, message, status=ExitStatus.NO_INPUT)
