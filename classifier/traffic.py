"""What a capture turned out to contain: `Traffic`, the object that `read()` returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from classifier import _meter, sources
from classifier.errors import CaptureError, ExitStatus
from classifier.flows.spool import Spool
from classifier.flows.table import SCHEMA, present
from classifier.reports.totals import Totals

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Metered:
    """The facts of all inputs, before any verdict."""

    #: `tcp_idle_ns` and `udp_idle_ns`.
    idle: dict[str, int]
    spool: Spool = field(default_factory=Spool)
    #: Names of the inputs, and of combinations of them that flows cross.
    captures: list[str] = field(default_factory=list)
    files: int = 0
    packets: int = 0
    wire_bytes: int = 0
    #: Packets that the capturing systems say they lost.
    dropped: int = 0
    #: Flows that the cap ended early.
    evicted: int = 0
    begin_ns: int = 0
    end_ns: int = 0
    interrupted: bool = False
    #: Packets in no flow, by reason.
    unmetered: dict[str, int] = field(default_factory=dict)
    #: Packets by link type that isn't read.
    unread_link_types: dict[int, int] = field(default_factory=dict)
    problems: list[CaptureError] = field(default_factory=list)

    def add(self, batch: _meter.Batch) -> None:
        """Take finished flows of the input that was named last."""
        if batch.num_rows:
            facts = pa.record_batch(batch)
            capture = np.full(facts.num_rows, len(self.captures) - 1, dtype=np.int32)
            self.spool.add(facts.append_column("capture", pa.array(capture)))

    def close(self, name: str, reader: _meter.Reader) -> None:
        """Take the counters of an input that has been read."""
        if reader.span_ns:
            first_ns, last_ns = reader.span_ns
            self.begin_ns = min(self.begin_ns, first_ns) if self.packets else first_ns
            self.end_ns = max(self.end_ns, last_ns) if self.packets else last_ns
        self.files += 1
        self.packets += reader.packets
        self.wire_bytes += reader.wire_bytes
        self.dropped += reader.dropped
        self.evicted += reader.evicted
        for reason, packets in reader.unmetered.items():
            self.unmetered[reason] = self.unmetered.get(reason, 0) + packets
        for link_type, packets in reader.unread_link_types.items():
            self.unread_link_types[link_type] = self.unread_link_types.get(link_type, 0) + packets
        if reader.problem:
            self.problems.append(sources.problem(name, reader.problem))


class Traffic:
    """The flows of one or more captures, judged.

    `flows`, `services` and `servers` are pandas DataFrames, made when first asked for; `batches()`
    and `to_arrow()` give the flows as Arrow. `accounting` says where every packet went.
    """

    def __init__(self, metered: Metered, judge: Callable[[Metered], Iterator[pa.RecordBatch]]) -> None:
        """Take the metered facts and the function that judges them."""
        self.metered = metered
        self._judge = judge

    @property
    def problems(self) -> list[CaptureError]:
        """Inputs that could not be read to their end; what came before is in the flows."""
        return self.metered.problems

    @property
    def accounting(self) -> Mapping[str, int]:
        """Packets by fate: `packets` of all inputs, `in_flows`, and one key for each reason to be in none.

        `in_flows` and the reasons sum to `packets`.
        """
        lost = self.metered.unmetered
        packets = self.metered.packets
        return {"packets": packets, "in_flows": packets - sum(lost.values()), **lost}

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the flow table batch by batch, each in the order of `first_seen`.

        The flows are judged on the way.
        """
        for judged in self._judge(self.metered):
            yield present(judged.sort_by("first_seen_ns"), self.metered.captures)

    def to_arrow(self) -> pa.Table:
        """Return the flow table, in the order of `first_seen`."""
        table = pa.Table.from_batches(self.batches(), SCHEMA).unify_dictionaries()
        return table.sort_by([("first_seen", "ascending"), ("flow_id", "ascending")])

    @cached_property
    def totals(self) -> Totals:
        """Sums over the flows, by service and by server."""
        totals = Totals()
        for judged in self._judge(self.metered):
            totals.add(judged)
        return totals

    @cached_property
    def flows(self) -> pd.DataFrame:
        """One row a flow; columns and meanings: the public flow table."""
        return _frame(self.to_arrow())

    @cached_property
    def services(self) -> pd.DataFrame:
        """One row per service and transport, most bytes first."""
        return _frame(self.totals.services())

    @cached_property
    def servers(self) -> pd.DataFrame:
        """One row per server (address, port, transport), most bytes first."""
        return _frame(self.totals.servers())

    @property
    def status(self) -> ExitStatus:
        """How the command line should end."""
        counts = self.accounting
        if self.metered.interrupted:
            return ExitStatus.INTERRUPTED
        if self.problems:
            return self.problems[0].status
        undecoded = sum(packets for reason, packets in counts.items() if reason in _UNDECODED)
        if undecoded and undecoded == counts["packets"]:
            return ExitStatus.NOTHING_DECODED
        return ExitStatus.OK


#: Reasons that mean that a packet could not be looked into.
_UNDECODED = {"link_type", "too_deep", "cut_short", "damaged_link", "damaged_ip", "damaged_transport"}


def _frame(table: pa.Table) -> pd.DataFrame:
    """As a DataFrame: times in UTC, words as categories, integers that may be null as nullable ones."""
    import pandas as pd

    def lists(kind: pa.DataType) -> Any:
        return pd.ArrowDtype(kind) if pa.types.is_list(kind) else None

    frame: pd.DataFrame = table.to_pandas(types_mapper=lists)
    for field_ in table.schema:
        if field_.nullable and pa.types.is_unsigned_integer(field_.type):
            frame[field_.name] = table[field_.name].to_pandas(
                types_mapper={field_.type: pd.UInt16Dtype()}.get
            )
    return frame
