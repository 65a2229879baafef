"""`classifier rules`: check the user's own rules."""

from __future__ import annotations

from pathlib import Path

import click

from classifier.cli import common
from classifier.errors import ExitStatus

EXAMPLES = """
\b
Examples:
  classifier rules check mine.toml
  classifier rules schema
"""


@click.group(short_help="Check your own port rules.", epilog=EXAMPLES)
def rules() -> None:
    """Your own rules name services by port, or by address and port.

    They are read from --rules FILE, else from the file in CLASSIFIER_RULES, else from rules.toml in your
    configuration folder; `classifier rules check` prints its path.
    """


@rules.command(short_help="Report errors in rule files, with line, rule and reason.")
@click.argument("files", nargs=-1, metavar="[FILE…]", type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> ExitStatus:
    """Report errors in rule files: line, rule and reason. Without FILE, check the one in use.

    \b
    Examples:
      classifier rules check
      classifier rules check mine.toml
    """
    from classifier.ports.rule_files import user_file, usual_file
    from classifier.ports.rules import check_user_file

    if not files:
        used = user_file()
        if used is None:
            click.echo(f"no rules of your own in use; {usual_file()} would be read")
            return ExitStatus.OK
        files = (used,)
    bad = False
    for path in files:
        services, problems = check_user_file(path)
        for problem in problems:
            common.complain(problem)
        bad |= bool(problems)
        if not problems:
            click.echo(f"{path}: OK; services: {', '.join(service.name for service in services) or 'none'}")
    return ExitStatus.BAD_RULES if bad else ExitStatus.OK


@rules.command(short_help="Print the JSON Schema of rule files, for editors.")
def schema() -> ExitStatus:
    """Print the JSON Schema of rule files, for editors that check while you type.

    \b
    Examples:
      classifier rules schema
      classifier rules schema > classifier-rules.schema.json
    """
    from classifier.ports.rule_files import FOLDER

    click.echo((FOLDER / "user_rules.schema.json").read_text(encoding="utf-8"), nl=False)
    return ExitStatus.OK
