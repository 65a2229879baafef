"""Runs the program for the documentation: in this process, on a terminal that isn't there."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

REPOSITORY = Path(__file__).resolve().parent.parent
#: What examples look like depends on this, and on nothing that the reader of this file has set.
ENVIRONMENT = {
    "COLUMNS": "100",
    "LINES": "50",
    "TERM": "dumb",  # no colours
    "LC_ALL": "C.UTF-8",
    "CLASSIFIER_RULES": "",
}


class Terminal(io.TextIOWrapper):
    """A file that claims to be a terminal."""

    def isatty(self) -> bool:
        """Claim to be one."""
        return True


@contextmanager
def settings() -> Iterator[None]:
    """Set the environment that examples run in."""
    telltale = [
        name for name in os.environ if name.startswith(("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "TTY_"))
    ]
    with mock.patch.dict(os.environ, ENVIRONMENT):
        for name in telltale:
            del os.environ[name]
        yield


@contextmanager
def output() -> Iterator[io.BytesIO]:
    """Send standard output, a terminal, and standard error, which is none, to one place."""
    written = io.BytesIO()
    terminal = Terminal(written, encoding="utf-8", write_through=True)
    talk = io.TextIOWrapper(written, encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(terminal), contextlib.redirect_stderr(talk):
        yield written
    terminal.detach()
    talk.detach()


def run(command: str, folder: Path) -> tuple[str, int]:
    """Run one line of shell in a folder; return what it prints, and its exit status.

    `classifier` alone runs in this process, which saves a second; what has pipes goes to bash.
    """
    with settings(), contextlib.chdir(folder):
        if not command.startswith("classifier ") or set(command) & set("|>&;$"):
            return _bash(command)
        with mock.patch.object(sys, "argv", shlex.split(command)), output() as written:
            from classifier.cli import main

            try:
                main()
            except SystemExit as end:
                return written.getvalue().decode(), int(end.code or 0)
        raise AssertionError("main() always exits")


def _bash(command: str) -> tuple[str, int]:
    """Run it with the program of this environment in reach."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    return done.stdout.decode(), done.returncode
