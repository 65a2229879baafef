"""`Report`: what is told about some traffic, in every form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from classifier.reports.names import Hosts
from classifier.reports.summary import summary
from classifier.traffic import Traffic
from classifier.traffic.breakdown import with_filtered
from classifier.traffic.totals import fold

#: Rows of each table for people, if nothing else is asked for.
TOP = 20


@dataclass(frozen=True)
class Report:
    """A report on traffic.

    `top` cuts each table to so many rows, the rest summed up as `other`; `by` asks for one table by
    `service`, `server`, `client`, `port`, `vlan` or `capture` instead of all; `hosts` names addresses;
    `interval_s` is the width of time bins.
    """

    traffic: Traffic
    top: int | None = None
    by: str | None = None
    hosts: Hosts | None = None
    interval_s: float | None = None

    def table(self) -> pa.Table:
        """Return the one table that formats without structure have: by service, by time, or as `by` says."""
        if self.interval_s:
            return self.traffic.over_time(self.interval_s)
        if self.by:
            found, label = self.traffic.breakdown(self.by, self.top), "group"
        else:
            found, label = fold(self.traffic.totals.services(), self.top, "service"), "service"
        cut = with_filtered(found, label, self.traffic.left_out)
        return self.hosts.named(cut) if self.hosts else cut

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return summary(self.traffic, self.top, by=self.by, hosts=self.hosts, interval_s=self.interval_s)

    def to_json(self) -> str:
        """Return all of it as JSON."""
        return json.dumps(self.to_dict(), indent=2)

    def to_html(self) -> str:
        """Return all of it as one self-contained page; needs `classifier[web]`."""
        from classifier.reports import page

        return page.build(self)
