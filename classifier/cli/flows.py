"""`classifier flows`: one row a flow."""

from __future__ import annotations

from typing import Any

import click

from classifier.cli import common
from classifier.cli import output as out
from classifier.errors import ExitStatus


@click.command(short_help="The flows, one row each.")
@common.reading
@out.writing(zeek="conn.log")
def flows(format: str | None, output: str | None, **reading: Any) -> ExitStatus:
    """List the flows: client, server, service, how each is known, outcome, packets and bytes.

    PATH is a pcap or pcapng file, also packed with gzip, zstd or lz4; - is standard input.

    \b
    Examples:
      classifier flows office.pcapng
      classifier flows office.pcapng --format jsonl | jq 'select(.role == "ambiguous")'
      classifier flows big.pcap -o flows.parquet
      duckdb -c "select service, sum(server_bytes) from 'flows.parquet' group by all"
    """
    target = out.target(format, output)
    if target.is_table:
        from classifier.reports import terminal
        from classifier.reports.tabular import rows

        traffic = common.read(**reading)
        console = terminal.console()
        for batch in traffic.batches():
            terminal.show(console, "", terminal.FLOWS, rows(batch))
    else:
        from classifier.flows.table import SCHEMA
        from classifier.reports import tabular, zeek

        with out.opened(target.path) as file:  # before reading: an hour later is late for "can't be written"
            traffic = common.read(**reading)
            tabular.write(traffic.batches(), SCHEMA, file, target.format, zeek.CONN)
    return common.finish(traffic)
