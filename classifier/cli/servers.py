"""`classifier servers`: the server inventory."""

from __future__ import annotations

from typing import Any

import click

from classifier.cli import common
from classifier.cli import output as out
from classifier.errors import ExitStatus


@click.command(short_help="The server inventory.")
@common.reading
@common.top_option(None, "Rows; the rest is summed up as `other`.  [default: all]")
@out.writing(zeek="known_services.log")
def servers(top: int | None, format: str | None, output: str | None, **reading: Any) -> ExitStatus:
    """List the servers: address, port, service, how each is known, clients, traffic, first and last seen.

    `confirmed`: a handshake was seen; `inferred`: other evidence, and it sends; `one way`: it was
    only ever spoken to.

    \b
    Examples:
      classifier servers office.pcapng
      classifier servers office.pcapng --format csv > servers.csv
    """
    from classifier.reports import tabular, terminal, zeek
    from classifier.traffic.totals import fold

    target = out.target(format, output)
    if target.is_table:
        traffic = common.read(**reading)
        table = fold(traffic.totals.servers(), top, "server_ip")
        terminal.show(terminal.console(), "Servers", terminal.SERVERS, tabular.rows(table))
    else:
        with out.opened(target.path) as file:
            traffic = common.read(**reading)
            table = fold(traffic.totals.servers(), top, "server_ip")
            tabular.write(table, table.schema, file, target.format, zeek.KNOWN_SERVICES)
    return common.finish(traffic)
