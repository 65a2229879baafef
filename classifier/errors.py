"""The exceptions that the program raises, and the exit statuses of its command line."""

from __future__ import annotations

import errno
from enum import Enum, IntEnum
from functools import partial
from typing import Any


class ExitStatus(IntEnum):
    """What the command line tells the shell. 2 is left to wrong usage."""

    OK = 0
    #: Something else failed, and the message says what; with a traceback it is a bug.
    FAILURE = 1
    USAGE = 2
    #: An input can't be opened: missing, a directory, no permission.
    NO_INPUT = 3
    #: An input is not a capture that this program reads.
    NOT_A_CAPTURE = 4
    #: An input is cut or damaged; what came before was reported.
    PARTIAL = 5
    #: Nothing in the input could be decoded.
    NOTHING_DECODED = 6
    #: The rule files contradict themselves.
    BAD_RULES = 7
    #: A service or a flow that was asked for isn't known.
    NOT_FOUND = 8
    #: `diff` found something that is new. That an input is damaged (5) or can't be decoded (6) goes first.
    NEWS = 9
    #: Something that was asked for isn't installed: an extra, or a program such as tshark.
    NOT_INSTALLED = 10
    #: A result or a temporary file can't be written: no such folder, no permission, no room.
    NOT_WRITTEN = 11
    #: Ended by Ctrl-C; what was read so far was reported.
    INTERRUPTED = 130


#: What the system says where nothing more can be written.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class ClassifierError(Exception):
    """Base of all exceptions that this package raises on purpose."""

    status = ExitStatus.FAILURE


class Remedy(Enum):
    """What to try with an input that isn't read here: as an argument of `read`, and as an option."""

    USE_TSHARK = 'pass via="tshark"', "add --via tshark"
    TRY_TSHARK = 'if Wireshark opens it, pass via="tshark"', "if Wireshark opens it, add --via tshark"

    @property
    def argument(self) -> str:
        """For users of Python."""
        return self.value[0]

    @property
    def option(self) -> str:
        """For users of the command line."""
        return self.value[1]


class CaptureError(ClassifierError):
    """An input can't be used at all, or (in `Traffic.problems`) only up to some point.

    `file` is the input's name, `offset` the byte of the (uncompressed) stream where the trouble
    begins, or None where there is no such place; `status` is the command line's exit status; `remedy` is
    what else to try.
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
        """Describe what is wrong with which file, where, and what to try."""
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
        """Say how another process makes the same."""
        again = partial(CaptureError, offset=self.offset, status=self.status, remedy=self.remedy)
        return again, (self.file, self.message)


class FlowError(ClassifierError):
    """No flow is meant by a text, or there is none like that."""

    status = ExitStatus.USAGE


class NoSuchFlowError(FlowError):
    """There is no flow like that."""

    status = ExitStatus.NOT_FOUND


class DirectoryError(ClassifierError):
    """A file is no server directory. The message names the file and the reason."""

    status = ExitStatus.NO_INPUT


class NotWrittenError(ClassifierError):
    """A result or a temporary file can't be written."""

    status = ExitStatus.NOT_WRITTEN


class RulesError(ClassifierError):
    """A rule file can't be used. The message names the file, the rule and the reason."""

    status = ExitStatus.BAD_RULES


class FilterError(ClassifierError):
    """A condition, a time or a network that chooses flows can't be read.

    `text` is what was written, and the trouble is from `start` to `end` in it.
    """

    status = ExitStatus.USAGE

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        """Say what is wrong, and where."""
        self.message = message
        self.text = text
        self.start = start
        self.end = end
        super().__init__(message)


class CaptureFilterError(ClassifierError):
    """A capture filter can't be compiled."""

    status = ExitStatus.USAGE


class MetricsError(ClassifierError):
    """The address for the metrics can't be used."""

    status = ExitStatus.USAGE


class UserError(ClassifierError):
    """Privileges can't be dropped to a user."""

    status = ExitStatus.USAGE


class NamesError(ClassifierError):
    """A hosts file can't be used. The message names the file, the line and the reason."""

    status = ExitStatus.NO_INPUT


class NotInstalledError(ClassifierError):
    """Something needs a program or packages that aren't here."""

    status = ExitStatus.NOT_INSTALLED


class MissingExtraError(NotInstalledError):
    """Something needs packages that an extra brings."""

    def __init__(self, purpose: str, extra: str) -> None:
        """Name what was wanted, and the extra."""
        super().__init__(missing_extra(purpose, extra))


def missing_extra(purpose: str, extra: str) -> str:
    """Return a sentence with the command that installs an extra.

    Where this program is installed, from a wheel or in place, pip adds only the packages of the extra.
    """
    return (
        f'{purpose} needs the extra "{extra}", which is not installed; '
        f"install it with: pip install 'pcap-classifier[{extra}]'"
    )


class IntervalError(ClassifierError):
    """No time bins can be of that width, or they are too narrow for the span of the capture."""

    status = ExitStatus.USAGE

    def __init__(self, interval_s: float, least_s: float) -> None:
        """Say which interval was asked for, and the least one that is possible."""
        trouble = "are too many" if interval_s > 0 else "can't be"
        super().__init__(f"bins of {interval_s:g} s {trouble}; choose {least_s:.3g} s or more")
