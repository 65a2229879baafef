"""`classifier report`: the traffic per service."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import IO, TYPE_CHECKING, Any

import click

from classifier.cli import common
from classifier.cli import output as out
from classifier.cli.filter_options import choosing, chosen_by
from classifier.cli.option_groups import GroupedCommand, described
from classifier.cli.quantities import duration
from classifier.cli.reading import read, reading
from classifier.errors import ExitStatus
from classifier.reports import TOP

if TYPE_CHECKING:
    from classifier.reports.charts.chart_images import Format
    from classifier.reports.report import Report

#: Same as `traffic.breakdown.BY`; a test compares them.
BY = ("service", "server", "client", "port", "vlan", "capture", "category")


@click.command(cls=GroupedCommand, short_help="Report the traffic per service, with servers and clients.")
@choosing
@out.writing(
    described("--by", type=click.Choice(BY), help="Group all flows by this, in one table."),
    common.top_option(
        "Show the top N rows; the rest are totalled as `other`.  [table: 20; other formats: all]"
    ),
    described(
        "--interval",
        metavar="TIME",
        type=duration,
        help="One table of services over time, in bins of 30s, 5m, 2h; with --html: bins of the chart.",
    ),
    described("--html", metavar="FILE", help="Write the report as one HTML page. Needs the extra web."),
    described(
        "--png", metavar="DIR", help="Write the charts as timeline.png, services.png, … Needs the extra web."
    ),
    described("--svg", metavar="DIR", help="Write the charts as SVG. Needs the extra web."),
    zeek=None,
)
@reading
def report(
    by: str | None,
    top: int | None,
    format: str | None,
    output: str | None,
    interval: float | None,
    html: str | None,
    png: str | None,
    svg: str | None,
    hosts: str | None,
    **given: Any,
) -> ExitStatus:
    """Report the traffic per service: bytes, flows by role, servers, clients, failed connection attempts.

    PATH is a pcap or pcapng file, plain or compressed (gzip, zstd, lz4), a folder, an archive (tar, zip), a
    quoted pattern, a URL, or - for standard input. Several are read as one capture. json has all tables;
    csv, parquet and the like have the services table, or the one that --by asks for.

    \b
    Examples:
      classifier report office.pcapng
      classifier report monday.pcap.gz tuesday.pcap.gz --top 5
      classifier report office.pcapng --by client --net 10.77.0.0/24
      classifier report office.pcapng --html office.html
      classifier report office.pcapng --png charts
      classifier report office.pcapng --format json | jq '.services[] | {service, bytes}'
    """
    target, chosen = out.target(format, output, zeek=False), chosen_by(given)
    names = out.names(hosts)

    def found(top: int | None) -> Report:
        return chosen(read(**given)).report(top=top, by=by, hosts=names, interval_s=interval)

    if html or png or svg:
        if by or format or output:
            raise click.UsageError("--html, --png and --svg can't be combined with --by, --format or -o")
        report = _draw(html, given["paths"], {"png": png, "svg": svg}, lambda: found(top))
    elif interval and (by or top):
        raise click.UsageError("--interval lists every service in every bin; remove --by and --top")
    elif target.is_table:
        report = found(top or TOP)
        from classifier.reports.text.tables import console
        from classifier.reports.text.terminal import print_report

        print_report(console(), report.to_dict())
    else:
        with out.opened(target.path, given["paths"]) as file:
            report = found(top)
            _write(report, target.format, file)
    return common.finish(report.traffic)


def _write(report: Report, format: str, file: IO[bytes]) -> None:
    """Write the whole report as JSON, or its one table in another format."""
    if format == "json":
        file.write(report.to_json().encode() + b"\n")
        return
    from classifier.reports.export import tabular

    table = report.table()
    tabular.write(table, table.schema, file, format)


def _draw(
    html: str | None, inputs: tuple[str, ...], folders: dict[Format, str | None], make: Callable[[], Report]
) -> Report:
    """Write the page and the charts; missing extras and unwritable paths raise before anything is read."""
    from classifier.reports import html as html_page
    from classifier.reports.charts import chart_images

    (html_page if html else chart_images).check()
    for kind, folder in folders.items():
        if folder:
            out.folder(folder, f"--{kind}")
    with out.opened(html, inputs, "--html") if html else nullcontext() as file:
        report = make()
        if file:
            file.write(report.to_html().encode())
    for kind, folder in folders.items():
        if folder:
            report.save_pictures(folder, kind)
    return report
