"""`classifier report`: the traffic per service."""

from __future__ import annotations

import json
from typing import Any

import click

from classifier.cli import common
from classifier.cli import output as out
from classifier.errors import ExitStatus

TOP = 20


@click.command(short_help="The traffic per service, with servers, clients and attempts.")
@common.reading
@common.top_option(
    None, f"Rows of each table; the rest is summed up as `other`.  [table: {TOP}; other formats: all]"
)
@out.writing(zeek=None)
def report(top: int | None, format: str | None, output: str | None, **reading: Any) -> ExitStatus:
    """Report the traffic per service: bytes, flows by how their server is known, servers, clients.

    PATH is a pcap or pcapng file, also packed with gzip, zstd or lz4; - is standard input. Several
    are read as one capture. json has all tables; the other formats for programs have the services.

    \b
    Examples:
      classifier report office.pcapng
      classifier report monday.pcap.gz tuesday.pcap.gz --top 5
      classifier report office.pcapng --format json | jq '.services[] | {service, bytes}'
    """
    target = out.target(format, output, zeek=False)
    if target.is_table:
        traffic = common.read(**reading)
        from classifier.reports.summary import summary
        from classifier.reports.terminal import console, print_report

        print_report(console(), summary(traffic, top or TOP))
        return common.finish(traffic)
    with out.opened(target.path) as file:
        traffic = common.read(**reading)
        if target.format == "json":
            from classifier.reports.summary import summary

            file.write(json.dumps(summary(traffic, top), indent=2).encode() + b"\n")
        else:
            from classifier.reports import tabular
            from classifier.traffic.totals import fold

            table = fold(traffic.totals.services(), top, "service")
            tabular.write(table, table.schema, file, target.format)
    return common.finish(traffic)
