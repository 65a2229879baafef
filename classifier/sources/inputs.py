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
#: The program that reads a capture; None is the core.
Via = Literal["scapy", "tshark"]

_STATUS = {"cut": ExitStatus.PARTIAL, "damaged": ExitStatus.PARTIAL, "io": ExitStatus.NO_INPUT}


@runtime_checkable
class Bridge(Protocol):
    """A binary file of what the core can't open: another program's output, a URL, an archive member."""

    def read(self, size: int) -> bytes | None:
        """Return up to `size` bytes."""

    def problem(self) -> str | None:
        """Return the error that ended it, once everything is read."""

    def close(self) -> None:
        """Release it."""


class LocalFile(io.FileIO):
    """A file, pipe or device opened by Python: where its name isn't UTF-8, or where reading may block.

    Ctrl-C interrupts Python's blocking reads.
    """

    def problem(self) -> None:
        """Return None: errors are raised."""


@dataclass(slots=True)
class Input:
    """One file, URL or stream to meter; plain data, unless it is an open file."""

    name: str
    #: A path, a URL, an open binary file, or a member of an archive.
    file: str | BinaryIO | Bridge
    #: Size of the (compressed) file for the progress bar; None if unknown.
    size_bytes: int | None
    via: Via | None = None
    #: Reading may block, as with a pipe; only the main thread can be interrupted then.
    waits: bool = False
    #: Offset of an archive member in its archive.
    begins_at: int | None = None
    #: Its file is open; a pipe has a writer.
    is_open: bool = False
    _bridge: Bridge | None = None
    #: The reader that `start` started.
    _reader: _meter.Reader | None = None

    def start(self, options: MeterOptions, signatures: _meter.Signatures) -> None:
        """Start metering before `open`, if the core opens the file itself; errors are raised by `open`."""
        if isinstance(self.file, str) and not self.via and not self._needs_bridge(self.file):
            with suppress(_meter.MeterError, OSError):
                self._reader = _meter.read(self.file, signatures, options)
                self.is_open = True

    def open(self, options: MeterOptions, signatures: _meter.Signatures) -> _meter.Reader:
        """Start metering. CaptureError: it can't be read. `close` must follow."""
        if self._reader:
            reader, self._reader = self._reader, None
            return reader
        try:
            source, self._bridge = self._source()
            self.is_open = True
            return _meter.read(source, signatures, options)
        except _meter.MeterError as error:
            trouble = self.trouble()
            self.close()
            raise CaptureError(self.name, trouble) if trouble else problem(self.name, error.args) from None
        except OSError as error:
            if not isinstance(self.file, str):
                raise  # an exception of the caller's own file object
            raise not_there(self.name, error) from error

    def trouble(self) -> str | None:
        """Return the error of the bridge that this was read through, if any."""
        return self._bridge.problem() if self._bridge else None

    def close(self) -> None:
        """Close the bridge that this is read through."""
        if self._bridge:
            self._bridge.close()
            self._bridge = None

    def _source(self) -> tuple[Any, Bridge | None]:
        """Return what the core reads, and the bridge to close afterwards, if any."""
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
        message = f"--via {via} reads only files and pipes; download or extract it first"
        raise CaptureError(name, message, status=ExitStatus.NO_INPUT)
    if via == "tshark":
        from classifier.sources.tshark import TsharkFile

        return TsharkFile(name, file)
    from classifier.sources.scapy import ScapyFile

    return ScapyFile(name, file)


def _is_text(path: str) -> bool:
    """Return whether the core can open the path by its name."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def problem(name: str, described: tuple[str, int, str, str | None]) -> CaptureError:
    """Return the exception for a problem that the core reported."""
    kind, offset, message, remedy = described
    status = _STATUS.get(kind, ExitStatus.NOT_A_CAPTURE)
    return CaptureError(
        name, message, offset=offset or None, status=status, remedy=Remedy[remedy.upper()] if remedy else None
    )


def not_there(name: str, error: OSError) -> CaptureError:
    """Return the error for a file that can't be opened, with the remedy."""
    hints = {
        FileNotFoundError: "no such file; check the path",
        PermissionError: "no permission to read; ask its owner, or pipe it in as another user through '-'",
    }
    message = hints.get(type(error), error.strerror or str(error))
    return CaptureError(name, message, status=ExitStatus.NO_INPUT)
