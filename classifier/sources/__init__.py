"""Where captures come from: files, standard input, open binary files, by other programs where we can't."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from classifier import _meter
from classifier.errors import CaptureError, ExitStatus

Source = str | os.PathLike[str] | BinaryIO
#: Who reads: None is the core itself.
Via = Literal["scapy", "tshark"]

_STATUS = {"cut": ExitStatus.PARTIAL, "damaged": ExitStatus.PARTIAL, "io": ExitStatus.NO_INPUT}


@dataclass(frozen=True, slots=True)
class Options:
    """How to meter; meanings as those of `pipeline.read`."""

    tcp_idle_ns: int
    udp_idle_ns: int
    most_flows: int
    decapsulate: bool
    dedup: bool
    verify_checksums: bool
    dns_names: bool


class Bridge(Protocol):
    """A binary file with what another program reads."""

    def read(self, size: int) -> bytes | None:
        """Return some bytes."""

    def problem(self) -> str | None:
        """Say what that program complained of, once all is read."""

    def close(self) -> None:
        """End that program."""


@dataclass(slots=True)
class Input:
    """One capture, ready to be metered."""

    name: str
    file: str | BinaryIO
    #: Size of the (compressed) file for a progress bar; None where it isn't known.
    size_bytes: int | None
    via: Via | None = None
    _bridge: Bridge | None = None

    def open(self, options: Options, signatures: _meter.Signatures) -> _meter.Reader:
        """Start metering; CaptureError says why that can't be done. `close` must follow."""
        if self.via:
            self._bridge = _bridge(self.via, self.name, self.file)
        try:
            return _meter.read(self._bridge or self.file, signatures, **asdict(options))  # type: ignore[arg-type]
        except _meter.MeterError as error:
            told = self.trouble()
            self.close()
            raise CaptureError(self.name, told) if told else problem(self.name, error.args) from None
        except OSError as error:
            if not isinstance(self.file, str):
                raise  # the caller's own file object, and its own exception
            raise _not_there(self.name, error) from error

    def trouble(self) -> str | None:
        """Say what the program complains of through which this was read to its end; None: nothing."""
        return self._bridge.problem() if self._bridge else None

    def close(self) -> None:
        """End the program through which this is read, if there is one."""
        if self._bridge:
            self._bridge.close()
            self._bridge = None


def _bridge(via: Via, name: str, file: str | BinaryIO) -> Bridge:
    if via == "tshark":
        from classifier.sources.tshark import TsharkFile

        return TsharkFile(name, file)
    from classifier.sources.scapy import ScapyFile

    return ScapyFile(name, file)


def problem(name: str, described: tuple[str, int, str]) -> CaptureError:
    """Turn what the core says of an input into an exception."""
    kind, offset, message = described
    status = _STATUS.get(kind, ExitStatus.NOT_A_CAPTURE)
    return CaptureError(name, message, offset=offset or None, status=status)


def inputs(source: Source | Iterable[Source], via: Via | None = None) -> list[Input]:
    """Find what `source` names; CaptureError if something of it isn't there."""
    sources: list[Source] = [source] if _is_one(source) else list(source)  # type: ignore[list-item, arg-type]
    if not sources:
        raise CaptureError("input", "no capture was named", status=ExitStatus.NO_INPUT)
    found = [_input(one) for one in sources]
    for one in found:
        one.via = via
    return found


def _is_one(source: Source | Iterable[Source]) -> bool:
    return isinstance(source, str | os.PathLike) or hasattr(source, "read")


def _input(source: Source) -> Input:
    if not isinstance(source, str | os.PathLike):
        return Input(str(getattr(source, "name", "stream")), source, None)
    path = os.fspath(source)
    # Names need not be text; what isn't UTF-8 in them is shown as \N{REPLACEMENT CHARACTER}.
    name = os.fsencode(path).decode(errors="replace")
    if name == "-":
        if sys.stdin is None or sys.stdin.isatty():
            found = "a terminal" if sys.stdin else "closed"
            raise CaptureError(
                "-",
                f"standard input is {found}; pipe a capture into it: tcpdump -w - | classifier report -",
                status=ExitStatus.NO_INPUT,
            )
        # Unbuffered: what a pipe has is read at once.
        return Input("standard input", sys.stdin.buffer.raw, None)  # type: ignore[union-attr]
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise CaptureError(
                name,
                f"is a directory; name the captures in it: {Path(name) / '*.pcap*'}",
                status=ExitStatus.NO_INPUT,
            )
        if stat.S_ISREG(status.st_mode):
            file = name if name == path else open(path, "rb", buffering=0)
            return Input(name, file, status.st_size)
        # Pipes and devices are read by Python, which lets Ctrl-C through while it waits.
        return Input(name, open(path, "rb", buffering=0), None)
    except OSError as error:
        raise _not_there(name, error) from error


def _not_there(name: str, error: OSError) -> CaptureError:
    hints = {
        FileNotFoundError: "no such file; check the path",
        PermissionError: "no permission to read it; ask its owner, or read it as another user through '-'",
    }
    message = hints.get(type(error), error.strerror or str(error))
    return CaptureError(name, message, status=ExitStatus.NO_INPUT)
