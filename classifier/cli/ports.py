"""`classifier ports`: the services of a port, and the ports of a service."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from classifier.cli import common
from classifier.cli import output as out
from classifier.cli.option_groups import GroupedCommand
from classifier.errors import ExitStatus

if TYPE_CHECKING:
    from classifier.ports.search import SearchResult


@click.command(cls=GroupedCommand, short_help="Look up the services of a port, or the ports of a service.")
@click.argument("queries", nargs=-1, required=True, metavar="QUERY…")
@common.rules_option
@out.writing(zeek=None, addresses=False)
@click.option(
    "--block",
    type=click.Choice(["nft", "iptables", "cisco"]),
    help="Print firewall rules that block the server ports; nothing is applied.",
)
def ports(
    queries: tuple[str, ...],
    rules: str | None,
    format: str | None,
    output: str | None,
    block: str | None,
) -> ExitStatus:
    """List the services that use a server port, likeliest first, with the source of each.

    QUERY is a port (1494, 1494/tcp, 6881-6889), a service (ica), a word (citrix) or a category (database).

    \b
    Examples:
      classifier ports 1080 1494
      classifier ports 8000/tcp --format json
      classifier ports limewire
      classifier ports limewire --block nft
    """
    from classifier.ports.rules import Rules
    from classifier.ports.search import QueryError, find, suggestions
    from classifier.reports.text import firewall, ports
    from classifier.reports.text.tables import console

    if block and (format or output):
        raise click.UsageError("--block prints firewall rules; remove --format and -o")
    target = out.target(format, output, zeek=False)
    known = Rules.load(rules)
    try:
        found = [find(known, query) for query in queries]
    except QueryError as error:
        raise click.UsageError(str(error)) from error
    missed = [answer.query for answer in found if not (answer.ports or answer.exact or answer.related)]
    if block:
        _check_blocked(found)
        if not missed:
            click.echo(firewall.block(block, found, known), nl=False)
    elif target.is_table:
        ports.print_found(console(), found)
    else:
        with out.opened(target.path) as file:
            _write(found, target.format, file)
    for query in missed:
        near = suggestions(known, query)
        hint = f"did you mean {' or '.join(near)}?" if near else "try a port, or another word"
        common.complain(f"{query}: no such service; {hint}")
    return ExitStatus.NOT_FOUND if missed else ExitStatus.OK


def _check_blocked(found: list[SearchResult]) -> None:
    """Raise UsageError for a word that isn't the name of a service."""
    for answer in found:
        if not answer.ports and not answer.exact and answer.related:
            names = ", ".join(dict.fromkeys(use.service.name for use in answer.related))
            raise click.UsageError(f"{answer.query}: not a service's name; --block needs one of {names}")


def _write(found: list[SearchResult], format: str, file: IO[bytes]) -> None:
    from classifier.reports.text import ports

    if format == "json":
        file.write(ports.as_json(found).encode() + b"\n")
        return
    from classifier.reports.export import tabular

    with common.without_pandas():
        table = ports.as_table(found)
    tabular.write(table, table.schema, file, format)
