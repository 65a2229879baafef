"""The charts, as Vega-Lite: the same for the page, for PNG and for SVG.

Nothing is told by colour alone: names stand beside the marks, or in a legend and in tooltips.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import altair as alt
import pyarrow as pa

from classifier.reports import tabular
from classifier.reports.sankey import layout
from classifier.reports.tables import clean
from classifier.reports.terminal import size_text
from classifier.traffic import Traffic
from classifier.traffic.overview import ROLES

if TYPE_CHECKING:
    from classifier.reports.report import Report

Spec = dict[str, Any]
Chart = alt.TopLevelMixin
#: Services with a colour of their own; more can't be told apart.
COLOURS = 8
_BARS = 15
#: So many pairs of client and server are looked at, those of most bytes.
_CONVERSATIONS = 50_000
#: 0, 50k, 1M; Vega itself would write 0k.
_NUMBERS = alt.Axis(labelExpr="format(datum.value, '~s')", tickCount=5)
#: Times in which bytes are counted: seconds, unless that would make a thousandth of a byte the unit.
_UNITS = ((1, "second"), (3600, "hour"), (86_400, "day"))
#: Longer names are cut in the middle: both ends of an address, and its port, tell more.
_LONGEST = 24
_FIT = alt.AutoSizeParams(type="fit-x", contains="padding")
_FONT = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif"
#: At least 3:1 against their background (WCAG 2.2, 1.4.11), and apart for the colour-blind: Okabe and
#: Ito's order, darkened on white and lightened on black where needed; the last is for `other`.
_LIGHT = ["#0060a8", "#b35900", "#007a5a", "#a3417c", "#5a4fcf", "#8a6d00", "#00798c", "#b3261e", "#6b6b6b"]
_DARK = ["#5cb3ff", "#ffa64d", "#33c49b", "#ee8fc4", "#a89cff", "#e6c84d", "#4dd2e6", "#ff8a80", "#a6a6a6"]
#: How sure: the surer the darker, on white.
ROLE_COLOURS = {
    "light": ["#0b4f8a", "#3f88c5", "#c77700", "#8a8a8a"],
    "dark": ["#8cc8ff", "#4d94d6", "#ffb74d", "#9a9a9a"],
}


def config(theme: str) -> Spec:
    """Return Vega-Lite's configuration for `light` or `dark`."""
    ink, line, colours = ("#1b1f24", "#d5d9de", _LIGHT) if theme == "light" else ("#e8eaed", "#3a4048", _DARK)
    axis = {"labelColor": ink, "titleColor": ink, "gridColor": line, "domainColor": line, "tickColor": line}
    return {
        "background": None,
        "font": _FONT,
        "view": {"stroke": None},
        "axis": {**axis, "labelFontSize": 12, "titleFontSize": 12, "labelLimit": 220, "titleFontWeight": 500},
        "legend": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "labelLimit": 220},
        "range": {"category": colours, "ordinal": ROLE_COLOURS[theme]},
        "text": {"color": ink, "fontSize": 12},
        "title": {"color": ink},
    }


def all_charts(report: Report) -> dict[str, Spec]:
    """Return the charts by name; one that would be empty is left out."""
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
    """Return a chart as Vega-Lite, without the configuration that Altair adds: ours comes with the theme."""
    spec: Spec = _cleaned(chart.to_dict())
    spec.pop("config", None)
    return spec


