"""What the commands share: their options, reading with a progress bar, and the last words."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from classifier.errors import CaptureError, ExitStatus

if TYPE_CHECKING:
    from rich.progress import TaskID

    from classifier.sources import Input
    from classifier.traffic import Traffic

Command = TypeVar("Command", bound=Callable[..., Any])
#: Work that is over sooner shows no progress bar.
PATIENCE_S = 1.0


def reading(command: Command) -> Command:
    """Add the arguments and options of a command that reads captures."""
    for add in (
        click.option(
            "--udp-idle",
            default=120.0,
            show_default=True,
            metavar="SECONDS",
            type=click.FloatRange(min=0),
            help="A UDP flow ends when it has been silent for so long.",
        ),
        click.option(
            "--tcp-idle",
            default=300.0,
            show_default=True,
            metavar="SECONDS",
            type=click.FloatRange(min=0),
            help="A TCP flow ends when it has been silent for so long.",
        ),
        click.argument("paths", nargs=-1, required=True, metavar="PATH…"),
    ):
        command = add(command)
    return command


def top_option(default: int | None, help: str) -> Callable[[Command], Command]:
    """Add `--top`."""
    return click.option(
        "--top", type=click.IntRange(min=1), default=default, show_default=True, metavar="N", help=help
    )


def format_option(*formats: str) -> Callable[[Command], Command]:
    """Add `--format`."""
    return click.option("--format", type=click.Choice(formats), default=None, help=f"Default: {formats[0]}.")


def read(paths: tuple[str, ...], tcp_idle: float, udp_idle: float) -> Traffic:
    """Read captures with a progress bar; Ctrl-C keeps what was read so far."""
    from classifier.pipeline import read

    with _progress() as progress:
        return read(paths, tcp_idle_s=tcp_idle, udp_idle_s=udp_idle, progress=progress, keep_interrupted=True)


def finish(traffic: Traffic) -> ExitStatus:
    """Say on standard error what went wrong, and return how to exit."""
    from classifier.reports.summary import nothing_decoded
    from classifier.reports.terminal import clean

    for problem in traffic.problems:
        click.echo(clean(f"classifier: {problem}"), err=True)
    if reason := nothing_decoded(traffic):
        click.echo(f"classifier: {reason}", err=True)
    elif not traffic.metered.packets and not traffic.problems:
        click.echo("classifier: the capture has no packets", err=True)
    if traffic.metered.interrupted:
        click.echo("classifier: interrupted; this is what was read so far", err=True)
    return traffic.status


@contextmanager
def output(path: str | None) -> Iterator[IO[bytes]]:
    """Open the output: standard output, or a file that appears when it is complete."""
    if path is None or path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = f"{path}.part"
    try:
        with open(part, "wb") as file:
            yield file
        os.replace(part, path)
    except OSError as error:
        raise CaptureError(path, f"can't be written: {error.strerror}", status=ExitStatus.FAILURE) from error
    finally:
        if os.path.exists(part):
            os.remove(part)


@contextmanager
def _progress() -> Iterator[Callable[[Input, int, int], None] | None]:
    """Show a bar on standard error if that is a terminal and the work takes a while."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    begin = time.monotonic()
    tasks: dict[str, TaskID] = {}

    def advance(capture: Input, bytes_read: int, packets: int) -> None:
        elapsed = time.monotonic() - begin
        if elapsed < PATIENCE_S:
            return
        if capture.name not in tasks:
            for task in tasks.values():
                bar.remove_task(task)
            tasks.clear()
            bar.start()
            tasks[capture.name] = bar.add_task(
                os.path.basename(capture.name), total=capture.size_bytes, rate=""
            )
        bar.update(tasks[capture.name], completed=bytes_read, rate=f"{packets / elapsed:,.0f} packets/s")

    try:
        yield advance
    finally:
        bar.stop()
