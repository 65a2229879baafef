"""The pages of the reference, made from the code each time that the site is built.

Nothing here knows a command, a column or a kind of evidence by name: what is added to the code is
on the page.
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterator
from typing import Any

import click
import program
import pyarrow as pa
from program import REPOSITORY


def pages() -> dict[str, str]:
    """Return the text of each page by its place on the site."""
    return {
        "reference/cli.md": cli(),
        "reference/api.md": api(),
        "reference/tables.md": tables(),
        "reference/evidence.md": evidence(),
        "reference/exit-statuses.md": exit_statuses(),
        "reference/signatures.md": signatures(),
    }


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield every command of the command line with its whole name, the program itself first."""
    from classifier.cli import app

    def below(name: str, command: click.Command, parent: click.Context | None) -> Iterator[Any]:
        own = name.rpartition(" ")[2]
        context = click.Context(command, info_name=own, parent=parent, max_content_width=100)
        yield name, command, context
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                assert found
                yield from below(f"{name} {inner}", found, context)

    yield from below("classifier", app, None)


def cli() -> str:
    """Every command's help."""
    parts = [
        "# Command line\n",
        "What each command says of itself with `--help`. Results go to standard output, talk goes to",
        "standard error; [exit statuses](exit-statuses.md) have a page of their own.\n",
    ]
    with program.settings():
        for name, _, context in commands():
            parts += [f"## `{name}`\n", "```text", _help(context), "```\n"]
    return "\n".join(parts)


def _help(context: click.Context) -> str:
    formatter = click.HelpFormatter(width=100, max_width=100)
    context.command.format_help(context, formatter)
    return formatter.getvalue().rstrip()


def api() -> str:
    """The public names, for mkdocstrings to look up."""
    import classifier
    import classifier.live
    from classifier import errors

    parts = ["# Python\n", "What `import classifier` offers, and what may be raised.\n"]
    names = [getattr(classifier, name) for name in classifier.__all__]
    names += [getattr(classifier.live, name) for name in classifier.live.__all__]
    names += [
        one for one in vars(errors).values() if inspect.isclass(one) and one.__module__ == errors.__name__
    ]
    places = (
        f"{one.__module__}.{one.__qualname__}"
        for one in names
        if inspect.isroutine(one) or inspect.isclass(one)
    )
    for place in dict.fromkeys(places):
        parts.append(f"::: {place}\n")
    return "\n".join(parts)


def tables() -> str:
    """The columns of the public tables."""
    from classifier.flows.table import SCHEMA
    from classifier.traffic import timeline
    from classifier.traffic.tables import SERVERS, SERVICES

    parts = [
        "# Columns\n",
        "Times are UTC with nanoseconds; bytes are IP bytes on the wire, whatever the capture kept of them.",
        "Lists are Arrow lists, joined by `|` in CSV. *null* says that a value may be missing.\n",
    ]
    for title, what, schema in (
        ("`flows`", "One row a flow: `Traffic.flows`, `classifier flows`.", SCHEMA),
        ("`services`", "One row a service and transport: `Traffic.services`.", SERVICES),
        ("`servers`", "One row a server: `Traffic.servers`, `classifier servers`.", SERVERS),
        ("`timeline`", "One row a time bin and service: `Traffic.timeline`.", timeline.SCHEMA),
    ):
        parts += [f"## {title}\n", f"{what}\n", *_columns(schema), ""]
    return "\n".join(parts)


def _columns(schema: pa.Schema) -> Iterator[str]:
    yield "| column | type | null | meaning |"
    yield "|---|---|---|---|"
    for field in schema:
        doc = field.metadata[b"doc"].decode()
        yield f"| `{field.name}` | {_type(field.type)} | {'null' if field.nullable else ''} | {_cell(doc)} |"


def _type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return "word"
    if pa.types.is_timestamp(kind):
        return "time, UTC, ns"
    if pa.types.is_list(kind):
        return f"list of {_type(kind.value_type)}"
    return str(kind)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def evidence() -> str:
    """The kinds of evidence and what each weighs."""
    from classifier.roles.evidence import KINDS

    path = REPOSITORY / "rules/roles.toml"
    weights = tomllib.loads(path.read_text(encoding="utf-8"))
    parts = [
        "# Evidence\n",
        "Each kind gives log-odds: above 0 they speak for one end being the server, below 0 for the other.",
        "They add up. +2.2 is 90 %, +3 is 95 %, +4.6 is 99 %. A handshake is proof and isn't weighed.",
        "[How the server is found](../how-the-server-is-found.md) shows them at work.\n",
        "| kind | what it does | weights |",
        "|---|---|---|",
    ]
    for kind, found in KINDS.items():
        numbers = ", ".join(
            f"`{key}` {value:g}"
            for key, value in weights.get(kind, {}).items()
            if isinstance(value, int | float)
        )
        (first, *_) = (inspect.getdoc(found.weigh) or "").splitlines()
        parts.append(f"| `{kind}` | {_cell(first)} | {numbers} |")
    parts += [
        "\n## The weights, and why\n",
        "`rules/roles.toml`, as it is:\n",
        "```toml",
        path.read_text(encoding="utf-8").rstrip(),
        "```\n",
    ]
    return "\n".join(parts)


def exit_statuses() -> str:
    """How the command line ends."""
    from classifier.errors import ExitStatus

    source = inspect.getsource(ExitStatus)
    parts = ["# Exit statuses\n", "| status | name | means |", "|---:|---|---|"]
    notes: list[str] = []
    meanings = {
        "OK": "All was read.",
        "USAGE": "Wrong usage: an option, a condition, a flow that can't be read.",
    }
    for line in map(str.strip, source.splitlines()):
        if line.startswith("#:"):
            notes.append(line[2:].strip())
        elif " = " in line:
            name = line.partition(" = ")[0]
            parts.append(f"| {ExitStatus[name].value} | `{name}` | {' '.join(notes) or meanings[name]} |")
            notes = []
    return "\n".join([*parts, ""])


def signatures() -> str:
    """Return the table of protocols detected in the payload."""
    parts = [
        "# Payload signatures\n",
        "What the first packets with payload are compared with. How a signature is written:",
        "[rules](rules.md#payload).\n",
        "| protocol | transport | carrier | messages that tell a side | source |",
        "|---|---|---|---|---|",
    ]
    for path in sorted((REPOSITORY / "rules/payload").glob("*.toml")):
        for one in tomllib.loads(path.read_text(encoding="utf-8"))["protocol"]:
            sides = [message["from"] for message in one["messages"]]
            told = ", ".join(side for side in ("client", "server") if side in sides)
            parts.append(
                f"| `{one['name']}` | {one['transport']} | {'yes' if one.get('carrier') else ''} | {told} "
                f"| {_cell(one.get('source', ''))} |"
            )
    return "\n".join([*parts, ""])
