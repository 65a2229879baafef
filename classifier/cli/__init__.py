"""The command line: one command per file, grouped here.

Results go to standard output, messages to standard error; exit statuses are `ExitStatus`.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from classifier.cli.common import complain
from classifier.errors import NO_ROOM, CaptureError, ClassifierError, ExitStatus, FilterError

EXAMPLES = """
\b
Examples:
  classifier office.pcapng                      a report: services, servers, clients
  classifier report *.pcap.gz --top 10          many captures, one report
  tcpdump -w - | classifier report -            from a pipe
  classifier flows office.pcapng -o flows.parquet
  classifier servers office.pcapng --format csv
  classifier diff monday.pcap tuesday.pcap      services and servers new, gone, changed
  classifier live eth0                          the services on an interface, live
  classifier explain office.pcapng 10.77.0.101:123-10.77.0.123:123
  classifier verify office.pcapng               compare doubtful flows with Wireshark
  classifier ports 1494 limewire                what uses a port; which ports a service uses
"""


#: Command names; each is a function in the module of the same name.
COMMANDS = ("report", "flows", "servers", "diff", "live", "interfaces", "explain", "verify", "ports", "rules")


class Commands(click.Group):
    """Commands that are imported on use. `classifier PATH` means `classifier report PATH`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in alphabetical order, as click does."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"classifier.cli.{name}"), name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert `report` before an argument that isn't a command or an option of the group."""
        if args and args[0] not in COMMANDS and args[0] not in ("--help", "--version"):
            if args[0].isalpha() and not os.path.lexists(args[0]):
                from difflib import get_close_matches

                if near := get_close_matches(args[0], COMMANDS, 1):
                    ctx.fail(f"{args[0]}: no such command or file; did you mean {near[0]}?")
            args = ["report", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click itself would print an empty line on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise click.Abort from error


@click.group(cls=Commands, epilog=EXAMPLES, context_settings={"max_content_width": 100})
@click.version_option(package_name="pcap-classifier", prog_name="classifier")
def app() -> None:
    """Find the server side of every TCP and UDP conversation in a capture, name the service behind its
    port, and report the traffic per service, with the evidence for each.

    A handshake confirms the server. Without one the server is inferred from other evidence, with a
    confidence, or the flow is ambiguous.
    """


def main() -> NoReturn:
    """Run the command line and exit."""
    # pyarrow's own allocator returns less memory to the system: the peak is a quarter higher.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # OpenBLAS threads would spin; nothing here uses them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(200_000)  # scanning the 120,000 permanent rule objects costs a tenth of the time
    # A daemon may start us with stdout or stderr closed (None).
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal can write …
    try:
        status = app.main(standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        status = _wrong_usage(error)
    except FilterError as error:
        status = _trouble(str(error), error.status)
        _point(error)
    except CaptureError as error:
        status = _trouble(error.for_command_line(), error.status)
    except ClassifierError as error:
        status = _trouble(str(error), error.status)
    except (BrokenPipeError, SystemExit):
        # The reader closed the pipe (`| head`); click and rich turn that into SystemExit.
        _drop_output()
        status = ExitStatus.OK
    except OSError as error:
        _drop_output()
        where = error.filename or "can't continue"
        status = ExitStatus.NOT_WRITTEN if error.errno in NO_ROOM else ExitStatus.FAILURE
        status = _trouble(f"{where}: {error.strerror or error}", status)
    except (KeyboardInterrupt, click.Abort):
        status = _trouble("interrupted", ExitStatus.INTERRUPTED)
    sys.exit(status or ExitStatus.OK)


def _trouble(message: str, status: ExitStatus) -> ExitStatus:
    """Print a one-line error, and return the exit status."""
    complain(message)
    return status


def _point(error: FilterError) -> None:
    """Print the condition with a mark under the error."""
    from rich.cells import cell_len

    from classifier.reports.text.tables import clean

    text = clean(error.text)
    blanks, marks = cell_len(text[: error.start]), max(cell_len(text[error.start : error.end]), 1)
    click.echo(f"  {text}\n  {' ' * blanks}{'^' * marks}", err=True)


def _wrong_usage(error: click.UsageError) -> ExitStatus:
    message = error.format_message()
    if "\n" in message:  # no argument at all: click's message is the help
        click.echo(message, err=True)
        return ExitStatus.USAGE
    command = error.ctx.command_path if error.ctx else "classifier"
    return _trouble(f"{message.rstrip('.')}; see {command} --help", ExitStatus.USAGE)


def _drop_output() -> None:
    """Discard unwritten output, so that Python doesn't report it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
