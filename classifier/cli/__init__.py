"""The command line: one command per file; here they come together.

Results go to standard output, talk to standard error; exit statuses are `ExitStatus`.
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
  classifier report *.pcap.gz --top 10          many captures as one
  tcpdump -w - | classifier report -            from a pipe
  classifier flows office.pcapng -o flows.parquet
  classifier servers office.pcapng --format csv
  classifier diff monday.pcap tuesday.pcap      what is new, gone, changed
  classifier live eth0                          the services on an interface, as they happen
  classifier explain office.pcapng 10.77.0.101:123-10.77.0.123:123
  classifier verify office.pcapng               what Wireshark says of doubtful flows
  classifier ports 1494 limewire                what runs there; which ports it has
"""


#: The commands; each is a function of its own name in the module of that name.
COMMANDS = ("report", "flows", "servers", "diff", "live", "interfaces", "explain", "verify", "ports", "rules")


class Commands(click.Group):
    """A module is imported when its command is called. `classifier PATH` means `classifier report PATH`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name them in the order of the alphabet, as click does."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"classifier.cli.{name}"), name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `report` in front of what isn't a command or an option of the group."""
        if args and args[0] not in COMMANDS and args[0] not in ("--help", "--version"):
            if args[0].isalpha() and not os.path.lexists(args[0]):
                from difflib import get_close_matches

                if near := get_close_matches(args[0], COMMANDS, 1):
                    ctx.fail(f"{args[0]}: no such command or file; perhaps {near[0]} is meant")
            args = ["report", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click itself would print an empty line at Ctrl-C."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise click.Abort from error


@click.group(cls=Commands, epilog=EXAMPLES, context_settings={"max_content_width": 100})
@click.version_option(package_name="pcap-classifier", prog_name="classifier")
def app() -> None:
    """Say which side of every TCP and UDP conversation in a capture is the server, name the service
    behind its port, and report the traffic per service, each time with how that is known.

    A handshake confirms the server. Without one it is inferred from evidence, or called ambiguous.
    """


def main() -> NoReturn:
    """Run the command line and exit."""
    # pyarrow's own allocator gives back less: a quarter more memory at the peak.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # Its threads would spin for work that never comes.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(200_000)  # rules are 120,000 objects that stay: looking through them costs a tenth
    # Whoever starts us may have closed these.
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
        # The reader has gone (`| head`), which click and rich turn into SystemExit: nothing more to say.
        _drop_output()
        status = ExitStatus.OK
    except OSError as error:
        _drop_output()
        where = error.filename or "can't go on"
        status = ExitStatus.NOT_WRITTEN if error.errno in NO_ROOM else ExitStatus.FAILURE
        status = _trouble(f"{where}: {error.strerror or error}", status)
    except (KeyboardInterrupt, click.Abort):
        status = _trouble("interrupted", ExitStatus.INTERRUPTED)
    sys.exit(status or ExitStatus.OK)


def _trouble(message: str, status: ExitStatus) -> ExitStatus:
    """Say in one line what is wrong, and return how to exit."""
    complain(message)
    return status


def _point(error: FilterError) -> None:
    """Show what was written, and where in it the trouble is."""
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
    """Keep Python from complaining about unwritten output at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
