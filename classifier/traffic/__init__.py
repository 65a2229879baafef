"""What a capture turned out to contain: `Traffic`, the object that `read()` returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from classifier.errors import CaptureError, ExitStatus
from classifier.flows.table import SCHEMA, present
from classifier.traffic.metered import Metered
from classifier.traffic.totals import Totals

if TYPE_CHECKING:
    import pandas as pd


class Judging(Protocol):
    """What judges metered flows."""

    def __call__(self) -> Iterator[pa.RecordBatch]:
        """Yield the flows batch by batch, with all verdicts."""

    def explain(self, flow: str) -> dict[str, Any]:
        """Say of one flow why its server is the server."""


class Traffic:
    """The flows of one or more captures, judged.

    `flows`, `services` and `servers` are pandas DataFrames, made when first asked for; `batches()`
    and `to_arrow()` give the flows as Arrow. `accounting` says where every packet went.
    """

    def __init__(self, metered: Metered, judge: Judging) -> None:
        """Take the metered facts and what judges them."""
        self.metered = metered
        self.judge = judge

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
        for judged in self.judge():
            yield present(judged.sort_by("first_seen_ns"), self.metered.captures)

    def to_arrow(self) -> pa.Table:
        """Return the flow table, in the order of `first_seen`."""
        table = pa.Table.from_batches(self.batches(), SCHEMA).unify_dictionaries()
        return table.sort_by([("first_seen", "ascending"), ("flow_id", "ascending")])

    @cached_property
    def totals(self) -> Totals:
        """Sums over the flows, by service and by server."""
        totals = Totals()
        for judged in self.judge():
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

    def explain(self, flow: str) -> dict[str, Any]:
        """Say why one flow's server is the server, as plain data.

        `flow` is a `flow_id`, or two ends: `10.0.0.1:1494-10.0.0.2:1080`; of several flows between them
        the earliest, `others` lists the rest. `evidence` has the log-odds of each kind, strongest first,
        `ladder` the first packets (None for inputs that can't be read twice). FlowError: no such flow.
        """
        return self.judge.explain(flow)

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
