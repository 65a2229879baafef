"""The judged flows of captures, and all totals over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import pyarrow as pa

from classifier.errors import CaptureError, ExitStatus, IntervalError
from classifier.flows.table import SCHEMA, present
from classifier.metering import copies, packet_types
from classifier.metering.metered import Metered
from classifier.roles import Context
from classifier.traffic.aggregate import Aggregate, Rows, summed
from classifier.traffic.codes import Texts, flow_rows
from classifier.traffic.comparison import FACTOR, compare
from classifier.traffic.frames import frame
from classifier.traffic.judged import Judged
from classifier.traffic.overview import Overview
from classifier.traffic.public import table
from classifier.traffic.selection import Selection, selection
from classifier.traffic.timeline import MAX_BINS, MAX_SECONDS, Timeline, usual_interval_ns
from classifier.traffic.totals import Totals
from classifier.traffic.views import BY, FLOW_MEASURES, MEASURES, words_of

if TYPE_CHECKING:
    import pandas as pd

Found = TypeVar("Found")


class FirstPass(NamedTuple):
    """The findings of the first pass over all flows, before any is judged."""

    #: The evidence that all flows together give about each.
    context: Context
    #: Groups of captures, by index, that have packets of one direction of a flow at the same time.
    seen_twice: set[tuple[int, ...]]


class Judging(Protocol):
    """Judges metered flows, in two passes."""

    def first_pass(self) -> FirstPass:
        """Read all flows once, unless that is done, and return the findings."""

    def each(self, function: Callable[[Judged], Found], *, bins: bool = False) -> Iterator[Found]:
        """Yield the results of a function for each batch, in order; it runs in several threads."""

    def explain(self, flow: str) -> dict[str, Any]:
        """Return the explanation of one flow's verdict."""


