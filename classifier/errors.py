"""The exceptions that the program raises, and the exit statuses of its command line."""

from __future__ import annotations

import errno
from enum import Enum, IntEnum
from functools import partial
from typing import Any


class ExitStatus(IntEnum):
    """Exit statuses of the command line; 2 is wrong usage."""

    OK = 0
    #: Another error, see the message; with a traceback, a bug.
    FAILURE = 1
    USAGE = 2
    #: An input can't be opened: missing, a directory, no permission.
    NO_INPUT = 3
    #: An input is not a supported capture.
    NOT_A_CAPTURE = 4
    #: An input is truncated or corrupt; everything before that was reported.
    PARTIAL = 5
    #: Nothing in the input could be decoded.
    NOTHING_DECODED = 6
    #: A rule file is invalid.
    BAD_RULES = 7
    #: Unknown service or flow.
    NOT_FOUND = 8
    #: `diff` found something new. Truncated (5) and undecodable (6) inputs take precedence.
    NEWS = 9
    #: An extra, or a program such as tshark, is not installed.
    NOT_INSTALLED = 10
    #: A result or a temporary file can't be written: no such folder, no permission, disk full.
    NOT_WRITTEN = 11
    #: Interrupted by Ctrl-C; everything read so far was reported.
    INTERRUPTED = 130


#: System errors for a full or read-only disk.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class ClassifierError(Exception):
    """Base of all exceptions of this package."""

    status = ExitStatus.FAILURE


class Remedy(Enum):
    """What to try with an unsupported input: as an argument of `read`, and as an option."""

    USE_TSHARK = 'pass via="tshark"', "add --via tshark"
    TRY_TSHARK = 'if Wireshark opens it, pass via="tshark"', "if Wireshark opens it, add --via tshark"

    @property
    def argument(self) -> str:
        """The text for users of Python."""
        return self.value[0]

    @property
    def option(self) -> str:
        """The text for users of the command line."""
        return self.value[1]


class CaptureError(ClassifierError):
    """An input can't be read at all, or (in `Traffic.problems`) only up to some point.

    `file` is the input's name, `offset` the byte of the (uncompressed) stream at which the error is,
    or None; `status` is the command line's exit status; `remedy` is what else to try.
    """

    def __init__(
        self,
        file: str,
        message: str,
        *,
        offset: int | None = None,
        status: ExitStatus = ExitStatus.NOT_A_CAPTURE,
        remedy: Remedy | None = None,
    ) -> None:
        """Build the message `FILE: byte OFFSET: MESSAGE; REMEDY`."""
        self.file = file
        self.message = message
        self.offset = offset
        self.status = status
        self.remedy = remedy
        super().__init__(self._text(remedy.argument if remedy else None))

    def for_command_line(self) -> str:
        """Return the message with its remedy as an option."""
        return self._text(self.remedy.option if self.remedy else None)

    def _text(self, remedy: str | None) -> str:
        place = f"{self.file}: byte {self.offset}" if self.offset else self.file
        return f"{place}: {self.message}" + (f"; {remedy}" if remedy else "")

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to rebuild it in another process."""
        again = partial(CaptureError, offset=self.offset, status=self.status, remedy=self.remedy)
        return again, (self.file, self.message)


class FlowError(ClassifierError):
    """A text doesn't identify a flow."""

    status = ExitStatus.USAGE


class NoSuchFlowError(FlowError):
    """No flow matches."""

    status = ExitStatus.NOT_FOUND


class DirectoryError(ClassifierError):
    """A file is not a server directory. The message has the file and the reason."""

    status = ExitStatus.NO_INPUT


class NotWrittenError(ClassifierError):
    """A result or a temporary file can't be written."""

    status = ExitStatus.NOT_WRITTEN


class RulesError(ClassifierError):
    """A rule file is invalid. The message has the file, the rule and the reason."""

    status = ExitStatus.BAD_RULES


class FilterError(ClassifierError):
    """A condition, a time or a network that filters flows is invalid.

    `text` is the input; the error is in it from `start` to `end`.
    """

    status = ExitStatus.USAGE

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        self.message = message
        self.text = text
        self.start = start
        self.end = end
        super().__init__(message)


class CaptureFilterError(ClassifierError):
    """A capture filter can't be compiled."""

    status = ExitStatus.USAGE


class MetricsError(ClassifierError):
    """Metrics can't be served at an address."""

    status = ExitStatus.USAGE


class UserError(ClassifierError):
    """Privileges can't be dropped to a user."""

    status = ExitStatus.USAGE


class NamesError(ClassifierError):
    """A hosts file is invalid. The message has the file, the line and the reason."""

    status = ExitStatus.NO_INPUT


class NotInstalledError(ClassifierError):
    """A required program or package is not installed."""

    status = ExitStatus.NOT_INSTALLED


class MissingExtraError(NotInstalledError):
    """A feature needs an extra that is not installed."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(missing_extra(purpose, extra))


def missing_extra(purpose: str, extra: str) -> str:
    """Return a message with the command that installs an extra."""
    return (
        f'{purpose} needs the extra "{extra}", which is not installed; '
        f"install it with: pip install 'pcap-classifier[{extra}]'"
    )


class IntervalError(ClassifierError):
    """The width of time bins is invalid, or too narrow for the span of the capture."""

    status = ExitStatus.USAGE

    def __init__(self, interval_s: float, least_s: float) -> None:
        trouble = "too many bins" if interval_s > 0 else "not an interval"
        super().__init__(f"{interval_s:g} s: {trouble}; choose {least_s:.3g} s or more")
