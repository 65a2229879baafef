"""The main charts as PNG and SVG, drawn without a browser and without the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from classifier.errors import MissingExtraError
from classifier.reports.text.tables import clean
from classifier.wording import listed

if TYPE_CHECKING:
    from classifier.reports.data import ReportData

Format = Literal["png", "svg"]
#: The pictures, and what stands above each.
TITLES = {
    "timeline": "Traffic over time",
    "services": "Services by bytes",
    "conversations": "Who talks to whom",
    "evidence": "How the servers are known",
}
#: In pixels; PNG has twice as many, for screens and paper with fine dots.
_WIDTH = 900
_SCALE = 2
#: Between the title and the chart: room for the heads of who talks to whom.
_OFFSET = 28
#: vl-convert brings this one along, so that a picture is the same everywhere.
_FONT = "Liberation Sans, Arial, sans-serif"


def check() -> None:
    """Raise MissingExtraError if no picture can be drawn: better before an hour's reading than after."""
    try:
        import altair  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("drawing charts", "web") from error


def draw(report: ReportData, format: Format) -> Iterator[tuple[str, bytes]]:
    """Yield the name of each picture and its content; one that would be empty is left out.

    Raises MissingExtraError without the libraries of the extra `web`.
    """
    check()
    import vl_convert

    from classifier.reports.charts import all_charts, config

    told = report.to_dict()
    specs = all_charts(report)
    for name, title in TITLES.items():
        if name not in specs:
            continue
        spec = specs[name] | {
            "title": _title(title, told),
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


def _title(title: str, told: dict[str, Any]) -> dict[str, Any]:
    """Say above a picture what it shows and of what: it may be pasted anywhere."""
    of = f"{listed(told['captures'], 1)}, {told['first_seen']} to {told['last_seen']}"
    return {"text": title, "subtitle": clean(of), "anchor": "start", "offset": _OFFSET}
