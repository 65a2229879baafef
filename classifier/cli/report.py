"""`classifier report`: the traffic per service."""

from __future__ import annotations

import json
from typing import Any

import click

from classifier.cli import common
from classifier.errors import ExitStatus

TOP = 20


@click.command(short_help="The traffic per service, with servers, clients and attempts.")
@common.reading
@common.top_option(
    None, f"Rows of each table; the rest is summed up as `other`.  [table: {TOP}; json, csv: all]"
)
@common.format_option("table", "json", "csv")
def report(top: int | None, format: str | None, **reading: Any) -> ExitStatus:
    """Report the traffic per service: bytes, flows by how their server is known, servers, clients.

    PATH is a pcap or pcapng file, also packed with gzip, zstd or lz4; - is standard input. Several
    are read as one capture. csv has the services; json has all tables.

    \b
    Examples:
      classifier report office.pcapng
      classifier report monday.pcap.gz tuesday.pcap.gz --top 5
      classifier report office.pcapng --format json | jq '.services[] | {service, bytes}'
    """
    traffic = common.read(**reading)
    if format == "csv":
        from classifier.reports.tabular import csv_text
        from classifier.traffic.totals import fold

        click.echo(csv_text(fold(traffic.totals.services(), top, "service")).encode(), nl=False)
        return common.finish(traffic)
    from classifier.reports.summary import summary

    if format == "json":
        click.echo(json.dumps(summary(traffic, top), indent=2))
    else:
        from classifier.reports.tables import console
        from classifier.reports.terminal import print_report

        print_report(console(), summary(traffic, top or TOP))
    return common.finish(traffic)
