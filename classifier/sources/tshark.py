"""Captures as tshark reads them: every file format that Wireshark knows."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from typing import IO, BinaryIO

from classifier.errors import CaptureError, ExitStatus

HOW_TO_INSTALL = "apt install tshark, dnf install wireshark-cli, brew install wireshark"
INSTALL = f"--via tshark needs tshark, which isn't installed: {HOW_TO_INSTALL}"
#: What tshark tells root, whatever it does.
_NOISE = "Running as user"


class TsharkFile:
    """A binary file with tshark's conversion of a capture to pcapng.

    tshark runs beside, in a process group of its own, so that Ctrl-C reaches only this program; `close`
    ends it.
    """

    def __init__(self, name: str, source: str | BinaryIO) -> None:
        """Start tshark; CaptureError if there is none."""
        program = shutil.which("tshark")
        if program is None:
            raise CaptureError(name, INSTALL, status=ExitStatus.NOT_INSTALLED)
        if not isinstance(source, str):
            try:
                source.fileno()
            except OSError:
                message = "tshark reads files and pipes, and this is neither; give a path"
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
        """Return what tshark has written, `size` bytes at most; nothing at its end."""
        return self._output.read(size)

    def problem(self) -> str | None:
        """Say why tshark failed, in its own words, once all is read; None where it didn't."""
        if not self._process.wait():
            return None
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        told = " ".join(line.strip() for line in lines if line.strip() and not line.startswith(_NOISE))
        return told if told.startswith("tshark: ") else f"tshark: {told or 'failed without a word'}"

    def close(self) -> None:
        """End tshark, if it still runs."""
        self._process.kill()
        self._process.wait()
        self._output.close()
        self._said.close()
