"""`classifier servers`: the server inventory."""

from __future__ import annotations

from typing import Any

import click

from classifier.cli import common
from classifier.cli import output as out
from classifier.cli.filter_options import choosing, chosen_by
from classifier.cli.option_groups import GroupedCommand
from classifier.cli.reading import read, reading
from classifier.errors import ExitStatus


@click.command(cls=GroupedCommand, short_help="List the servers: the inventory.")
@choosing
@out.writing(
    common.top_option("Show the top N rows; the rest are totalled as `other`.  [default: all]"),
    zeek="known_services.log",
)
@reading
def servers(
    top: int | None, format: str | None, output: str | None, hosts: str | None, **given: Any
) -> ExitStatus:
    """List the servers: address, port, service, role, clients, traffic, first and last seen.

    `confirmed`: a handshake was seen; `inferred`: other evidence, and it replied; `no reply seen`: packets
    to it were seen, none from it.

    \b
    Examples:
      classifier servers office.pcapng
      classifier servers office.pcapng --net 10.77.0.0/24 --format csv > servers.csv
    """
    target, chosen = out.target(format, output), chosen_by(given)
    names = out.names(hosts)
    from classifier.reports.export import tabular, zeek
    from classifier.reports.hosts import known
    from classifier.reports.text import tables, terminal
    from classifier.result import Traffic

    def table(traffic: Traffic) -> Any:
        found = traffic.totals.servers(top)
        hosts = known(names, traffic.metered)
        return hosts.named(found) if hosts else found

    if target.is_table:
        traffic = chosen(read(**given))
        tables.show(tables.console(), "Servers", terminal.SERVERS, tabular.rows(table(traffic)))
    else:
        with out.opened(target.path, given["paths"]) as file:
            traffic = chosen(read(**given))
            found = table(traffic)
            tabular.write(found, found.schema, file, target.format, zeek.KNOWN_SERVICES)
    status = common.finish(traffic)
    common.tell_left_out(traffic)
    return status
