"""Read captures through tshark, with all of Wireshark's file formats."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from typing import IO, BinaryIO

from classifier.errors import CaptureError, ExitStatus

HOW_TO_INSTALL = "apt install tshark, dnf install wireshark-cli, brew install wireshark"
INSTALL = f"--via tshark needs tshark, which is not installed; install it: {HOW_TO_INSTALL}"
#: A warning that tshark always prints to root.
_NOISE = "Running as user"


class TsharkFile:
    """A binary file with tshark's conversion of a capture to pcapng.

    tshark runs in its own process group, so that Ctrl-C reaches only this program; `close` terminates it.
    CaptureError: tshark is not installed.
    """

    def __init__(self, name: str, source: str | BinaryIO) -> None:
        program = shutil.which("tshark")
        if program is None:
            raise CaptureError(name, INSTALL, status=ExitStatus.NOT_INSTALLED)
        if not isinstance(source, str):
            try:
                source.fileno()
            except OSError:
                message = "tshark reads only files and pipes; give a path"
                raise CaptureError(name, message, status=ExitStatus.NO_INPUT) from None
        self._said: IO[bytes] = tempfile.TemporaryFile()
        path = source if isinstance(source, str) else "-"
        self._process = subprocess.Popen(
            [program, "-n", "-r", path, "-w", "-", "-F", "pcapng"],
            stdin=subprocess.DEVNULL if isinstance(source, str) else source,
            stdout=subprocess.PIPE,
            stderr=self._said,
            bufsize=0,
            process_group=0,
        )
        assert self._process.stdout
        self._output = self._process.stdout

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of tshark's output; none at its end."""
        return self._output.read(size)

    def problem(self) -> str | None:
        """Return tshark's error message, once everything is read; None where it succeeded."""
        if not self._process.wait():
            return None
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        text = " ".join(line.strip() for line in lines if line.strip() and not line.startswith(_NOISE))
        return text if text.startswith("tshark: ") else f"tshark: {text or 'failed without a message'}"

    def close(self) -> None:
        """Terminate tshark, if it still runs."""
        self._process.kill()
        self._process.wait()
        self._output.close()
        self._said.close()
