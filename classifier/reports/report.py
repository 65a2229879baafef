"""`Report`: what is told about some traffic, in every form."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pyarrow as pa

from classifier.reports.hosts import Hosts
from classifier.reports.summary import summary
from classifier.traffic import Traffic
from classifier.traffic.public import with_filtered

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from classifier.reports.charts.chart_images import Format


@dataclass(frozen=True, repr=False)
class Report:
    """A report on traffic, as `Traffic.report()` returns it.

    `top` cuts each table to so many rows, the rest summed up as `other`; `by` asks for one table by
    `service`, `server`, `client`, `port`, `vlan`, `capture` or `category` instead of all; `hosts` names
    addresses; `interval_s` is the width of time bins. Notebooks show it as a table, rich's consoles as
    the command line does.
    """

    traffic: Traffic
    top: int | None = None
    by: str | None = None
    hosts: Hosts | None = None
    interval_s: float | None = None

    def table(self) -> pa.Table:
        """Return the one table that formats without structure have: by service, by time, or as `by` says."""
        if self.interval_s:
            return self.traffic.over_time(self.interval_s)
        if self.by:
            found, label = self.traffic.breakdown(self.by, self.top), "group"
        else:
            found, label = self.traffic.totals.services(self.top), "service"
        return self.named(with_filtered(found, label, self.traffic.left_out))

    def named(self, table: pa.Table) -> pa.Table:
        """Add the names of addresses to a table, if there are any."""
        return self.hosts.named(table) if self.hosts else table

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return summary(self.traffic, self.top, by=self.by, hosts=self.hosts, interval_s=self.interval_s)

    def to_json(self) -> str:
        """Return all of it as JSON."""
        return json.dumps(self.to_dict(), indent=2)

    def to_html(self) -> str:
        """Return all of it as one self-contained page; needs the extra `web`."""
        from classifier.reports import html

        return html.build(self)

    def save_pictures(self, folder: str | os.PathLike[str], format: Format = "png") -> list[Path]:
        """Write the main charts to a folder and return the paths; needs the extra `web`.

        They are `timeline`, `services`, `conversations` and `evidence`, each with the ending `.png` or
        `.svg`; the folder is made where it is missing, and what has such a name in it is replaced.
        ValueError: another format.
        """
        from classifier.reports.charts import chart_images

        if format not in get_args(chart_images.Format):
            raise ValueError(f"{format!r} is none of {', '.join(get_args(chart_images.Format))}")
        chart_images.check()
        paths = []
        os.makedirs(folder, exist_ok=True)
        for name, content in chart_images.draw(self, format):
            paths.append(Path(folder) / f"{name}.{format}")
            paths[-1].write_bytes(content)
        return paths

    def __repr__(self) -> str:
        """Say in a sentence what it is about."""
        by = f", by {self.by}" if self.by else ""
        return f"<Report on {self.traffic.metered}{by}>"

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        from classifier.reports.notebook import as_html

        return as_html(self)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what rich's consoles show: the report of the command line."""
        from classifier.reports.notebook import as_text

        yield as_text(self, console, options.max_width)
