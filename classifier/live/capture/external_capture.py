"""Capture by an external program: dumpcap or tcpdump as a child process, which pipes packets to the meter.

They have privileges of their own, so this program needs none, and capture where packet sockets don't exist.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from classifier import _meter
from classifier.errors import CaptureError, ExitStatus
from classifier.live.capture.capture_source import CaptureOptions, CaptureSource
from classifier.live.capture.interfaces import is_up
from classifier.live.capture.privileges import only_capture_as

#: Seconds before a child that ended is started again.
RETRY_S = 1.0
#: Seconds for reading what an ended child left in the pipe.
_DRAINED_S = 5.0
#: Seconds to wait for a child's last message, which arrives separately from its exit.
_LAST_WORDS_S = 0.05
_DROPPED = re.compile(r"(\d+) packets dropped by kernel|Packets received/dropped on interface .*: \d+/(\d+)")
#: Messages of the programs that aren't errors.
_CHATTER = re.compile(
    r"listening on|Capturing on|File: |packets? |Packets |verbose output|dropped privs|^$", re.IGNORECASE
)


def dumpcap(name: str, options: CaptureOptions) -> list[str]:
    """Return the command that pipes an interface's packets as pcapng."""
    command = ["dumpcap", "-q", "-i", name, "-w", "-", "-s", str(options.snap_bytes)]
    command += ["-B", str(max(1, options.buffer_bytes >> 20))]
    command += [] if options.promiscuous else ["-p"]
    return command + (["-f", options.filter] if options.filter else [])


def tcpdump(name: str, options: CaptureOptions) -> list[str]:
    """Return the command that pipes an interface's packets as pcap with nanosecond timestamps."""
    command = ["tcpdump", "-n", "-U", "-i", name, "-w", "-", "-s", str(options.snap_bytes)]
    command += ["--time-stamp-precision=nano", "-B", str(options.buffer_bytes >> 10)]
    command += [] if options.promiscuous else ["-p"]
    return command + (["--", options.filter] if options.filter else [])


COMMANDS: dict[str, Callable[[str, CaptureOptions], list[str]]] = {"dumpcap": dumpcap, "tcpdump": tcpdump}


class ExternalCapture(CaptureSource):
    """One interface, captured by a program, which is restarted when the interface comes back.

    The program is started by the constructor, before this process drops its privileges; it blocks on the
    pipe until `start`.
    """

    def __init__(self, name: str, program: str, options: CaptureOptions) -> None:
        super().__init__(name, options)
        self._program = program
        self._command = COMMANDS[program](name, options)
        self._lost_before = 0
        self._lost = 0
        self._said: list[str] = []
        self._left: list[_meter.Batch] = []
        self._tried_s = 0.0
        self._waiting = False
        self._over = False
        #: True once SIGUSR1 makes it report its counters; before that the signal would kill it.
        self._answers = False
        self._process = self._spawn()

    def start(self) -> None:
        """Start reading."""
        self._live = self._listen(again=False)

    def look_after(self) -> None:
        """Restart the program if it ended because the interface went down."""
        assert self._live is not None
        self.note_state(is_up(self.name))
        if sys.platform != "win32" and self._answers and self._process.poll() is None:
            with suppress(PermissionError):  # it may have switched to another user
                self._process.send_signal(signal.SIGUSR1)  # makes it report its counters
        if not self._live.ended or self._over:
            return
        away = is_up(self.name) is False
        if not self._waiting:
            self._waiting = True
            if not self.counters.packets and not away:
                time.sleep(_LAST_WORDS_S)
                self._over = True
                return
            self.news.append(f"{self.name}: {self._program} ended ({self._last_words()}); restarting it")
        if time.monotonic() - self._tried_s < RETRY_S or away:
            return
        self._lost_before, self._lost = self._lost_before + self._lost, 0
        self._process = self._spawn()
        time.sleep(_LAST_WORDS_S)
        if self._process.poll() is None:
            self._left += self.restart(self._listen(again=True))
            self.news.append(f"{self.name}: capturing again")
            self._waiting = False

    @property
    def ended(self) -> bool:
        """True only where the program could not start capturing."""
        return self._over

    @property
    def trouble(self) -> CaptureError | None:
        """The error that kept it from starting."""
        if not self._over:
            return None
        return CaptureError(self.name, f"{self._program}: {self._last_words()}", status=ExitStatus.NO_INPUT)

    @property
    def lost(self) -> int:
        """Packets that the program reports as dropped."""
        in_stream = self._in_session().dropped
        return self._lost_before + max(0, self._lost - in_stream)

    def window(self) -> tuple[list[_meter.Batch], _meter.Batch | None]:
        """Return the flows of this session, and the ones left active by the previous session."""
        ended, active = super().window()
        ended, self._left = [*self._left, *ended], []
        return ended, active

    def finish(self) -> Iterator[_meter.Batch]:
        """Terminate the program, read what it still had, and yield the flows that were still active."""
        self.close()
        patience_s = time.monotonic() + _DRAINED_S
        while self._live is not None and not self._live.ended and time.monotonic() < patience_s:
            time.sleep(0.01)
        yield from super().finish()

    def close(self) -> None:
        """Terminate the program."""
        with suppress(OSError):
            self._process.terminate()
            self._process.wait(5)

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._tried_s = time.monotonic()
        self._answers = False
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pipesize=1 << 20,  # more buffering, where the system allows it
                process_group=0,  # Ctrl-C reaches only this process, which then terminates the child
                preexec_fn=only_capture_as(self.options.user),
            )
        except FileNotFoundError:
            raise CaptureError(
                self.name,
                f"{self._program} is not installed; install it or choose another --engine",
                status=ExitStatus.NO_INPUT,
            ) from None
        threading.Thread(target=self._hear, args=(process,), daemon=True).start()
        return process

    def _listen(self, again: bool) -> _meter.Live:
        assert self._process.stdout is not None
        descriptor = os.dup(self._process.stdout.fileno())
        self._process.stdout.close()
        return _meter.live_stream(
            descriptor, self.options.signatures, self.options.meter, keep=self.options.keep_descriptor(again)
        )

    def _hear(self, process: subprocess.Popen[bytes]) -> None:
        """Read the program's messages, in a thread."""
        assert process.stderr is not None
        for line in process.stderr:
            text = line.decode(errors="replace").strip()
            if self._program == "tcpdump" and "listening on" in text:
                self._answers = True
            if dropped := _DROPPED.search(text):
                self._lost = int(dropped[1] or dropped[2])
            if not _CHATTER.search(text):
                self._said = [*self._said[-4:], text.removeprefix(f"{self._program}: ")]

    def _last_words(self) -> str:
        return self._said[-1] if self._said else f"exit status {self._process.poll()}"


def installed() -> list[str]:
    """Return the installed capture programs, the preferred one first."""
    return [program for program in COMMANDS if shutil.which(program)]


def has_rights(program: str) -> bool:
    """Return whether a program has its own privileges to capture (setuid or capabilities)."""
    path = shutil.which(program)
    if path is None:
        return False
    if os.stat(path).st_mode & 0o4000:
        return True
    if sys.platform != "linux":
        return False
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:  # no such attribute
        return False
