"""Help in sections, for commands with many options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
#: A described option, which is added once its section is known.
Described = Callable[[str], Callable[[Any], Any]]


class GroupedOption(click.Option):
    """An option in a section of the help, by its title."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class GroupedCommand(click.Command):
    """A command whose help has sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by section: those without one first, or last if it is only --help."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record and isinstance(param, click.Option):
                sections.setdefault(getattr(param, "section", "Options"), []).append(record)
        if len(sections["Options"]) == 1:
            sections["Options"] = sections.pop("Options")
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def option(section: str, *args: Any, **kwargs: Any) -> Callable[[Command], Command]:
    """Add an option to a section of the help."""
    return click.option(*args, cls=GroupedOption, section=section, **kwargs)


def described(*args: Any, **kwargs: Any) -> Described:
    """Describe an option for `options`."""
    return lambda section: option(section, *args, **kwargs)


def options(section: str, *added: Described) -> Callable[[Command], Command]:
    """Add options to a section of the help, in the order given."""

    def add(command: Command) -> Command:
        for one in reversed(added):
            command = one(section)(command)
        return command

    return add
