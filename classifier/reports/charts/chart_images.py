"""The main charts as PNG and SVG, drawn without a browser or network access."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from classifier.errors import MissingExtraError
from classifier.reports.text.tables import clean
from classifier.wording import listed

if TYPE_CHECKING:
    from classifier.reports.data import ReportData

Format = Literal["png", "svg"]
#: Titles of the charts, by file name.
TITLES = {
    "timeline": "Traffic over time",
    "services": "Services by bytes",
    "conversations": "Conversations",
    "evidence": "Evidence for the server role",
}
#: Width in pixels, and the scale of a PNG, for high-resolution screens and print.
_WIDTH = 900
_SCALE = 2
#: Pixels between title and chart, for the column heads of the conversations.
_OFFSET = 28
#: vl-convert ships this font, so that a chart is the same everywhere.
_FONT = "Liberation Sans, Arial, sans-serif"


def check() -> None:
    """Raise MissingExtraError if charts can't be drawn; called before the captures are read."""
    try:
        import altair  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("drawing charts", "web") from error


def draw(report: ReportData, format: Format) -> Iterator[tuple[str, bytes]]:
    """Yield the name of each picture and its content; one that would be empty is left out.

    MissingExtraError: the libraries of the extra `web` are missing.
    """
    check()
    import vl_convert

    from classifier.reports.charts import all_charts, config

    data = report.to_dict()
    specs = all_charts(report)
    for name, title in TITLES.items():
        if name not in specs:
            continue
        spec = specs[name] | {
            "title": _title(title, data),
            "background": "white",
            "padding": 16,
            "width": _WIDTH,
        }
        look = config("light") | {"font": _FONT}
        if format == "png":
            drawn = vl_convert.vegalite_to_png(spec, scale=_SCALE, config=look, allowed_base_urls=[])
        else:
            drawn = vl_convert.vegalite_to_svg(spec, config=look, allowed_base_urls=[]).encode()
        yield name, drawn


def _title(title: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return a title with the captures and times, so that a chart stands alone where it is pasted."""
    of = f"{listed(data['captures'], 1)}, {data['first_seen']} to {data['last_seen']}"
    return {"text": title, "subtitle": clean(of), "anchor": "start", "offset": _OFFSET}
