"""Starts the program as users do: in a process of its own, with pipes or on a terminal."""

from __future__ import annotations

import ctypes
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
OFFICE = SAMPLES / "office.pcapng"
HANDSHAKES = SAMPLES / "handshakes.pcap"

# -P: the installed package, whatever the working directory holds.
COMMAND = (sys.executable, "-P", "-m", "classifier")
#: Seconds after which a command counts as hanging; none takes more than a few.
PATIENCE_S = 120

#: What would change how output looks or is encoded.
_TELLTALE = (
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "TTY_",
    "CLICOLOR",
    "FORCE_COLOR",
    "PYTHONIOENCODING",
    "TERM",
    "LC_",
)


@dataclass(frozen=True)
class Result:
    """What a finished process leaves behind."""

    status: int
    output: bytes
    error: bytes

    @property
    def text(self) -> str:
        return self.output.decode()

    @property
    def complaint(self) -> str:
        return self.error.decode()


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_TELLTALE)}
    return kept | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"} | dict(more or {})


def run(
    *args: str | os.PathLike[str],
    stdin: bytes | int | IO[bytes] = b"",
    env: Mapping[str, str] | None = None,
    **how: Any,
) -> Result:
    """Run the command line to its end; all other arguments are those of Popen."""
    given: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": PATIENCE_S} | given | how
    done: subprocess.CompletedProcess[Any] = subprocess.run(
        [*COMMAND, *args], env=environment(env), check=False, **how
    )
    return Result(done.returncode, done.stdout or b"", done.stderr or b"")


def start(*args: str | os.PathLike[str], **how: Any) -> subprocess.Popen[bytes]:
    """Start the command line with pipes at all ends; Ctrl-C works even where tests run in the background."""
    defaults: dict[str, Any] = {
        **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE),
        "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    }
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [*COMMAND, *args], env=environment(), **(defaults | how)
    )
    return process


def finish(process: subprocess.Popen[bytes]) -> Result:
    """Wait for the end of a process, without closing its standard input before."""
    collected: dict[str, bytes] = {}

    def collect(name: str, file: IO[bytes] | None) -> None:
        collected[name] = file.read() if file else b""

    threads = [
        threading.Thread(target=collect, args=(name, file))
        for name, file in (("output", process.stdout), ("error", process.stderr))
    ]
    for thread in threads:
        thread.start()
    try:
        status = process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    finally:
        for thread in threads:
            thread.join()
        for file in (process.stdin, process.stdout, process.stderr):
            if file:
                file.close()
    return Result(status, collected["output"], collected["error"])


def wait_until_idle(process: subprocess.Popen[bytes], pipe: IO[bytes] | None = None) -> None:
    """Wait until a process has taken all that is in a pipe, and sleeps: it waits for more."""
    before, quiet = None, 0
    end = time.monotonic() + PATIENCE_S
    while quiet < 5 and time.monotonic() < end:
        unread = pipe and struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]
        state, *rest = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
        now = (state, rest[10:12])  # user and system time
        quiet = quiet + 1 if not unread and state == "S" and now == before else 0
        before = now
        time.sleep(0.05)


def on_terminal(
    *args: str | os.PathLike[str],
    width: int = 80,
    env: Mapping[str, str] | None = None,
    ends: tuple[str, ...] = ("stdout", "stderr"),
    **how: Any,
) -> Result:
    """Run the command line with some of its ends on one terminal, whose output is `output`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    others = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    how = others | {end: theirs for end in ends} | how
    command = [*COMMAND, *args]
    process: subprocess.Popen[Any] = subprocess.Popen(
        command, env=environment(env), start_new_session=True, **how
    )
    os.close(theirs)
    try:
        output = b"".join(_read_terminal(ours))
        _, error = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        os.close(ours)
    return Result(process.returncode, output.replace(b"\r\n", b"\n"), error or b"")


def _read_terminal(ours: int) -> Iterator[bytes]:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if select.select([ours], [], [], 1)[0]:
            try:
                data = os.read(ours, 1 << 16)
            except OSError:  # the last one at the other end has closed it
                return
            yield data


@contextmanager
def fifo(path: Path, write: Callable[[IO[bytes]], object]) -> Iterator[Path]:
    """A named pipe that a thread writes to."""
    os.mkfifo(path)

    def feed() -> None:
        try:
            with open(path, "wb", buffering=0) as file:
                write(file)
        except BrokenPipeError:
            pass

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield path
    finally:
        # If nobody has opened it, the thread still waits for a reader.
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        thread.join()


def drop_privilege() -> None:
    """For `preexec_fn`: root may read and write what nobody else may; not so the program started now."""
    libc = ctypes.CDLL(None)
    drop_from_bounding_set, dac_override, dac_read_search = 24, 1, 2
    for capability in (dac_override, dac_read_search):
        libc.prctl(drop_from_bounding_set, capability, 0, 0, 0)


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C."""
    process.send_signal(signal.SIGINT)
