"""`Traffic`: the result of `read()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classifier.traffic.judged_flows import JudgedFlows
from classifier.traffic.views import BY

if TYPE_CHECKING:
    import os

    from rich.console import Console, ConsoleOptions, RenderResult

    from classifier.reports.hosts import Hosts
    from classifier.reports.report import Report


class Traffic(JudgedFlows):
    """The judged flows of one or more captures, with their reports.

    `flows`, `services` and `servers` are pandas DataFrames, created on first use; `batches()`
    and `to_arrow()` give the flows as Arrow. `accounting` has the packets by reason. `report()` has
    all tables in all output formats; notebooks and rich consoles show it.
    """

    def report(
        self,
        *,
        top: int | None = None,
        by: str | None = None,
        hosts: Hosts | str | os.PathLike[str] | None = None,
        interval_s: float | None = None,
    ) -> Report:
        """Return a report: `to_html()`, `to_json()`, `save_pictures()`; notebooks show it as a table.

        `top` limits the rows of each table, the rest are totalled as `other`; `by` gives one table by
        `service`, `server`, `client`, `port`, `vlan`, `capture` or `category` instead; `hosts` is a hosts
        file, which takes precedence over names from DNS answers; `interval_s` is the width of time bins.
        NamesError: the hosts file is invalid. ValueError: `top` or `by` is invalid.
        """
        from classifier.reports.hosts import Hosts, known, load
        from classifier.reports.report import Report

        if by is not None and by not in BY:
            raise ValueError(f"unknown group {by!r}; choose from {', '.join(BY)}")
        if top is not None and top < 1:
            raise ValueError(f"top must be 1 or more, not {top}")
        named = hosts if isinstance(hosts, Hosts) or hosts is None else load(hosts)
        return Report(self, top, by, known(named, self.metered), interval_s)

    def _repr_html_(self) -> str:
        """Return what notebooks show: the services."""
        return self.report()._repr_html_()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what rich consoles show: the report of the command line."""
        yield self.report()