def _cleaned(part: Any) -> Any:
    """Take out of all texts what no picture can show: control characters end the drawing program."""
    if isinstance(part, dict):
        return {name: _cleaned(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_cleaned(value) for value in part]
    return clean(part) if isinstance(part, str) else part


def over_time(timeline: pa.Table, interval_s: float, *, log: bool = False) -> Chart | None:
    """Draw the largest services, stacked, as bytes per second or longer; with `log` as lines of their own."""
    starts = timeline["start"].cast(pa.int64())  # as times pyarrow hands them over only through pandas
    rows = timeline.set_column(0, "start", starts).to_pylist()
    sizes: Counter[str] = Counter()
    for row in rows:
        sizes[_named(row)] += row["client_bytes"] + row["server_bytes"]
    largest = [name for name, _ in sizes.most_common(COLOURS)]
    sums: Counter[tuple[int, str]] = Counter()
    for row in rows:
        name = _named(row) if _named(row) in largest else "other"
        sums[row["start"] // 1_000_000, name] += row["client_bytes"] + row["server_bytes"]
    if not sums:
        return None
    heights: Counter[int] = Counter()
    for (start, _), size in sums.items():
        heights[start] += size
    peak = max(heights.values()) / interval_s
    unit_s, unit = next((unit for unit in _UNITS if peak * unit[0] >= 1), _UNITS[-1])
    order = [*largest, *(["other"] if len(sizes) > COLOURS else [])]
    values: list[dict[str, Any]] = []
    below: Counter[int] = Counter()
    for (start, name), size in sorted(sums.items(), key=lambda item: (item[0][0], order.index(item[0][1]))):
        if size or not log:
            low = below[start] * unit_s / interval_s
            below[start] += size
            high = (size if log else below[start]) * unit_s / interval_s
            end = start + round(interval_s * 1000)
            values.append(
                {
                    "start": start,
                    "end": end,
                    "service": name,
                    "low": low,
                    "rate": high,
                    "bytes": size_text(size),
                }
            )
    zoom = alt.selection_interval(bind="scales", encodings=["x"], zoom="wheel![event.shiftKey]", name="zoom")
    chart = alt.Chart(_data(values), height=280, width="container")
    marked = chart.mark_line(point=True) if log else chart.mark_rect()
    span_s = (max(below) - min(below)) / 1000
    days = "%Y-%m-%d" if span_s > 30 * 86_400 else "%m-%d %H:%M"
    shown = days if span_s > 86_400 else "%H:%M:%S" if span_s > 8 else "%H:%M:%S.%L"
    encoded: alt.Chart = marked.encode(
        x=alt.X(
            "start:T",
            title="time, UTC",
            scale=alt.Scale(type="utc"),
            axis=alt.Axis(format=shown, labelOverlap=True, tickCount=8),
        ),
        y=alt.Y(
            "rate:Q",
            title=f"bytes per {unit}",
            axis=_NUMBERS,
            scale=alt.Scale(type="log") if log else alt.Undefined,
            stack=None,
        ),
        color=alt.Color(
            "service:N",
            title=None,
            scale=alt.Scale(domain=order),
            legend=alt.Legend(orient="bottom", columns=2, symbolType="square"),
        ),
        tooltip=[
            alt.Tooltip("service:N"),
            alt.Tooltip("start:T", title="from", format="%Y-%m-%d %H:%M:%S.%L", formatType="utc"),
            alt.Tooltip("bytes:N"),
        ],
    )
    if not log:
        encoded = encoded.encode(x2="end:T", y2="low:Q")
    encoded = encoded.add_params(zoom).properties(
        autosize=_FIT, description=f"Bytes per {unit} by service, in bins of {interval_s:g} s"
    )
    return encoded


def _named(row: dict[str, Any]) -> str:
    return f"{row['service'] or '(no rule)'}/{row['proto']}"


def services(table: pa.Table) -> Chart | None:
    """Draw the bytes of the largest services, what clients and servers sent one behind the other."""
    rows = [row for row in tabular.rows(table) if row["bytes"]]
    if not rows:
        return None
    shown, rest = rows[:_BARS], rows[_BARS:]
    values = [
        {
            "service": _named(row),
            "sent by": f"{side}s",
            "bytes": int(row[f"{side}_bytes"]),
            "text": size_text(int(row[f"{side}_bytes"])),
            "place": place,
        }
        for place, row in enumerate(shown)
        for side in ("server", "client")
    ]
    if rest:
        for side in ("server", "client"):
            size = sum(int(row[f"{side}_bytes"]) for row in rest)
            name = f"{len(rest):,} others"
            values.append(
                {
                    "service": name,
                    "sent by": f"{side}s",
                    "bytes": size,
                    "text": size_text(size),
                    "place": _BARS,
                }
            )
    order = alt.EncodingSortField("place", op="min")
    base = alt.Chart(_data(values), height=alt.Step(24), width="container").encode(
        y=alt.Y("service:N", sort=order, title=None)
    )
    bars: alt.Chart = base.mark_bar(height=16).encode(
        x=alt.X("sum(bytes):Q", title="bytes", axis=_NUMBERS),
        color=alt.Color("sent by:N", title="sent by", legend=alt.Legend(orient="top")),
        order=alt.Order("sent by:N", sort="descending"),
        tooltip=[
            alt.Tooltip("service:N"),
            alt.Tooltip("sent by:N"),
            alt.Tooltip("text:N", title="bytes"),
        ],
    )
    bars = bars.properties(autosize=_FIT, description="Bytes of each service, by who sent them")
    return bars


def who_talks_to_whom(conversations: pa.Table) -> Chart | None:
    """Draw ribbons from clients by way of services to servers, as wide as their bytes."""
    picture = layout(conversations)
    if not picture.nodes:
        return None
    deepest = max(sum(node["place"] == place for node in picture.nodes) for place in range(3))
    height = max(200, 36 * deepest)
    x = alt.X("x:Q", scale=alt.Scale(domain=[-1, 3.15], nice=False, zero=False), axis=None)
    y = alt.Y("y:Q", scale=alt.Scale(domain=[0, 1], reverse=True, nice=False), axis=None)
    over = alt.selection_point(on="pointerover", fields=["link"], empty=False, name="over")
    # As over time: the largest have a colour each, all others one.
    named = [node["name"] for node in picture.nodes if node["place"] == 1 and node["name"] != "other"]
    named = named[:COLOURS]
    coloured = [
        {**point, "colour": point["service"] if point["service"] in named else "other"}
        for point in picture.ribbons
    ]
    ribbons = (
        alt.Chart(_data(coloured))
        .mark_area(line=False, interpolate="linear")
        .encode(
            x=x,
            y=y,
            y2="y2:Q",
            detail="link:N",
            color=alt.Color("colour:N", legend=None, scale=alt.Scale(domain=[*named, "other"])),
            opacity=alt.condition(over, alt.value(0.85), alt.value(0.4)),
            tooltip=[alt.Tooltip("from:N"), alt.Tooltip("to:N"), alt.Tooltip("bytes:N")],
        )
        .add_params(over)
    )
    nodes = (
        alt.Chart(_data(picture.nodes))
        .mark_rect(color="#7d868f")
        .encode(x=x, x2="x2:Q", y=y, y2="y2:Q", tooltip=[alt.Tooltip("name:N"), alt.Tooltip("bytes:N")])
    )
    sides: list[tuple[int, Literal["left", "right"], float]] = [
        (0, "right", 0.235),
        (1, "left", 0.24),
        (2, "left", 0.24),
    ]
    texts = [
        alt.Chart(_data([_beside(node) for node in picture.nodes if node["place"] == place]))
        .mark_text(align=align, baseline="middle", limit=alt.ExprRef(f"width * {limit}"))
        .encode(x=x, y=y, text="label:N", tooltip=[alt.Tooltip("name:N"), alt.Tooltip("bytes:N")])
        for place, align, limit in sides
    ]
    heads = (
        alt.Chart(
            _data([{"x": x, "label": name} for x, name in enumerate(("clients", "services", "servers"))])
        )
        .mark_text(dy=-14, fontWeight="bold", baseline="bottom", align="center")
        .encode(x=x, y=alt.value(0), text="label:N")
    )
    return alt.layer(ribbons, nodes, *texts, heads).properties(
        width="container",
        height=height,
        padding={"top": 24, "bottom": 6, "left": 4, "right": 4},
        description="Who talks to whom: clients, services, servers, ribbons as wide as their bytes",
    )


def _beside(node: dict[str, Any]) -> dict[str, Any]:
    x = node["x"] - 0.015 if node["place"] == 0 else node["x2"] + 0.015
    return {
        **node,
        "x": x,
        "y": (node["y"] + node["y2"]) / 2,
        "label": f"{_short(node['name'])} {node['bytes']}",
    }


def _short(name: str) -> str:
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[: half - 1]}…{name[-half:]}"


def evidence(traffic: Traffic) -> Chart | None:
    """Draw how many flows each kind of evidence decided, by how sure that made their server."""
    values: list[dict[str, Any]] = [
        {
            "evidence": kind.replace("_", " "),
            "known": role,
            "flows": counts["strongest"],
            "also": counts["flows"] - counts["strongest"],
            "place": ROLES.index(role),
        }
        for (role, kind), counts in traffic.overview.evidence.items()
        if counts["strongest"]
    ]
    nothing = {role: counts["flows"] for role, counts in traffic.overview.roles.items()}
    for row in values:
        nothing[row["known"]] -= row["flows"]
    values += [
        {"evidence": "(nothing)", "known": role, "flows": flows, "also": 0, "place": ROLES.index(role)}
        for role, flows in nothing.items()
        if flows > 0
    ]
    if not values:
        return None
    bars: alt.Chart = (
        alt.Chart(_data(values), height=alt.Step(24), width="container")
        .mark_bar(height=16)
        .encode(
            x=alt.X("flows:Q", title="flows", axis=_NUMBERS),
            y=alt.Y("evidence:N", title=None, sort="-x"),
            color=alt.Color(
                "known:O",
                title="server is",
                sort=list(ROLES),
                scale=alt.Scale(domain=list(ROLES), range="ordinal"),
                legend=alt.Legend(orient="top", symbolType="square", columns=2),
            ),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("evidence:N", title="strongest evidence"),
                alt.Tooltip("known:N", title="server is"),
                alt.Tooltip("flows:Q", format=","),
                alt.Tooltip("also:Q", title="spoke also for", format=","),
            ],
        )
        .properties(autosize=_FIT, description="Flows by the strongest evidence for their server")
    )
    return bars


def _data(values: list[dict[str, Any]]) -> alt.InlineData:
    return alt.InlineData(values=values)
