"""Output options (format, file, host names), shared by all commands with a table."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from classifier.cli.option_groups import described, options
from classifier.complete_file import complete_file
from classifier.errors import CaptureError, ExitStatus

if TYPE_CHECKING:
    from classifier.reports.hosts import Hosts

Command = TypeVar("Command", bound=Callable[..., Any])

_TABLE = "table"
#: Same as in `reports.tabular`, which needs pyarrow: too slow to import for `--help`. A test compares them.
FORMATS = ("json", "jsonl", "csv", "parquet", "arrow", "zeek", "zeek-json")


class OutputTarget(NamedTuple):
    """The output that the user asked for: a table on the terminal, or a format and a path."""

    format: str
    path: str | None

    @property
    def is_dataset(self) -> bool:
        """True for a folder of Parquet files."""
        return self.path is not None and self.path.endswith("/")

    @property
    def is_table(self) -> bool:
        """True for a table on the terminal."""
        return self.format == _TABLE


def writing(*more: Any, zeek: str | None, addresses: bool = True) -> Callable[[Command], Command]:
    """Add `--format`, `-o`, `--hosts`, `--dns-names` and a command's own options.

    `zeek` is the name of the Zeek log that the command can write; without `addresses` the two options that
    name addresses are left out.
    """
    formats = [name for name in FORMATS if zeek or not name.startswith("zeek")]
    remark = f" zeek writes {zeek}." if zeek else ""
    return options(
        "Output",
        described(
            "--format",
            type=click.Choice([_TABLE, *formats]),
            default=None,
            help=f"Default: {_TABLE}.{remark}",
        ),
        described("-o", "--output", metavar="FILE", help="Write to FILE; the extension chooses the format."),
        *more,
        *(_NAMING if addresses else ()),
    )


_NAMING = (
    described("--hosts", metavar="FILE", help="Resolve addresses from this hosts file; see hosts(5)."),
    described(
        "--dns-names",
        is_flag=True,
        help="Resolve addresses from DNS answers in the capture; no lookups are sent.",
    ),
)


def target(format: str | None, path: str | None, *, zeek: bool = True) -> OutputTarget:
    """Return the output that `--format` and `-o` ask for; UsageError where they don't fit."""
    if path is None:
        if format in ("parquet", "arrow") and sys.stdout.isatty():
            raise click.UsageError(f"{format.capitalize()} can't be written to a terminal; add -o FILE")
        return OutputTarget(format or _TABLE, None)
    if path.endswith("/") and format in (None, "parquet"):
        return OutputTarget("parquet", path)
    if format == _TABLE:
        raise click.UsageError("--format table is for the terminal; choose another --format for a file")
    if format is None:
        from classifier.reports.export.tabular import FORMATS as ENDINGS

        usable = {name: ends for name, ends in ENDINGS.items() if zeek or not name.startswith("zeek")}
        format = next((name for name, ends in usable.items() if path.lower().endswith(ends or "\0")), None)
        if format is None:
            raise click.UsageError(
                f"{path}: unknown extension; add --format {', '.join(list(usable)[:-1])} or "
                f"{list(usable)[-1]}"
            )
    return OutputTarget(format, path)


def names(path: str | None) -> Hosts | None:
    """Read `--hosts`."""
    if path is None:
        return None
    from classifier.reports.hosts import load

    return load(path)


@contextmanager
def opened(path: str | None, inputs: Sequence[str] = (), option: str = "-o") -> Iterator[IO[bytes]]:
    """Open the output: standard output, or a file that appears when it is complete.

    `inputs` are the paths that will be read; UsageError instead of replacing one. `option` is the option
    that gave `path`, for errors.
    """
    if path is None or path == "-":
        yield sys.stdout.buffer
        return
    _keep_inputs(path, inputs, option)
    if path.endswith("/") or "://" in path:
        raise click.UsageError(
            f"{path}: only `classifier flows` writes to a folder or URL (-o DIR/); give a file"
        )
    try:
        if _is_special(path):
            with open(path, "wb") as file:
                yield file
            return
        # Replace what a link points to, not the link.
        with complete_file(os.path.realpath(path)) as part, open(part, "xb") as file:
            yield file
    except OSError as error:
        raise _unwritable(path, error, option) from error


def _keep_inputs(path: str, inputs: Sequence[str], option: str) -> None:
    """Raise CaptureError if the output is one of the captures to read, by any path or link."""
    from classifier.sources import discovery, path_kinds

    here = [name for name in inputs if not path_kinds.is_url(name)]
    if not os.path.exists(path) or not here:
        return
    for found in discovery.find(here).inputs:
        there = found.file if isinstance(found.file, str) else found.file.fileno()  # type: ignore[union-attr]
        if os.path.samestat(os.stat(path), os.stat(there)) and not _is_special(path):
            message = f"is one of the captures to read; choose another place with {option}"
            raise CaptureError(path, message, status=ExitStatus.USAGE)


def folder(path: str, option: str) -> None:
    """Create the folder that an option names, with its parents, unless it exists."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error, option) from error


def _unwritable(path: str, error: OSError, option: str) -> CaptureError:
    message = f"can't be written ({error.strerror}); choose another place with {option}"
    return CaptureError(path, message, status=ExitStatus.NOT_WRITTEN)


def _is_special(path: str) -> bool:
    """Return whether the path is a pipe or a device, which can't be replaced."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return False
