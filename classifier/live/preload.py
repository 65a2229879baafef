"""Import ahead of time what is otherwise imported on first use.

Started as root, the program drops privileges to a user who may not be able to read its installation.
"""

from __future__ import annotations

import importlib
import io
import pkgutil
import struct

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
    *("classifier.reports.summary", "classifier.reports.text.terminal"),
    *("classifier.live.output.table_view", "classifier.live.output.jsonl_events"),
    *("traceback", "tempfile", "random", "json", "ipaddress", "concurrent.futures.thread"),
)


#: Packages that the screen imports on first use.
_PACKAGES = (
    *("textual", "textual.css", "textual.document", "textual.drivers", "textual.layouts"),
    *("textual.renderables", "textual.widgets", "rich"),
)
#: A pcap file of one empty UDP datagram over IPv4, from 192.0.2.1:40000 to 192.0.2.2:53.
_DATAGRAM = bytes.fromhex("4500001c00000000401100000c000201c00002029c40003500080000")
_CAPTURE = (
    struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    + struct.pack("<IIII", 0, 0, len(_DATAGRAM), len(_DATAGRAM))
    + _DATAGRAM
)


def load(screen: bool, recording: bool, page: bool) -> None:
    """Import what a live capture may need, and run every stage once, so that it reads its rules."""
    from rich.cells import cell_len

    from classifier.reading import read
    from classifier.reports.summary import summary

    for name in _ALWAYS:
        importlib.import_module(name)
    cell_len("…")  # rich imports its width tables at the first character that isn't ASCII
    traffic = read(io.BytesIO(_CAPTURE))
    summary(traffic)
    if page:
        from classifier.reports.report import Report

        Report(traffic).to_html()
    if recording:
        importlib.import_module("classifier.live.output.recorder")
    if screen:
        importlib.import_module("classifier.live.output.screen.app")
        for package in _PACKAGES:
            _load_all(package)


def _load_all(package: str) -> None:
    """Import the modules of a package, one level deep, except those with missing dependencies."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        try:
            importlib.import_module(module.name)
        except (ImportError, SystemExit):
            continue
