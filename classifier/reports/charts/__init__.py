"""The charts, as Vega-Lite: the same for the page, for PNG and for SVG.

Nothing depends on colour alone: names are beside the marks, or in a legend and tooltips.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from classifier.reports.charts.chart_theme import Chart, Spec, config
from classifier.reports.charts.conversations import who_talks_to_whom
from classifier.reports.charts.evidence import evidence
from classifier.reports.charts.services import services
from classifier.reports.charts.timeline import over_time
from classifier.reports.text.tables import clean

if TYPE_CHECKING:
    from classifier.reports.data import ReportData

__all__ = ["all_charts", "config"]

#: Conversations drawn: those with the most bytes.
_CONVERSATIONS = 50_000


def all_charts(report: ReportData) -> dict[str, Spec]:
    """Return the charts by name, without empty ones."""
    traffic = report.traffic
    largest = traffic.totals.conversations(_CONVERSATIONS).slice(0, _CONVERSATIONS)
    conversations = report.named(largest)
    timeline = traffic.over_time(report.interval_s)
    interval_s = report.interval_s or traffic.interval_s
    makers: dict[str, Callable[[], Chart | None]] = {
        "timeline": lambda: over_time(timeline, interval_s),
        "timeline-log": lambda: over_time(timeline, interval_s, log=True),
        "services": lambda: services(traffic.totals.services()),
        "conversations": lambda: who_talks_to_whom(conversations),
        "evidence": lambda: evidence(traffic),
    }
    made = {name: make() for name, make in makers.items()}
    return {name: _spec(chart) for name, chart in made.items() if chart is not None}


def _spec(chart: Chart) -> Spec:
    """Return a chart as Vega-Lite, without Altair's default configuration, which the theme replaces."""
    spec: Spec = _cleaned(chart.to_dict())
    spec.pop("config", None)
    return spec


def _cleaned(part: Any) -> Any:
    """Replace control characters in all texts; they crash the renderer."""
    if isinstance(part, dict):
        return {name: _cleaned(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_cleaned(value) for value in part]
    return clean(part) if isinstance(part, str) else part
