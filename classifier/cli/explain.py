"""`classifier explain`: the evidence for the server of one flow."""

from __future__ import annotations

import json
from typing import Any

import click

from classifier.cli import common
from classifier.cli.reading import read, reading
from classifier.errors import ExitStatus


@click.command(short_help="Show the evidence for one flow's server.")
@reading
@click.argument("flow", metavar="FLOW")
@common.format_option("table", "json")
def explain(flow: str, format: str | None, **given: Any) -> ExitStatus:
    """Explain one flow: its first packets, each piece of evidence and its weight, the verdict, the
    runner-up, and what would resolve it.

    FLOW is a flow_id as `classifier flows` writes it, or both endpoints in any order:
    10.0.0.1:1494-10.0.0.2:1080, [fd00::1]:1494-[fd00::2]:1080, or separated by a space, as in its table.

    \b
    Examples:
      classifier explain office.pcapng 10.77.0.101:123-10.77.0.123:123
      classifier explain office.pcapng 10.77.0.101:123-10.77.0.123:123 --format json
    """
    from classifier.reports.text import explanation, tables

    given["paths"], flow = _pasted(given["paths"], flow)
    traffic = read(**given)
    explained = traffic.explain(flow)
    if format == "json":
        click.echo(json.dumps(explained, indent=2))
    else:
        explanation.print_explanation(tables.console(), explained)
    return common.finish(traffic)


def _pasted(paths: tuple[str, ...], flow: str) -> tuple[tuple[str, ...], str]:
    """Join endpoints given as separate arguments, which click takes for paths: A B, A - B."""
    from classifier.flows.flow_selector import is_end

    *rest, end = paths
    if rest[1:] and end == "-":
        *rest, end = rest
    if rest and is_end(end) and is_end(flow):
        return tuple(rest), f"{end}-{flow}"
    return paths, flow
