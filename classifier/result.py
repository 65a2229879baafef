"""`Traffic`: what `read()` returns."""

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
    """The flows of one or more captures, judged, and how they are shown.

    `flows`, `services` and `servers` are pandas DataFrames, made when first asked for; `batches()`
    and `to_arrow()` give the flows as Arrow. `accounting` has the packets by reason. `report()` has
    everything in every form; notebooks and rich's consoles show it.
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

        `top` cuts each table to so many rows and one of the others' sums; `by` makes it one table by
        `service`, `server`, `client`, `port`, `vlan`, `capture` or `category`; `hosts` is a hosts file
        that names addresses (NamesError: it can't be read), before what DNS answers said if those were
        read; `interval_s` is the width of time bins. ValueError: no rows, or no such thing to group by.
        """
        from classifier.reports.hosts import Hosts, known, load
        from classifier.reports.report import Report

        if by is not None and by not in BY:
            raise ValueError(f"{by!r} is none of {', '.join(BY)}")
        if top is not None and top < 1:
            raise ValueError(f"{top} rows can't be; choose 1 or more")
        named = hosts if isinstance(hosts, Hosts) or hosts is None else load(hosts)
        return Report(self, top, by, known(named, self.metered), interval_s)

    def _repr_html_(self) -> str:
        """Return what notebooks show: the services."""
        return self.report()._repr_html_()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what rich's consoles show: the report of the command line."""
        yield self.report()
