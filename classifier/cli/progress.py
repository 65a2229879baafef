"""The progress bar."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

    from classifier.metering.files import Progress, ProgressCallback

#: Seconds before a bar appears; imports included.
PATIENCE_S = 2.0


@contextmanager
def of_reading() -> Iterator[ProgressCallback | None]:
    """Show how much of all captures has been read, and yield the function to call with the progress."""
    begin = time.monotonic()
    with bar(of_bytes=True) as advance:
        if advance is None:
            yield None
            return

        def read_so_far(so_far: Progress) -> None:
            place = f"{so_far.inputs_done + 1:,} of {so_far.inputs:,}: " if so_far.inputs > 1 else ""
            rate = so_far.packets / max(time.monotonic() - begin, 1e-9)
            name = place + os.path.basename(so_far.name)
            advance(name, so_far.bytes_read, so_far.size_bytes, f"{rate:,.0f} packets/s")

        yield read_so_far


@contextmanager
def bar(*, of_bytes: bool) -> Iterator[Callable[[str, int, int | None, str], None] | None]:
    """Show a bar on standard error if that is a terminal and the work takes a while.

    Yields the function that updates it: `(what, done, total, remark)`; None without a terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as rich
    from rich.console import Console

    from classifier.reports.text.tables import clean

    shown = rich.Progress(
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(),
        rich.DownloadColumn() if of_bytes else rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[remark]}"),
        rich.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    begin = time.monotonic()
    task: TaskID | None = None

    def advance(name: str, done: int, total: int | None, remark: str) -> None:
        nonlocal task
        if time.monotonic() - begin < PATIENCE_S:
            return
        if task is None:
            shown.start()
            task = shown.add_task("", remark="")
        shown.update(task, description=clean(name), completed=done, total=total, remark=remark)

    try:
        yield advance
    finally:
        shown.stop()
