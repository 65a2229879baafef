"""`classifier flows`: one row a flow."""

from __future__ import annotations

import sys
from typing import Any

import click

from classifier.cli import common
from classifier.errors import ExitStatus

_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}


@click.command(short_help="The flows, one row each.")
@common.reading
@common.format_option("table", "csv", "jsonl", "parquet")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE; its ending chooses the format.")
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
    if format is None and output:
        format = next((kind for end, kind in _SUFFIXES.items() if output.endswith(end)), None)
        if format is None:
            raise click.UsageError(
                f"{output}: its ending tells no format; add --format csv, jsonl or parquet"
            )
    if format == "parquet" and not output and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for terminals; add -o FILE")
    if output and format == "table":
        raise click.UsageError("a table is for the terminal; for a file use --format csv, jsonl or parquet")
    if format in (None, "table"):
        from classifier.reports import tables, terminal
        from classifier.reports.tabular import rows

        traffic = common.read(**reading)
        out = tables.console()
        for batch in traffic.batches():
            tables.show(out, "", terminal.FLOWS, rows(batch))
    else:
        from classifier.flows.table import SCHEMA
        from classifier.reports.tabular import write

        with common.output(output) as file:  # before reading: an hour later is late for "can't be written"
            traffic = common.read(**reading)
            write(traffic.batches(), SCHEMA, file, format)
    return common.finish(traffic)
