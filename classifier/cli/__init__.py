"""The command line: one command per file; here they come together.

Results go to standard output, talk to standard error; exit statuses are `ExitStatus`.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

import click

from classifier.cli.flows import flows
from classifier.cli.report import report
from classifier.cli.servers import servers
from classifier.errors import ClassifierError, ExitStatus

EXAMPLES = """
\b
Examples:
  classifier office.pcapng                      a report: services, servers, clients
  classifier report *.pcap.gz --top 10          many captures as one
  tcpdump -w - | classifier report -            from a pipe
  classifier flows office.pcapng -o flows.parquet
  classifier servers office.pcapng --format csv
"""


class DefaultsToReport(click.Group):
    """`classifier PATH` means `classifier report PATH`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `report` in front of what isn't a command or an option of the group."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "--version"):
            args = ["report", *args]
        return super().parse_args(ctx, args)


@click.group(cls=DefaultsToReport, epilog=EXAMPLES, context_settings={"max_content_width": 100})
@click.version_option(version("classifier"), prog_name="classifier")
def app() -> None:
    """Say which side of every TCP and UDP conversation in a capture is the server, name the service
    behind its port, and report the traffic per service, each time with how that is known.

    A handshake confirms the server. Without one it is inferred from evidence, or called ambiguous.
    """


for command in (report, flows, servers):
    app.add_command(command)


def main() -> None:
    """Run the command line and exit."""
    try:
        status = app.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = ExitStatus.USAGE
    except ClassifierError as error:
        click.echo(f"classifier: {error}", err=True)
        status = error.status
    except BrokenPipeError:
        # The reader has gone (`| head`): nothing more to say, also not when Python flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = ExitStatus.OK
    except (KeyboardInterrupt, click.Abort):
        status = ExitStatus.INTERRUPTED
    sys.exit(status or ExitStatus.OK)
