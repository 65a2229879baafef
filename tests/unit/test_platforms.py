"""The program works where Python has no Unix modules, as on Windows."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.places import SAMPLES

HIDE = """
import sys
sys.modules.update(dict.fromkeys(("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")))
"""
EVERY_MODULE = """
import importlib, pkgutil, classifier
for module in pkgutil.walk_packages(classifier.__path__, "classifier."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
COMMAND = """
from unittest import mock
from classifier.cli import main
from classifier.live.capture import interfaces
from classifier.live.capture import privileges
with mock.patch.object(interfaces, "LINUX", False), mock.patch.object(privileges, "is_root", lambda: False):
    main()
"""


def run(code: str, *arguments: str) -> str:
    command = [sys.executable, "-P", "-c", HIDE + code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_module_needs_those_of_unix() -> None:
    pytest.importorskip("textual", reason="needs the extra `live`")
    run(EVERY_MODULE)


@pytest.mark.parametrize("arguments", [["interfaces"], ["report", str(SAMPLES / "office.pcapng")]])
def test_commands_need_none_of_unix(arguments: list[str]) -> None:
    assert run(COMMAND, *arguments)
