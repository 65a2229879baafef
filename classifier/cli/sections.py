"""Options in groups, so that a long help can be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class Option(click.Option):
    """An option that is shown under a heading of its own."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        """Take the heading, and all that an option takes."""
        super().__init__(*args, **kwargs)
        self.section = section


class Sectioned(click.Command):
    """A command whose help shows its options by section, in the order of the first of each."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those without a section last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and isinstance(parameter, click.Option):
                sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        for section in sorted(sections, key=lambda name: name == "Options"):
            with formatter.section(section):
                formatter.write_dl(sections[section])


def options(section: str, *added: Callable[..., Any]) -> Callable[[Command], Command]:
    """Add options, in the order in which they are given; each is a function that takes the class."""

    def add(command: Command) -> Command:
        for option in reversed(added):
            command = option(section)(command)
        return command

    return add


def option(*names: str, **how: Any) -> Callable[[str], Callable[[Command], Command]]:
    """Describe an option for `options`."""
    return lambda section: click.option(*names, cls=Option, section=section, **how)
