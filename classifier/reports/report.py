"""`Report`: a report in every form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from classifier.reports.data import ReportData

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from classifier.reports.charts.chart_images import Format


class Report(ReportData):
    """A report on traffic, as `Traffic.report()` returns it.

    Notebooks show it as a table, rich's consoles as the command line does.
    """

    def to_html(self) -> str:
        """Return the whole report as one self-contained HTML page; needs the extra `web`."""
        from classifier.reports import html

        return html.build(self)

    def save_pictures(self, folder: str | os.PathLike[str], format: Format = "png") -> list[Path]:
        """Write the main charts to a folder and return the paths; needs the extra `web`.

        They are `timeline`, `services`, `conversations` and `evidence`, with the extension `.png` or `.svg`.
        The folder is created if missing; files of these names in it are replaced. ValueError: unknown format.
        """
        from classifier.reports.charts import chart_images

        if format not in get_args(chart_images.Format):
            raise ValueError(
                f"unknown format {format!r}; choose from {', '.join(get_args(chart_images.Format))}"
            )
        chart_images.check()
        paths = []
        os.makedirs(folder, exist_ok=True)
        for name, content in chart_images.draw(self, format):
            paths.append(Path(folder) / f"{name}.{format}")
            paths[-1].write_bytes(content)
        return paths

    def __repr__(self) -> str:
        """Describe it in a phrase."""
        by = f", by {self.by}" if self.by else ""
        return f"<Report on {self.traffic.metered}{by}>"

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        from classifier.reports.notebook import as_html

        return as_html(self)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what rich consoles show: the report of the command line."""
        from classifier.reports.notebook import as_text

        yield as_text(self, console, options.max_width)
