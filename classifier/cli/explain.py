"""`classifier explain`: why the server of one flow is the server."""

from __future__ import annotations

import json
from typing import Any

import click

from classifier.cli import common
from classifier.cli.reading import read, reading
from classifier.errors import ExitStatus


@click.command(short_help="Why one flow's server is the server.")
@reading
@click.argument("flow", metavar="FLOW")
@common.format_option("table", "json")
def explain(flow: str, format: str | None, **given: Any) -> ExitStatus:
    """Explain one flow: its first packets, each piece of evidence and its weight, the verdict, the
    runner-up, and what would settle it.

    FLOW is a flow_id as `classifier flows` writes it, or the two ends in any order:
    10.0.0.1:1494-10.0.0.2:1080, [fd00::1]:1494-[fd00::2]:1080.

    \b
    Examples:
      classifier explain office.pcapng 10.77.0.101:123-10.77.0.123:123
      classifier explain office.pcapng 10.77.0.101:123-10.77.0.123:123 --format json
    """
    from classifier.reports import explanation, tables

    traffic = read(**given)
    told = traffic.explain(flow)
    if format == "json":
        click.echo(json.dumps(told, indent=2))
    else:
        explanation.print_explanation(tables.console(), told)
    return common.finish(traffic)
