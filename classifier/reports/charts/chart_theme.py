"""The theme of all charts: colours, axes, sizes."""

from __future__ import annotations

from typing import Any

import altair as alt

Spec = dict[str, Any]
Chart = alt.TopLevelMixin
#: Services with a colour of their own; more colours are indistinguishable.
COLOURS = 8
#: 0, 50k, 1M; Vega itself would write 0k.
NUMBERS = alt.Axis(labelExpr="format(datum.value, '~s')", tickCount=5)
#: Height of a bar's row.
STEP = 24
FIT = alt.AutoSizeParams(type="fit-x", contains="padding")
_FONT = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif"
#: Contrast of at least 3:1 with the background (WCAG 2.2, 1.4.11), distinguishable by the colour-blind: Okabe
#: and Ito's order, darkened on white and lightened on black where needed; the last is for `other`.
_LIGHT = ["#0060a8", "#b35900", "#007a5a", "#a3417c", "#5a4fcf", "#8a6d00", "#00798c", "#b3261e", "#6b6b6b"]
_DARK = ["#5cb3ff", "#ffa64d", "#33c49b", "#ee8fc4", "#a89cff", "#e6c84d", "#4dd2e6", "#ff8a80", "#a6a6a6"]
#: Sender, client or server: not a colour of a service.
_SIDES = {"light": ["#808a96", "#36404c"], "dark": ["#76828f", "#d3dae2"]}
_PAPER = {"light": "#fff", "dark": "#14171a"}
#: Roles: on white, higher confidence is darker.
_ROLE_COLOURS = {
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
        "range": {"category": colours, "ordinal": _ROLE_COLOURS[theme], "diverging": _SIDES[theme]},
        # Behind names drawn on marks.
        "style": {
            "halo": {"stroke": _PAPER[theme], "strokeWidth": 4, "strokeJoin": "round", "strokeOpacity": 0.8}
        },
        "text": {"color": ink, "fontSize": 12},
        "title": {"color": ink},
    }


def data(values: list[dict[str, Any]]) -> alt.InlineData:
    """Pass rows to a chart as they are, without a DataFrame."""
    return alt.InlineData(values=values)
