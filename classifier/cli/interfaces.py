"""`classifier interfaces`: the interfaces, and the capture backends permitted on them."""

from __future__ import annotations

import json
from typing import Any

import click

from classifier.cli import common
from classifier.errors import ExitStatus


@click.command(short_help="List the interfaces that can be captured live.")
@common.format_option("table", "json")
def interfaces(format: str | None) -> ExitStatus:
    """List the interfaces, and the capture backends that are permitted on them, the default first.

    `socket` is built in, on Linux; dumpcap and tcpdump are used where they are installed.

    \b
    Examples:
      classifier interfaces
      classifier interfaces --format json | jq -r '.[].name'
    """
    from classifier.live.capture import engines
    from classifier.live.capture.interfaces import interfaces

    may_capture = [name for name, may in engines.rights().items() if may]
    rows: list[dict[str, Any]] = [
        {
            "name": interface.name,
            "up": interface.up,
            "kind": interface.kind,
            "addresses": list(interface.addresses),
            "engines": may_capture,
        }
        for interface in interfaces()
    ]
    if format == "json":
        click.echo(json.dumps(rows, indent=2))
        return ExitStatus.OK
    from classifier.reports.text import tables

    columns = [
        tables.Column("Interface", lambda row: row["name"]),
        tables.Column("State", lambda row: {True: "up", False: "down", None: ""}[row["up"]]),
        tables.Column("Kind", lambda row: row["kind"], spare=2),
        tables.Column("Addresses", lambda row: ", ".join(row["addresses"]), folds=True, spare=1),
        tables.Column("Backends", lambda row: ", ".join(row["engines"]) or "not permitted"),
    ]
    tables.show(tables.console(), "", columns, rows)
    if not any(row["engines"] for row in rows):
        from classifier.live.capture.packet_socket import not_permitted

        common.complain(not_permitted("live").message)
    return ExitStatus.OK
