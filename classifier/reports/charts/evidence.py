"""The chart of evidence: flows by the strongest evidence for their server, as bars."""

from __future__ import annotations

from typing import Any

import altair as alt

from classifier.reports.charts.chart_theme import FIT, NUMBERS, STEP, Chart, data
from classifier.traffic.judged_flows import JudgedFlows
from classifier.traffic.overview import ROLES


def evidence(traffic: JudgedFlows) -> Chart | None:
    """Draw the flows that each kind of evidence decided, by role."""
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
        {"evidence": "none", "known": role, "flows": flows, "also": 0, "place": ROLES.index(role)}
        for role, flows in nothing.items()
        if flows > 0
    ]
    if not values:
        return None
    bars: alt.Chart = (
        alt.Chart(data(values), height=STEP * len({value["evidence"] for value in values}), width="container")
        .mark_bar(height=16)
        .encode(
            x=alt.X("flows:Q", title="Flows, by strongest evidence", axis=NUMBERS),
            y=alt.Y("evidence:N", title=None, sort="-x"),
            color=alt.Color(
                "known:O",
                title="Role",
                sort=list(ROLES),
                scale=alt.Scale(domain=list(ROLES), range="ordinal"),
                legend=alt.Legend(orient="top", symbolType="square", columns=2),
            ),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("evidence:N", title="Strongest evidence"),
                alt.Tooltip("known:N", title="Role"),
                alt.Tooltip("flows:Q", title="Flows", format=","),
                alt.Tooltip("also:Q", title="Also supports", format=","),
            ],
        )
        .properties(autosize=FIT, description="Flows by the strongest evidence for their server")
    )
    return bars
