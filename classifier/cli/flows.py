"""`classifier flows`: one row per flow."""

from __future__ import annotations

from typing import Any

import click

from classifier.cli import common
from classifier.cli import output as out
from classifier.cli.filter_options import choosing, chosen_by
from classifier.cli.option_groups import GroupedCommand
from classifier.cli.reading import read, reading
from classifier.errors import ExitStatus


@click.command(cls=GroupedCommand, short_help="List the flows, one row each.")
@choosing
@out.writing(zeek="conn.log")
@reading
def flows(format: str | None, output: str | None, hosts: str | None, **given: Any) -> ExitStatus:
    """List the flows: client, server, service, role, evidence, outcome, packets and bytes.

    PATH is a pcap or pcapng file, plain or compressed (gzip, zstd, lz4), a folder, an archive (tar, zip), a
    quoted pattern, a URL, or - for standard input.

    \b
    Examples:
      classifier flows office.pcapng
      classifier flows office.pcapng --where "role == 'ambiguous' or 'ports' in role_evidence"
      classifier flows office.pcapng --format jsonl | jq 'select(.role == "ambiguous")'
      classifier flows big.pcap -o flows.parquet
      classifier flows monday.pcap tuesday.pcap -o flows/    # a folder of Parquet files by day
      duckdb -c "select service, sum(server_bytes) from 'flows.parquet' group by all"
    """
    target, chosen = out.target(format, output), chosen_by(given)
    names = out.names(hosts)
    from classifier.flows.table import SCHEMA
    from classifier.reports.export import tabular, zeek
    from classifier.reports.hosts import known
    from classifier.reports.text import tables, terminal

    if target.is_table:
        traffic = chosen(read(**given))
        names = known(names, traffic.metered)
        console = tables.console()
        for batch in traffic.batches():
            tables.show(console, "", terminal.FLOWS, tabular.rows(names.named(batch) if names else batch))
    elif target.path and target.is_dataset:
        from classifier.reports.export.dataset import Dataset

        place = Dataset(target.path)
        traffic = chosen(read(**given))
        batches = traffic.batches()
        if names:
            place.write(map(names.named, batches), names.schema(SCHEMA))
        else:
            place.write(batches, SCHEMA)
    else:
        # Opened before reading: a path that can't be written fails now, not after an hour.
        with out.opened(target.path, given["paths"]) as file:
            traffic = chosen(read(**given))
            batches, schema = traffic.batches(), SCHEMA
            if found := known(names, traffic.metered):
                batches = (part for batch in batches for part in found.named(batch).to_batches())
                schema = found.schema(SCHEMA)
            tabular.write(batches, schema, file, target.format, zeek.CONN)
    status = common.finish(traffic)
    common.tell_left_out(traffic)
    return status
