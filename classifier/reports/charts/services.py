"""The chart of services: bytes of the largest ones, as bars."""

from __future__ import annotations

from collections.abc import Iterator

import altair as alt
import pyarrow as pa

from classifier.reports.charts.chart_theme import FIT, NUMBERS, STEP, Chart, data
from classifier.reports.export import tabular
from classifier.reports.text.tables import Row
from classifier.wording import counted, service_text, size_text

#: Bars; the rest are totalled in one more.
_BARS = 15


def services(table: pa.Table) -> Chart | None:
    """Draw the bytes of the largest services, client and server bytes stacked."""
    rows = [row for row in tabular.rows(table) if row["bytes"]]
    if not rows:
        return None
    values = [value for place, row in enumerate(rows[:_BARS]) for value in _bar(_name(row), [row], place)]
    if rest := rows[_BARS:]:
        values += _bar(counted(len(rest), "other"), rest, _BARS)
    order = alt.EncodingSortField("place", op="min")
    base = alt.Chart(
        data(values), height=STEP * len({value["service"] for value in values}), width="container"
    ).encode(y=alt.Y("service:N", sort=order, title=None))
    bars: alt.Chart = base.mark_bar(height=16).encode(
        x=alt.X("sum(bytes):Q", title="Bytes", axis=NUMBERS),
        color=alt.Color(
            "sent by:N",
            title="Sent by",
            scale=alt.Scale(domain=["clients", "servers"], range="diverging"),
            legend=alt.Legend(orient="top"),
        ),
        order=alt.Order("sent by:N", sort="descending"),
        tooltip=[
            alt.Tooltip("service:N", title="Service"),
            alt.Tooltip("sent by:N", title="Sent by"),
            alt.Tooltip("text:N", title="Bytes"),
        ],
    )
    return bars.properties(autosize=FIT, description="Bytes of each service, by sender")


def _name(row: Row) -> str:
    return service_text(row["service"], row["proto"])


def _bar(name: str, rows: list[Row], place: int) -> Iterator[Row]:
    """Yield the two parts of a bar: server bytes and client bytes."""
    for side in ("server", "client"):
        size = sum(int(row[f"{side}_bytes"]) for row in rows)
        yield {
            "service": name,
            "sent by": f"{side}s",
            "bytes": size,
            "text": size_text(size),
            "place": place,
        }