class JudgedFlows:
    """The flows of one or more captures, judged.

    `flows`, `services` and `servers` are pandas DataFrames, computed on first use; `batches()`
    and `to_arrow()` return the flows as Arrow. `accounting` accounts for every packet.
    """

    def __init__(
        self,
        metered: Metered,
        judge: Judging,
        selections: tuple[Selection, ...] = (),
    ) -> None:
        """`selections` are conditions that the flows must meet."""
        self.metered = metered
        self.judge = judge
        self._selections = selections
        self._left_out: dict[str, int] = {}
        self._are_others_summed = False

    def select(
        self,
        where: str | None = None,
        *,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        net: str | Iterable[str] = (),
    ) -> Self:
        """Return the traffic of the flows that meet all given conditions.

        `where` is a condition on columns of the flow table: `service == 'https' and role !=
        'confirmed'`. `since` and `until` keep whole flows that were active in that time (ISO 8601, UTC
        unless it has an offset); `net` keeps those with either endpoint in one of these networks. Excluded
        packets are `filtered` in the accounting. FilterError: a condition is invalid.
        """
        chosen = selection(where, since, until, net)
        return type(self)(self.metered, self.judge, (*self._selections, *([chosen] if chosen else [])))

    @property
    def problems(self) -> list[CaptureError]:
        """Inputs that could not be read, or not to their end; packets read before that are in the flows."""
        return self.metered.problems

    @property
    def remarks(self) -> list[str]:
        """Warnings about the inputs: files that were skipped, packets counted twice."""
        metered, seen_twice = self.metered, self.judge.first_pass().seen_twice
        irregular = packet_types.remarks(metered.counters.irregular)
        return metered.remarks + irregular + copies.remarks(metered, seen_twice)

    @property
    def accounting(self) -> Mapping[str, int]:
        """Packet accounting: `packets` of all inputs, `in_flows`, and a key for each reason to be in none.

        `in_flows` and the reasons sum to `packets`. With a selection, `in_flows` has the packets of the
        selected flows, and `filtered` those of the others.
        """
        lost = dict(self.metered.counters.unmetered)
        packets = self.metered.counters.packets
        if self._selections:
            columns = ("client_packets", "server_packets", "attempt_packets")
            lost["filtered"] = sum(self.left_out.get(name, 0) for name in columns)
        return {"packets": packets, "in_flows": packets - sum(lost.values()), **lost}

    @property
    def unknown_types(self) -> Mapping[str, int]:
        """Packets by unknown type number (`EtherType 0x1234`), at most 32 and `other`.

        They sum to the accounting's `unknown_type` and `link_type`.
        """
        return packet_types.unknown_types(self.metered.counters.unknown_types)

    @property
    def left_out(self) -> dict[str, int]:
        """Totals over the flows that a selection excluded, by measure; empty if there are none."""
        if self._selections and not self._are_others_summed:
            for _ in self._each(lambda _: None):
                pass
        return self._left_out

    def _each(self, function: Callable[[Judged], Found], *, bins: bool = False) -> Iterator[Found]:
        """Yield the results of a function for each batch of the selected flows; sum the others."""

        def chosen(judged: Judged) -> tuple[Found, Rows | None]:
            wanted = np.ones(judged.num_rows, dtype=bool)
            for one in self._selections:
                wanted &= one.mask(judged, self.metered.captures)
            if wanted.all():
                return function(judged), None
            others = flow_rows(judged.filter(pa.array(~wanted)), Texts(), ())
            return function(judged.filter(pa.array(wanted))), summed(others, ("kind",), FLOW_MEASURES)

        left_out = Aggregate(("kind",), FLOW_MEASURES)
        for found, others in self.judge.each(chosen, bins=bins):
            if others:
                left_out.add(others)
            yield found
        total = left_out.total()
        sums = summed(total, (), MEASURES) if total else {}
        self._left_out = {name: int(column[0]) for name, column in sums.items()}
        self._are_others_summed = True

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the flow table batch by batch, each in the order of `first_seen`.

        The flows are judged meanwhile.
        """

        def public(judged: Judged) -> pa.RecordBatch:
            return present(judged.batch().sort_by("first_seen_ns"), self.metered.captures)

        return self._each(public)

    def to_arrow(self) -> pa.Table:
        """Return the flow table, in the order of `first_seen`."""
        table = pa.Table.from_batches(self.batches(), SCHEMA).unify_dictionaries()
        return table.sort_by([("first_seen", "ascending"), ("flow_id", "ascending")])

    @property
    def totals(self) -> Totals:
        """Totals over the flows, by service and by server."""
        return self._sums[0]

    @property
    def overview(self) -> Overview:
        """Evidence for the server role: flows, packets and bytes by role."""
        return self._sums[1]

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """Packets and bytes per time bin and service; `over_time` has a choice of bins."""
        return frame(self.over_time())

    def over_time(self, interval_s: float | None = None) -> pa.Table:
        """Return packets and bytes per service in bins of `interval_s` seconds.

        Without an interval there are at most 120 bins, whose width is a power of two times 1/64 s, and the
        sums are exact; otherwise a flow's traffic may be spread evenly over its own bins.
        IntervalError: there would be more than 100,000 bins, or the interval isn't above 0.
        """
        if interval_s is None:
            return self._sums[2].table()
        span_ns = self.metered.end_ns - self.metered.begin_ns
        least_s = max(span_ns / MAX_BINS, 1) / 1e9
        if not interval_s > least_s:
            raise IntervalError(interval_s, least_s)
        interval_ns = round(min(interval_s, MAX_SECONDS) * 1e9)
        timeline = Timeline(interval_ns)
        for rows in self._each(timeline.rows, bins=True):
            timeline.add(rows)
        return timeline.table()

    @cached_property
    def _sums(self) -> tuple[Totals, Overview, Timeline]:
        """All totals, from one pass over the flows."""
        totals, overview = Totals(self.metered.memory_bytes), Overview()
        timeline = Timeline(usual_interval_ns(self.metered.begin_ns, self.metered.end_ns))

        def all_of(judged: Judged) -> tuple[Any, Overview, Rows]:
            return totals.rows(judged), Overview.of(judged), timeline.rows(judged)

        for flows, known, bins in self._each(all_of, bins=True):
            totals.add(flows)
            overview.merge(known)
            timeline.add(bins)
        return totals, overview, timeline

    @property
    def interval_s(self) -> float:
        """Width of the bins of `timeline`, in seconds."""
        return self._sums[2].interval_ns / 1e9

    def breakdown(self, by: str, top: int | None = None) -> pa.Table:
        """Return totals by `service`, `server`, `client`, `port`, `vlan`, `capture` or `category`.

        Each flow is in one row; most bytes first. Rows beyond `top` are totalled as `other`.
        """
        if by not in BY:
            raise ValueError(f"unknown group {by!r}; choose from {', '.join(BY)}")
        view, texts = BY[by], Texts()
        part_by = next((words_of(name[:-4]) for name in view.keys if name.endswith("_low")), ())
        flows = Aggregate((*view.keys, "kind"), FLOW_MEASURES, part_by, self.metered.memory_bytes)
        for rows in self._each(lambda judged: flow_rows(judged, texts, view.keys)):
            flows.add(rows)
        groups = (summed(rows, view.keys, view.sums) for rows in flows.parts())
        return table(view, groups, texts, top, self.metered.captures)

    def by(self, group: str) -> pd.DataFrame:
        """Return `breakdown(group)` as a DataFrame."""
        return frame(self.breakdown(group))

    @cached_property
    def flows(self) -> pd.DataFrame:
        """One row per flow; columns and meanings: the public flow table."""
        return frame(self.to_arrow())

    @cached_property
    def services(self) -> pd.DataFrame:
        """One row per service and transport, most bytes first."""
        return frame(self.totals.services())

    @cached_property
    def servers(self) -> pd.DataFrame:
        """One row per server (address, port, transport), most bytes first."""
        return frame(self.totals.servers())

    def difference(self, later: JudgedFlows, factor: float = FACTOR) -> pa.Table:
        """Return the services and servers that are new, gone or changed in later traffic.

        `changes` names the changes: their services, how they are known, and clients or bytes that are
        `factor` times as many or as few. `is_news` is true for new ones, and for a server with a new
        service, unless no reply from it was seen. Failed attempts and ambiguous flows never make a server.
        ValueError: the factor isn't above 1.
        """
        return compare(self.totals, later.totals, factor)

    def diff(self, later: JudgedFlows, factor: float = FACTOR) -> pd.DataFrame:
        """Return `difference(later)` as a DataFrame."""
        return frame(self.difference(later, factor))

    def __repr__(self) -> str:
        """Describe the inputs in a phrase, without judging flows."""
        return f"<{type(self).__name__} of {self.metered}{', some flows of it' if self._selections else ''}>"

    def explain(self, flow: str) -> dict[str, Any]:
        """Explain the verdict of one flow, as plain data.

        `flow` is a `flow_id`, or two endpoints: `10.0.0.1:1494-10.0.0.2:1080`; of several flows between
        them the earliest is explained, and `others` lists the rest. `evidence` has the log-odds of each
        kind, strongest first, `ladder` the first packets (None for inputs that can't be read again).
        FlowError: no such flow.
        """
        return self.judge.explain(flow)

    @property
    def status(self) -> ExitStatus:
        """Exit status for the command line."""
        counts = self.accounting
        if self.metered.interrupted:
            return ExitStatus.INTERRUPTED
        if self.problems:
            first, read = self.problems[0], self.metered.captures[: len(self.metered.begins_ns)]
            return first.status if read == [first.file] else ExitStatus.PARTIAL
        undecoded = sum(packets for reason, packets in counts.items() if reason in _UNDECODED)
        if undecoded and undecoded == counts["packets"]:
            return ExitStatus.NOTHING_DECODED
        return ExitStatus.OK


#: Reasons for packets that could not be decoded.
_UNDECODED = {
    "link_type",
    "unknown_type",
    "too_deep",
    "cut_short",
    "damaged_link",
    "damaged_ip",
    "damaged_transport",
}
