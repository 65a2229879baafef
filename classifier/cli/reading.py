"""Read captures: the options of all commands that do, and the progress bar."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from classifier.cli import common, progress
from classifier.cli.option_groups import described, options
from classifier.cli.quantities import MOST_FLOWS, MOST_SECONDS, size
from classifier.errors import NO_ROOM, ClassifierError, NotWrittenError
from classifier.metering.budget import LEAST_MEMORY_BYTES, least_memory

if TYPE_CHECKING:
    from classifier.result import Traffic
    from classifier.sources.inputs import Via

Command = TypeVar("Command", bound=Callable[..., Any])
#: Upper limit of `--jobs`; beyond any machine's cores.
_MOST_JOBS = 4096


def _seconds(text: str) -> float:
    """Parse a number of seconds; `nan` isn't one."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= MOST_SECONDS:
        raise click.BadParameter(f"{text!r} is not a number of seconds from 0 to {MOST_SECONDS:,}")
    return seconds


def _memory(text: str) -> int:
    """Parse a memory budget, and check it against the minimum."""
    found = size(text)
    if found < LEAST_MEMORY_BYTES:
        raise click.BadParameter(f"{text!r} is too small; the minimum is {LEAST_MEMORY_BYTES // 10**6}M")
    return found


#: Options of a command that reads captures, without the paths.
reading_options = options(
    "Reading",
    described(
        "--no-decapsulate",
        is_flag=True,
        help="Report outer flows; do not decapsulate tunnels (GRE, VXLAN, …).",
    ),
    described(
        "--max-flows",
        default=150_000,
        show_default=True,
        metavar="N",
        type=click.IntRange(1, MOST_FLOWS),
        help="Maximum flows held in memory; beyond this the longest-idle flows are evicted and merged later.",
    ),
    described(
        "--memory",
        default="512M",
        show_default=True,
        metavar="SIZE",
        type=_memory,
        help="Memory budget; excess spills to temporary files. At least 256M; more if --max-flows is raised.",
    ),
    described(
        "--directory",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="Use servers confirmed in earlier captures, and add this one's; a Parquet file.",
    ),
    described(
        "--tcp-idle",
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        type=_seconds,
        help="TCP idle timeout; a connection whose sequence numbers continue later is still one flow.",
    ),
    described(
        "--udp-idle",
        default=120.0,
        show_default=True,
        metavar="SECONDS",
        type=_seconds,
        help="UDP idle timeout.",
    ),
    described("--dedup", is_flag=True, help="Ignore duplicate packets from a mirror (SPAN) port."),
    described("--verify-checksums", is_flag=True, help="Count bad IPv4, TCP and UDP checksums."),
    described(
        "--via",
        type=click.Choice(["tshark", "scapy"]),
        default=None,
        help="Read through tshark (all of Wireshark's file formats) or scapy (more link types).",
    ),
    described(
        "--jobs",
        type=click.IntRange(1, _MOST_JOBS),
        default=None,
        metavar="N",
        help="Inputs to read in parallel, and threads within one.  [default: one per core]",
    ),
    described(
        "--scheduler",
        metavar="ADDRESS",
        help="Read on the Dask cluster at tcp://HOST:8786. Needs the extra cluster.",
    ),
    common.rules_described,
)


def reading(command: Command) -> Command:
    """Add the arguments and options of a command that reads captures."""
    return click.argument("paths", nargs=-1, required=True, metavar="PATH…")(reading_options(command))


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
    from classifier.reading import read

    if memory < (least := least_memory(max_flows)):
        raise click.UsageError(
            f"--memory is too small for --max-flows {max_flows}; the minimum is {-(-least // 10**6)}M"
        )
    try:
        with common.without_pandas(), progress.of_reading() as tell:
            traffic = read(
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
                progress=tell,
                keep_interrupted=True,
            )
        gc.freeze()  # the rules are 120,000 objects that stay: they needn't be looked through
        return traffic
    except OSError as error:  # from a pipe, a device, or a temporary file
        where = f"{error.filename}: " if error.filename else ""
        kind = NotWrittenError if error.errno in NO_ROOM else ClassifierError
        raise kind(f"reading failed: {where}{error.strerror or error}") from error
