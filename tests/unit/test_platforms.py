"""The program works where Python has no Unix modules, as on Windows."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.places import SAMPLES

OFFICE = str(SAMPLES / "office.pcapng")

HIDE = """
import sys
sys.modules.update(dict.fromkeys(("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")))
"""


@pytest.mark.parametrize(
    "arguments",
    [["interfaces"], ["report", OFFICE], ["live", "-", "--format", "jsonl"]],
)
def test_commands_need_no_unix_module(arguments: list[str]) -> None:
    code = f"""{HIDE}
from unittest import mock
from classifier.live import interfaces, privileges
with mock.patch.object(interfaces, "LINUX", False), mock.patch.object(privileges, "is_root", lambda: False):
    sys.argv = ["classifier", *{arguments!r}]
    from classifier.cli import main
    main()
"""
    with open(SAMPLES / "handshakes.pcap", "rb") as capture:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code], stdin=capture, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout
