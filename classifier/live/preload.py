"""Imports ahead of time what is otherwise imported when first used.

Started as root, the program becomes a user who may not be allowed to read the folder it is installed in.
"""

from __future__ import annotations

import importlib
import pkgutil

_ALWAYS = (
    *(
        "pyarrow.compute",
        "pyarrow.csv",
        "pyarrow.ipc",
        "numpy.ma",
        "rich.live",
        "rich.table",
        "rich.traceback",
    ),
    *("encodings.idna", "encodings.utf_8", "encodings.ascii", "encodings.latin_1"),
    *("classifier.reports.summary", "classifier.live.plain", "classifier.live.lines"),
    *("traceback", "tempfile", "random", "json", "ipaddress", "concurrent.futures.thread"),
)


def load(screen: bool, recording: bool) -> None:
    """Import what a live capture may need."""
    for name in _ALWAYS:
        importlib.import_module(name)
    if recording:
        importlib.import_module("classifier.live.recorder")
    if screen:
        importlib.import_module("classifier.live.screen.app")
        for package in ("textual", "textual.widgets", "textual.css", "textual.renderables", "rich"):
            _load_all(package)


def _load_all(package: str) -> None:
    """Import the modules of a package, one level deep, but for those whose own needs are not there."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        try:
            importlib.import_module(module.name)
        except (ImportError, SystemExit):
            continue
