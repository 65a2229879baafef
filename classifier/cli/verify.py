"""`classifier verify`: a second opinion from Wireshark."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from classifier.cli import common
from classifier.cli import output as out
from classifier.cli.choosing import choosing, chosen_by
from classifier.cli.sections import Sectioned, described, options
from classifier.errors import ExitStatus

if TYPE_CHECKING:
    from classifier.traffic import Traffic

#: Differences on the terminal, unless --top asks for more.
_SHOWN = 20


@click.command(cls=Sectioned, short_help="What Wireshark says of doubtful flows, beside ours.")
@options(
    "Which flows",
    described("--all", "everything", is_flag=True, help="Compare all flows with payload."),
    described("--sample", type=click.IntRange(min=1), metavar="N", help="Compare N flows, always the same."),
)
@choosing
@out.writing(common.top_option(f"Rows.  [table: {_SHOWN} differences; other formats: all flows]"), zeek=None)
@common.reading
def verify(
    everything: bool,
    sample: int | None,
    top: int | None,
    format: str | None,
    output: str | None,
    hosts: str | None,
    **given: Any,
) -> ExitStatus:
    """Let Wireshark dissect the flows that are doubtful, and compare its services and servers with ours.

    Doubtful is what is ambiguous, mismatched, or has a payload that was not recognised. The table counts
    where the two agree; below it are the flows on which they differ. Formats for programs have a row for
    each flow that was compared. Where Wireshark finds nothing in the bytes it goes by the port, so it may
    well be wrong. Needs the extra verify, tshark, and Python 3.11 to 3.13.

    \b
    Examples:
      classifier verify office.pcapng
      classifier verify office.pcapng --all --format csv > compared.csv
      classifier verify office.pcapng --sample 100 --net 10.77.0.0/24
    """
    target, chosen = out.target(format, output, zeek=False), chosen_by(given)
    names = out.names(hosts)
    from classifier.reports import tables, tabular
    from classifier.reports.names import known
    from classifier.reports.verification import AGREEMENT, DIFFERENCES
    from classifier.services.rules import Rules
    from classifier.verify import Verification, dissection
    from classifier.verify import verify as compare

    dissection.require()
    if "-" in given["paths"]:
        raise click.UsageError("verify reads a capture twice, and standard input only once; give a file")
    if everything and sample:
        raise click.UsageError("--all and --sample exclude each other")

    def named(table: Any, traffic: Traffic) -> Any:
        hosts = known(names, traffic.metered)
        return hosts.named(table) if hosts else table

    def found() -> tuple[Any, Verification]:
        traffic = chosen(common.read(**given))
        total = traffic.metered.packets
        with common.bar(of_bytes=False) as advance:

            def progress(path: str, number: int) -> None:
                if advance:
                    advance(os.path.basename(path), number, total, "packets dissected")

            result = compare(
                traffic,
                traffic.metered.captures,
                Rules.load(given["rules"]),
                everything=everything,
                sample=sample,
                progress=progress,
            )
        return traffic, result

    if target.is_table:
        traffic, result = found()
        console = tables.console()
        differing = result.differing()
        shown = named(differing.slice(0, top or _SHOWN), traffic)
        tables.show(console, "Flows compared with tshark", AGREEMENT, result.agreement())
        tables.show(console, "Differences", DIFFERENCES, tabular.rows(shown))
        if more := differing.num_rows - shown.num_rows:
            click.echo(f"{more:,} more; --top {differing.num_rows} shows all")
    else:
        with out.opened(target.path, given["paths"]) as file:
            traffic, result = found()
            flows = named(result.flows.slice(0, top), traffic)
            tabular.write(flows, flows.schema, file, target.format)
    compared = result.flows.num_rows
    if result.asked_for > compared:
        click.echo(f"classifier: {compared:,} of {result.asked_for:,} flows were compared", err=True)
    elif not compared:
        reason = "has payload" if everything or sample else "with payload is doubtful; --all compares all"
        click.echo(f"classifier: no flow {reason}", err=True)
    for problem in result.problems:
        common.complain(str(problem))
    return common.finish(traffic) or (result.problems[0].status if result.problems else ExitStatus.OK)
