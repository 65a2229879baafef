"""Commands with many options: the help shows them in sections, the usual ones first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from classifier.cli.common import Command


class SectionedOption(click.Option):
    """An option that stands in a section of the help."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        """Take a section's title beside what every option takes."""
        super().__init__(*args, **kwargs)
        self.section = section


class Sectioned(click.Command):
    """A command whose help has sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options without a section first."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record and isinstance(param, click.Option):
                sections.setdefault(getattr(param, "section", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def option(section: str, *args: Any, **kwargs: Any) -> Callable[[Command], Command]:
    """Add an option to a section of the help."""
    return click.option(*args, cls=SectionedOption, section=section, **kwargs)
