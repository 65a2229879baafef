"""`ReportData`: the contents of a report as plain data, for every renderer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from classifier.reports.hosts import Hosts
from classifier.reports.summary import summary
from classifier.traffic.judged_flows import JudgedFlows
from classifier.traffic.public import with_filtered


@dataclass(frozen=True, repr=False)
class ReportData:
    """The contents of a report.

    `top` limits the rows of each table, the rest are totalled as `other`; `by` gives one table by
    `service`, `server`, `client`, `port`, `vlan`, `capture` or `category` instead of all; `hosts` names
    addresses; `interval_s` is the width of time bins.
    """

    traffic: JudgedFlows
    top: int | None = None
    by: str | None = None
    hosts: Hosts | None = None
    interval_s: float | None = None

    def table(self) -> pa.Table:
        """Return the one table that CSV, Parquet and the like have: by service, by time, or by `by`."""
        if self.interval_s:
            return self.traffic.over_time(self.interval_s)
        if self.by:
            found, label = self.traffic.breakdown(self.by, self.top), "group"
        else:
            found, label = self.traffic.totals.services(self.top), "service"
        return self.named(with_filtered(found, label, self.traffic.left_out))

    def named(self, table: pa.Table) -> pa.Table:
        """Add host names to a table, if there are any."""
        return self.hosts.named(table) if self.hosts else table

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report as plain data."""
        return summary(self.traffic, self.top, by=self.by, hosts=self.hosts, interval_s=self.interval_s)

    def to_json(self) -> str:
        """Return the whole report as JSON."""
        return json.dumps(self.to_dict(), indent=2)
