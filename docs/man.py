"""Manual pages, made from the commands' help: `python docs/man.py FOLDER`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import program
from reference import commands


def page(name: str, command: click.Command, context: click.Context) -> str:
    """Return a command's manual page in roff, for man(1)."""
    title = name.replace(" ", "-")
    usage = " ".join(command.collect_usage_pieces(context))
    description = "".join(_paragraphs(f"{command.help or ''}\n\n{command.epilog or ''}")).rstrip()
    parts = [
        f'.TH {_safe(title.upper())} 1 "" "classifier {version("pcap-classifier")}" "classifier"',
        f".SH NAME\n{_safe(title)} \\- {_safe(command.get_short_help_str(300).rstrip('.'))}",
        f".SH SYNOPSIS\n.B {_safe(name)}\n{_safe(usage)}",
        f".SH DESCRIPTION\n{description}",
        ".SH OPTIONS",
    ]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and isinstance(parameter, click.Option):
            option, meaning = record
            parts.append(f".TP\n.B {_safe(option)}\n{_safe(' '.join(meaning.split()))}")
    others = [_safe(other.replace(" ", "-")) for other, _, _ in commands() if other != name]
    parts += [".SH SEE ALSO", *(f".BR {other} (1)" for other in others), ""]
    return "\n".join(parts)


def _paragraphs(text: str) -> Iterator[str]:
    """Yield paragraphs; those after click's mark stay as they are."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        lines = list(filter(None, map(str.strip, paragraph.split("\n"))))
        if not lines:
            continue
        if lines[0] == "\b":
            yield ".PP\n.nf\n" + "\n".join(map(_safe, lines[1:])) + "\n.fi\n"
        else:
            yield f".PP\n{_safe(' '.join(lines))}\n"


def _safe(text: str) -> str:
    """Keep roff from reading text as requests or as typesetting."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def write(folder: Path) -> list[Path]:
    """Write a page for each command."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with program.settings():
        for name, command, context in commands():
            path = folder / f"{name.replace(' ', '-')}.1"
            path.write_text(page(name, command, context), encoding="utf-8")
            written.append(path)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for path in write(Path(sys.argv[1])):
        print(path)
