"""`classifier diff`: which services and servers are new, gone or changed."""

from __future__ import annotations

from typing import Any

import click

from classifier.cli import common
from classifier.cli import output as out
from classifier.cli.filter_options import choosing, chosen_by
from classifier.cli.option_groups import GroupedCommand, described
from classifier.cli.quantities import factor
from classifier.cli.reading import read, reading_options
from classifier.errors import ExitStatus


@click.command(cls=GroupedCommand, short_help="Services and servers that are new, gone or changed.")
@choosing
@out.writing(
    described(
        "--factor",
        default="10",
        show_default=True,
        metavar="N",
        type=factor,
        help="Report clients or bytes that rose or fell by this factor as changed.",
    ),
    zeek=None,
)
@reading_options
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
def diff(
    before: str,
    after: str,
    factor: float,
    format: str | None,
    output: str | None,
    hosts: str | None,
    **given: Any,
) -> ExitStatus:
    """List the services and servers that are new, gone or changed in AFTER, compared with BEFORE.

    A server is changed if its services or its role differ, or its clients or bytes by --factor. Failed
    connection attempts don't count as servers. Compare captures of about the same duration.

    Exit status 9: a server, or a service of a known server, is new and was seen to send; 0: nothing is new.

    \b
    Examples:
      classifier diff monday.pcap tuesday.pcap
      classifier diff monday.pcap tuesday.pcap --net 10.77.0.0/24 --format csv
    """
    target, chosen = out.target(format, output, zeek=False), chosen_by(given)
    names = out.names(hosts)
    from classifier.reports.export import tabular
    from classifier.reports.hosts import known
    from classifier.reports.text import difference
    from classifier.reports.text.tables import console

    with out.opened(None if target.is_table else target.path, (before, after)) as file:
        old, new = (chosen(read((path,), **given)) for path in (before, after))
        found = old.difference(new, factor)
        names = known(names, old.metered, new.metered)
        shown = names.named(found) if names else found
        if target.is_table:
            difference.print_difference(console(), old, new, shown)
        else:
            tabular.write(shown, shown.schema, file, target.format)
    statuses = [common.finish(traffic) for traffic in (old, new)]
    trouble = next((status for status in statuses if status), ExitStatus.OK)
    return trouble or (ExitStatus.NEWS if any(found["is_news"].to_pylist()) else ExitStatus.OK)
