"""The facts and counters of all inputs, before any verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier import _meter
from classifier.errors import CaptureError
from classifier.flows.spool import MEMORY_BYTES, Spool
from classifier.flows.stitch import Captures
from classifier.metering.counters import Counters
from classifier.sources.inputs import Via
from classifier.wording import counted, listed

#: Maximum fragments and headers held to be joined across inputs, about 150 bytes each.
_MAX_REMNANTS = 1 << 18


@dataclass
class Metered:
    """The facts and counters of all inputs, before any verdict."""

    #: Idle timeouts `tcp_idle_ns` and `udp_idle_ns`.
    idle: dict[str, int]
    #: Bytes of each kind of totals held in memory; beyond this they spill to temporary files.
    memory_bytes: int = MEMORY_BYTES
    spool: Spool = field(default_factory=Spool)
    #: Names of the inputs, and of groups of inputs that a flow spans.
    captures: list[str] = field(default_factory=list)
    #: Time of the first packet of each input read.
    begins_ns: list[int] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)
    #: Names of addresses from DNS answers, input by input; see `_meter.Reader.dns_names`.
    dns_names: list[pa.RecordBatch] = field(default_factory=list)
    interrupted: bool = False
    #: The program that read the inputs; None: the core.
    via: Via | None = None
    #: The names of combinations, where rows of several captures are joined already.
    combinations: Captures | None = None
    #: By index of an input: packets captured by two of its interfaces, and the second's average delay in
    #: nanoseconds.
    sensors: dict[int, tuple[int, int]] = field(default_factory=dict)
    #: Headers and orphan fragments of datagrams across a cut, by input; see `_meter.Reader.remnants`.
    remnants: dict[int, pa.RecordBatch] = field(default_factory=dict)
    problems: list[CaptureError] = field(default_factory=list)
    #: Warnings about the inputs: files that were skipped, packets counted twice.
    remarks: list[str] = field(default_factory=list)
    #: Groups of captures, by index, that have packets of one direction of a flow at the same time.
    seen_twice: set[tuple[int, ...]] = field(default_factory=set)

    def __str__(self) -> str:
        """Describe the inputs in a phrase."""
        names = listed([ascii(name) for name in self.captures] or ["nothing"], 1)
        span_s = (self.end_ns - self.begin_ns) / 1e9
        return f"{names}: {counted(self.counters.packets, 'packet')} in {span_s:,.1f} s"

    def add(self, batch: _meter.Batch) -> None:
        """Add finished flows of the last of `captures`."""
        if batch.num_rows:
            facts = pa.record_batch(batch)
            capture = np.full(facts.num_rows, len(self.captures) - 1, dtype=np.int32)
            self.spool.add(facts.append_column("capture", pa.array(capture)))

    def close(
        self,
        counters: Counters,
        problem: CaptureError | None = None,
        dns_names: _meter.Batch | None = None,
        remnants: _meter.Batch | None = None,
    ) -> None:
        """Add the counters of the last of `captures`, and the problem that ended its reading early."""
        self.begins_ns.append(counters.span_ns[0] if counters.span_ns else 0)
        self.counters += counters
        if packets := counters.sensors.get("packets", 0):
            self.sensors[len(self.captures) - 1] = packets, counters.sensors["later_ns"] // packets
        if remnants is not None:
            self._hold(len(self.captures) - 1, pa.record_batch(remnants))
        if dns_names is not None:
            self.dns_names.append(pa.record_batch(dns_names))
        if problem:
            self.problems.append(problem)

    def another(self, memory_bytes: int) -> Metered:
        """Return an empty `Metered` for some of the inputs, to be merged into this one."""
        return Metered(self.idle, spool=Spool(memory_bytes))

    def merge(self, other: Metered) -> None:
        """Append the facts and counters of other inputs."""
        offset = pa.scalar(len(self.captures), pa.int32())
        for batch in other.spool:
            place = batch.schema.get_field_index("capture")
            self.spool.add(batch.set_column(place, "capture", pc.add(batch["capture"], offset)))
        self.sensors |= {len(self.captures) + place: sensors for place, sensors in other.sensors.items()}
        for place, remnants in other.remnants.items():
            self._hold(len(self.captures) + place, remnants)
        self.captures += other.captures
        self.begins_ns += other.begins_ns
        self.counters += other.counters
        self.dns_names += other.dns_names
        self.problems += other.problems
        self.remarks += other.remarks

    def _hold(self, capture: int, remnants: pa.RecordBatch) -> None:
        """Keep headers and orphan fragments for other inputs while there is room."""
        if not remnants.num_rows:
            return
        held = sum(batch.num_rows for batch in self.remnants.values())
        if held + remnants.num_rows <= _MAX_REMNANTS:
            self.remnants[capture] = remnants

    def join_remnants(self) -> None:
        """Assign fragments to the flow of their header in another input, once all inputs have been read."""
        if len(self.remnants) < 2:
            return
        found = _meter.join_remnants(list(self.remnants.values()), **self.idle)
        for capture, (batch, reasons) in zip(self.remnants, found, strict=True):
            rows = pa.record_batch(batch)
            packets = sum(pc.sum(rows[name]).as_py() or 0 for name in ("packets_ab", "packets_ba"))
            moved = {"later_fragment": -packets - len(reasons)}
            for reason in reasons:
                moved[reason] = moved.get(reason, 0) + 1
            self.counters += Counters(unmetered=moved)
            if rows.num_rows:
                number = pa.array(np.full(rows.num_rows, capture, dtype=np.int32))
                self.spool.add(rows.append_column("capture", number))
        self.remnants.clear()

    @property
    def begin_ns(self) -> int:
        """Time of the earliest packet; 0 if there is none."""
        return self.counters.span_ns[0] if self.counters.span_ns else 0

    @property
    def end_ns(self) -> int:
        """Time of the latest packet; 0 if there is none."""
        return self.counters.span_ns[1] if self.counters.span_ns else 0
