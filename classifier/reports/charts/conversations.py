"""The chart of conversations: ribbons from clients through services to servers."""

from __future__ import annotations

from typing import Any, Literal

import altair as alt
import pyarrow as pa

from classifier.reports.charts.chart_theme import COLOURS, Chart, data
from classifier.reports.charts.sankey import SankeyLayout, layout

#: Characters of a name; longer ones are shortened in the middle, which keeps the port.
_LONGEST = 24
#: Alignment of the names of clients, services and servers, and the share of the width that they may take.
_SIDES: tuple[tuple[Literal["left", "right"], float], ...] = (
    ("right", 0.235),
    ("left", 0.24),
    ("left", 0.24),
)
_HEADS = ("Clients", "Services", "Servers")
_X = alt.X("x:Q", scale=alt.Scale(domain=[-1, 3.15], nice=False, zero=False), axis=None)
_Y = alt.Y("y:Q", scale=alt.Scale(domain=[0, 1], reverse=True, nice=False), axis=None)


def who_talks_to_whom(conversations: pa.Table) -> Chart | None:
    """Draw ribbons from clients through services to servers, as wide as their bytes."""
    picture = layout(conversations)
    if not picture.nodes:
        return None
    deepest = max(sum(node["place"] == place for node in picture.nodes) for place in range(3))
    return alt.layer(_ribbons(picture), _nodes(picture), *_names(picture), _heads()).properties(
        width="container",
        height=max(200, 36 * deepest),
        padding={"top": 24, "bottom": 6, "left": 4, "right": 4},
        description="Conversations: clients, services, servers; ribbons as wide as their bytes",
    )


def _ribbons(picture: SankeyLayout) -> alt.Chart:
    """Draw the ribbons; the one under the pointer is highlighted."""
    over = alt.selection_point(on="pointerover", fields=["link"], empty=False, name="over")
    # As in the timeline: one colour for each of the largest services, one for all others.
    named = [node["name"] for node in picture.nodes if node["place"] == 1 and node["name"] != "other"]
    named = named[:COLOURS]
    coloured = [
        {**point, "colour": point["service"] if point["service"] in named else "other"}
        for point in picture.ribbons
    ]
    marked = alt.Chart(data(coloured)).mark_area(line=False, interpolate="linear")
    encoded: alt.Chart = marked.encode(
        x=_X,
        y=_Y,
        y2="y2:Q",
        detail="link:N",
        color=alt.Color("colour:N", legend=None, scale=alt.Scale(domain=[*named, "other"])),
        opacity=alt.condition(over, alt.value(0.85), alt.value(0.4)),
        tooltip=[alt.Tooltip("from:N"), alt.Tooltip("to:N"), alt.Tooltip("bytes:N")],
    )
    return encoded.add_params(over)


def _nodes(picture: SankeyLayout) -> alt.Chart:
    marked = alt.Chart(data(picture.nodes)).mark_rect(color="#7d868f")
    encoded: alt.Chart = marked.encode(x=_X, x2="x2:Q", y=_Y, y2="y2:Q", tooltip=_tooltip())
    return encoded


def _names(picture: SankeyLayout) -> list[alt.Chart]:
    """Draw each node's name and bytes beside it, on a halo that separates the letters from ribbons."""
    return [
        alt.Chart(data([_beside(node) for node in picture.nodes if node["place"] == place]))
        .mark_text(align=align, baseline="middle", limit=alt.ExprRef(f"width * {limit}"), style=style)
        .encode(x=_X, y=_Y, text="label:N", tooltip=_tooltip())
        for place, (align, limit) in enumerate(_SIDES)
        for style in ("halo", "text")
    ]


def _tooltip() -> list[alt.Tooltip]:
    return [alt.Tooltip("name:N"), alt.Tooltip("bytes:N")]


def _heads() -> alt.Chart:
    """Draw the heading above each column of nodes."""
    marked = alt.Chart(data([{"x": x, "label": name} for x, name in enumerate(_HEADS)])).mark_text(
        dy=-14, fontWeight="bold", baseline="bottom", align="center"
    )
    encoded: alt.Chart = marked.encode(x=_X, y=alt.value(0), text="label:N")
    return encoded


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
