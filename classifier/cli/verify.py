"""`classifier verify`: compare flows with Wireshark's dissection."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from classifier.cli import common, progress
from classifier.cli import output as out
from classifier.cli.filter_options import choosing, chosen_by
from classifier.cli.option_groups import GroupedCommand, described, options
from classifier.cli.reading import read, reading
from classifier.errors import ExitStatus
from classifier.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from classifier.result import Traffic
    from classifier.verify import Verification

#: Differences shown on the terminal without --top.
_SHOWN = 20


@click.command(cls=GroupedCommand, short_help="Compare doubtful flows with Wireshark.")
@options(
    "Flows to compare",
    described("--all", "everything", is_flag=True, help="Compare all flows with payload."),
    described(
        "--sample", type=click.IntRange(min=1), metavar="N", help="Compare N flows, the same each run."
    ),
)
@choosing
@out.writing(common.top_option(f"Show N rows.  [table: {_SHOWN} differences; other formats: all]"), zeek=None)
@reading
def verify(
    everything: bool,
    sample: int | None,
    top: int | None,
    format: str | None,
    output: str | None,
    hosts: str | None,
    **given: Any,
) -> ExitStatus:
    """Dissect doubtful flows with Wireshark, and compare its services and servers with this program's.

    Doubtful flows are ambiguous, mismatched, or have an unrecognised payload. The first table counts
    agreements, the second lists the flows that differ. Other formats have a row for each flow compared.
    Where Wireshark recognises no payload it goes by the port, and may be wrong. Needs the extra verify,
    tshark, and Python 3.11 to 3.13.

    \b
    Examples:
      classifier verify office.pcapng
      classifier verify office.pcapng --all --format csv > compared.csv
      classifier verify office.pcapng --sample 100 --net 10.77.0.0/24
    """
    target, chosen = out.target(format, output, zeek=False), chosen_by(given)
    names = out.names(hosts)
    from classifier.reports.export import tabular
    from classifier.reports.hosts import known
    from classifier.verify import dissection

    dissection.require()
    if "-" in given["paths"]:
        raise click.UsageError("-: verify reads its input twice; give a file instead of standard input")
    if everything and sample:
        raise click.UsageError("--all and --sample can't be combined; choose one")

    def named(table: pa.Table) -> pa.Table:
        hosts = known(names, traffic.metered)
        return hosts.named(table) if hosts else table

    with out.opened(None if target.is_table else target.path, given["paths"]) as file:
        traffic = chosen(read(**given))
        found = _compare(traffic, given["rules"], everything, sample)
        if target.is_table:
            _show(found, named, top or _SHOWN)
        else:
            flows = named(found.flows.slice(0, top))
            tabular.write(flows, flows.schema, file, target.format)
    _complain(found, everything or bool(sample))
    return common.finish(traffic) or (found.problems[0].status if found.problems else ExitStatus.OK)


def _compare(traffic: Traffic, rules: str | None, everything: bool, sample: int | None) -> Verification:
    """Dissect with a progress bar."""
    from classifier.ports.rules import Rules
    from classifier.verify import verify as compare

    total = traffic.metered.counters.packets
    with progress.bar(of_bytes=False) as advance:

        def show(path: str, number: int) -> None:
            if advance:
                advance(os.path.basename(path), number, total, "packets dissected")

        return compare(
            traffic,
            traffic.metered.captures,
            Rules.load(rules),
            everything=everything,
            sample=sample,
            progress=show,
        )


def _show(found: Verification, named: Callable[[pa.Table], pa.Table], most: int) -> None:
    """Print the counts of agreement, and the flows that differ."""
    from classifier.reports.export import tabular
    from classifier.reports.text import tables
    from classifier.reports.text.verification import AGREEMENT, DIFFERENCES

    console = tables.console()
    differing = found.differing()
    shown = named(differing.slice(0, most))
    tables.show(console, "Flows compared with tshark", AGREEMENT, found.agreement())
    tables.show(console, "Differences", DIFFERENCES, tabular.rows(shown))
    if more := differing.num_rows - shown.num_rows:
        click.echo(f"{more:,} more; use --top {differing.num_rows} to show all")


def _complain(found: Verification, asked_for_more: bool) -> None:
    """Report which flows weren't compared, and why."""
    compared = found.flows.num_rows
    if found.asked_for > compared:
        common.complain(f"{compared:,} of {counted(found.asked_for, 'flow')} compared")
    elif not compared:
        reason = "have payload" if asked_for_more else "with payload are doubtful; --all compares all"
        common.complain(f"no flows {reason}")
    for problem in found.problems:
        common.complain(problem.for_command_line())
