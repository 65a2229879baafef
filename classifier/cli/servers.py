"""`classifier servers`: the server inventory."""

from __future__ import annotations

import json
from typing import Any

import click

from classifier.cli import common
from classifier.errors import ExitStatus


@click.command(short_help="The server inventory.")
@common.reading
@common.top_option(None, "Rows; the rest is summed up as `other`.  [default: all]")
@common.format_option("table", "json", "csv")
def servers(top: int | None, format: str | None, **reading: Any) -> ExitStatus:
    """List the servers: address, port, service, how each is known, clients, traffic, first and last seen.

    `confirmed`: a handshake was seen; `inferred`: other evidence, and it sends; `one way`: it was
    only ever spoken to.

    \b
    Examples:
      classifier servers office.pcapng
      classifier servers office.pcapng --format csv > servers.csv
    """
    from classifier.reports import tables, tabular, terminal
    from classifier.traffic.totals import fold

    traffic = common.read(**reading)
    table = fold(traffic.totals.servers(), top, "server_ip")
    if format == "csv":
        click.echo(tabular.csv_text(table).encode(), nl=False)
    elif format == "json":
        click.echo(json.dumps(tabular.rows(table), indent=2))
    else:
        tables.show(tables.console(), "Servers", terminal.SERVERS, tabular.rows(table))
    return common.finish(traffic)
