"""`ReportData`: what a report shows, as plain data; every renderer reads it."""

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

    `top` cuts each table to so many rows, the rest summed up as `other`; `by` asks for one table by
    `service`, `server`, `client`, `port`, `vlan`, `capture` or `category` instead of all; `hosts` names
    addresses; `interval_s` is the width of time bins.
    """

    traffic: JudgedFlows
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
            found, label = self.traffic.totals.services(self.top), "service"
        return self.named(with_filtered(found, label, self.traffic.left_out))

    def named(self, table: pa.Table) -> pa.Table:
        """Add the names of addresses to a table, if there are any."""
        return self.hosts.named(table) if self.hosts else table

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return summary(self.traffic, self.top, by=self.by, hosts=self.hosts, interval_s=self.interval_s)

    def to_json(self) -> str:
        """Return all of it as JSON."""
        return json.dumps(self.to_dict(), indent=2)
