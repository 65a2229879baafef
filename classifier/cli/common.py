"""What the commands share: their options, reading with a progress bar, and the last words."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from classifier.cli.quantities import MOST_FLOWS, MOST_SECONDS, size
from classifier.cli.sections import Described, described, options
from classifier.errors import NO_ROOM, ClassifierError, ExitStatus, NotWrittenError

if TYPE_CHECKING:
    from rich.progress import TaskID

    from classifier.metering import Progress, Tell
    from classifier.sources import Via
    from classifier.traffic import Traffic

Command = TypeVar("Command", bound=Callable[..., Any])
#: Work that is over sooner shows no progress bar.
PATIENCE_S = 1.0
#: More at a time than any machine has cores.
_MOST_JOBS = 4096


_rules = described("--rules", metavar="FILE", help="Your own rules of ports; see classifier rules --help.")
rules_option = _rules("Options")


def reading(command: Command) -> Command:
    """Add the arguments and options of a command that reads captures."""
    return click.argument("paths", nargs=-1, required=True, metavar="PATH…")(reading_options(command))


def reading_options(command: Command) -> Command:
    """Add the options of a command that reads captures, without their names."""
    return options(
        "Reading",
        described(
            "--no-decapsulate",
            is_flag=True,
            help="Don't look into tunnels (GRE, VXLAN …): report the outer flows.",
        ),
        described(
            "--max-flows",
            default=250_000,
            show_default=True,
            metavar="N",
            type=click.IntRange(1, MOST_FLOWS),
            help="Keep at most so many flows in memory; past that, idle ones end early and are joined again.",
        ),
        described(
            "--memory",
            default="512M",
            show_default=True,
            metavar="SIZE",
            type=size,
            help="Use about so much memory; what flows and sums need beyond goes to temporary files.",
        ),
        described(
            "--directory",
            metavar="FILE",
            type=click.Path(dir_okay=False),
            help="Use the servers that earlier captures proved, and add this one's; a Parquet file.",
        ),
        described(
            "--tcp-idle",
            default=300.0,
            show_default=True,
            metavar="SECONDS",
            type=_seconds,
            help="A TCP flow ends when it has been silent for so long.",
        ),
        described(
            "--udp-idle",
            default=120.0,
            show_default=True,
            metavar="SECONDS",
            type=_seconds,
            help="A UDP flow ends when it has been silent for so long.",
        ),
        described(
            "--dedup", is_flag=True, help="Leave out the copies that a mirror (SPAN) port makes of packets."
        ),
        described(
            "--verify-checksums", is_flag=True, help="Count wrong checksums of IPv4, TCP and UDP headers."
        ),
        described(
            "--via",
            type=click.Choice(["tshark", "scapy"]),
            default=None,
            help="Read with tshark (all of Wireshark's file formats) or scapy (more link types).",
        ),
        described(
            "--jobs",
            type=click.IntRange(1, _MOST_JOBS),
            default=None,
            metavar="N",
            help="Read so many inputs at a time.  [default: one on each core]",
        ),
        described(
            "--scheduler",
            metavar="ADDRESS",
            help="Read on the Dask cluster of tcp://HOST:8786. Needs the extra cluster.",
        ),
        _rules,
    )(command)


def _seconds(text: str) -> float:
    """Read an option that is a number of seconds; `nan` isn't."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= MOST_SECONDS:
        raise click.BadParameter(f"{text!r} is not a number of seconds from 0 to {MOST_SECONDS:,}")
    return seconds


def top_option(help: str) -> Described:
    """`--top`."""
    return described("--top", type=click.IntRange(min=1), default=None, metavar="N", help=help)


def format_option(*formats: str) -> Callable[[Command], Command]:
    """Add `--format`."""
    return click.option("--format", type=click.Choice(formats), default=None, help=f"Default: {formats[0]}.")


def read(
    paths: tuple[str, ...],
    tcp_idle: float,
    udp_idle: float,
    max_flows: int,
    memory: int,
    no_decapsulate: bool,
    dedup: bool,
    verify_checksums: bool,
    via: Via | None,
    rules: str | None,
    directory: str | None,
    jobs: int | None,
    scheduler: str | None,
    dns_names: bool = False,
) -> Traffic:
    """Read captures with a progress bar; Ctrl-C keeps what was read so far."""
    keep_pandas_out()
    from classifier.pipeline import read

    try:
        with _progress() as progress:
            return read(
                paths,
                tcp_idle_s=tcp_idle,
                udp_idle_s=udp_idle,
                max_flows=max_flows,
                memory_bytes=memory,
                decapsulate=not no_decapsulate,
                dedup=dedup,
                verify_checksums=verify_checksums,
                dns_names=dns_names,
                via=via,
                rules=rules,
                directory=directory,
                jobs=jobs,
                scheduler=scheduler,
                progress=progress,
                keep_interrupted=True,
            )
    except OSError as error:  # of a pipe or a device, or of a temporary file
        where = f"{error.filename}: " if error.filename else ""
        kind = NotWrittenError if error.errno in NO_ROOM else ClassifierError
        raise kind(f"reading failed: {where}{error.strerror or error}") from error


def complain(message: str) -> None:
    """Say on standard error what is wrong, in one line; names in it may hold anything."""
    from classifier.reports.tables import clean

    click.echo(clean(f"classifier: {message}"), err=True)


def finish(traffic: Traffic) -> ExitStatus:
    """Say on standard error what went wrong, and return how to exit."""
    from classifier.reports.summary import nothing_decoded
    from classifier.reports.tables import clean

    sys.stdout.flush()  # the report first, where both go to one place
    for problem in traffic.problems:
        click.echo(clean(f"classifier: {problem}"), err=True)
    if left_out := traffic.metered.dns_names_left_out:
        click.echo(f"classifier: {left_out:,} more DNS answers name addresses than are kept", err=True)
    if reason := nothing_decoded(traffic):
        click.echo(f"classifier: {reason}", err=True)
    elif not traffic.metered.packets and not traffic.problems and not traffic.metered.interrupted:
        click.echo("classifier: the capture has no packets", err=True)
    if traffic.metered.interrupted:
        click.echo("classifier: interrupted; this is what was read so far", err=True)
    for remark in traffic.remarks:
        click.echo(clean(f"classifier: {remark}"), err=True)
    return traffic.status


class _NoPandas:
    """A finder that hides pandas from the import system. `importlib.abc`, its base, is slow to import."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Refuse pandas, know nothing of the rest."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


def keep_pandas_out() -> None:
    """Stop pyarrow from importing pandas, half a second that no command needs.

    pyarrow does so at its first conversion, to see whether it was handed a DataFrame. It looks once;
    where pandas is really asked for, it looks again.
    """
    import pyarrow as pa

    hidden = _NoPandas()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(hidden)


@contextmanager
def _progress() -> Iterator[Tell | None]:
    """Show how much of all captures has been read."""
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

    Yields what moves it: called with what is being done, how much of all is done, how much there is, and a
    remark.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as rich
    from rich.console import Console

    from classifier.reports.tables import clean

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
