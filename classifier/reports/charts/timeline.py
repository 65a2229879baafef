"""The chart of services over time: the largest ones, stacked, or as lines on a logarithmic scale."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import altair as alt
import pyarrow as pa

from classifier.reports.charts.chart_theme import COLOURS, FIT, NUMBERS, Chart, data
from classifier.wording import service_text, size_text

#: Units of the rate, by seconds; longer ones where rates are below one byte per second.
_UNITS = ((1, "second"), (3600, "hour"), (86_400, "day"))


@dataclass(frozen=True)
class _Bins:
    """The data of the chart: bytes by bin start, in milliseconds, and service."""

    sums: Counter[tuple[int, str]]
    #: The services, the largest first, `other` last if there are more.
    services: list[str]
    interval_s: float

    @property
    def unit(self) -> tuple[int, str]:
        """Unit of the rate, in seconds and by name; chosen by the highest bin."""
        heights: Counter[int] = Counter()
        for (start, _), size in self.sums.items():
            heights[start] += size
        peak = max(heights.values()) / self.interval_s
        return next((unit for unit in _UNITS if peak * unit[0] >= 1), _UNITS[-1])

    @property
    def time_format(self) -> str:
        """Format of the times on the axis, no finer than the span needs."""
        starts = [start for start, _ in self.sums]
        span_s = (max(starts) - min(starts)) / 1000
        days = "%Y-%m-%d" if span_s > 30 * 86_400 else "%m-%d %H:%M"
        return days if span_s > 86_400 else "%H:%M:%S" if span_s > 8 else "%H:%M:%S.%L"


def over_time(timeline: pa.Table, interval_s: float, *, log: bool = False) -> Chart | None:
    """Draw the rates of the largest services, stacked, or with `log` as one line each."""
    bins = _bins(timeline, interval_s)
    if not bins.sums:
        return None
    zoom = alt.selection_interval(bind="scales", encodings=["x"], zoom="wheel![event.shiftKey]", name="zoom")
    chart = alt.Chart(data(_marks(bins, log)), height=280, width="container")
    encoded = _encoded(chart.mark_line(point=True) if log else chart.mark_rect(), bins, log)
    if not log:
        encoded = encoded.encode(x2="end:T", y2="low:Q")
    return encoded.add_params(zoom).properties(
        autosize=FIT, description=f"Bytes per {bins.unit[1]} by service, in bins of {interval_s:g} s"
    )


def _bins(timeline: pa.Table, interval_s: float) -> _Bins:
    """Total all but the largest services."""
    starts = timeline["start"].cast(pa.int64())  # pyarrow converts timestamps only through pandas
    rows = timeline.set_column(0, "start", starts).to_pylist()
    sizes: Counter[str] = Counter()
    for row in rows:
        sizes[_service(row)] += row["client_bytes"] + row["server_bytes"]
    largest = [name for name, _ in sizes.most_common(COLOURS)]
    sums: Counter[tuple[int, str]] = Counter()
    for row in rows:
        name = _service(row) if _service(row) in largest else "other"
        sums[row["start"] // 1_000_000, name] += row["client_bytes"] + row["server_bytes"]
    return _Bins(sums, [*largest, *(["other"] if len(sizes) > COLOURS else [])], interval_s)


def _service(row: dict[str, Any]) -> str:
    return service_text(row["service"], row["proto"])


def _marks(bins: _Bins, log: bool) -> list[dict[str, Any]]:
    """Return the marks, each from `low` to `rate`; the services are stacked unless `log`."""
    per_byte = bins.unit[0] / bins.interval_s
    marks: list[dict[str, Any]] = []
    below: Counter[int] = Counter()
    in_order = sorted(bins.sums.items(), key=lambda item: (item[0][0], bins.services.index(item[0][1])))
    for (start, name), size in in_order:
        if size or not log:
            low = below[start]
            below[start] += size
            marks.append(
                {
                    "start": start,
                    "end": start + round(bins.interval_s * 1000),
                    "service": name,
                    "low": low * per_byte,
                    "rate": (size if log else below[start]) * per_byte,
                    "bytes": size_text(size),
                }
            )
    return marks


def _encoded(marked: alt.Chart, bins: _Bins, log: bool) -> alt.Chart:
    """Return the marks with axes, colours and tooltips."""
    encoded: alt.Chart = marked.encode(
        x=alt.X(
            "start:T",
            title="Time (UTC)",
            scale=alt.Scale(type="utc"),
            axis=alt.Axis(format=bins.time_format, labelOverlap=True, tickCount=8),
        ),
        y=alt.Y(
            "rate:Q",
            title=f"Bytes per {bins.unit[1]}",
            axis=NUMBERS,
            scale=alt.Scale(type="log") if log else alt.Undefined,
            stack=None,
        ),
        color=alt.Color(
            "service:N",
            title=None,
            scale=alt.Scale(domain=bins.services),
            legend=alt.Legend(orient="bottom", columns=2, symbolType="square"),
        ),
        tooltip=[
            alt.Tooltip("service:N", title="Service"),
            alt.Tooltip("start:T", title="From", format="%Y-%m-%dT%H:%M:%S.%LZ", formatType="utc"),
            alt.Tooltip("bytes:N", title="Bytes"),
        ],
    )
    return encoded
