"""What the meter said of all inputs, before any verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier import _meter, sources
from classifier.errors import CaptureError, ExitStatus
from classifier.flows.spool import MEMORY_BYTES, Spool
from classifier.flows.stitch import Captures
from classifier.wording import counted, listed

#: Fragments and headers of all inputs that are held, to be joined across inputs: about 150 bytes each.
_MOST_REMNANTS = 1 << 18


class _Sums(Protocol):
    """Counters that are summed up."""

    @property
    def packets(self) -> int: ...
    @property
    def wire_bytes(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def evicted(self) -> int: ...
    @property
    def duplicates(self) -> int: ...
    @property
    def dns_names_left_out(self) -> int: ...
    @property
    def span_ns(self) -> tuple[int, int] | None: ...
    @property
    def unmetered(self) -> Mapping[str, int]: ...
    @property
    def unknown_types(self) -> Mapping[tuple[str, int], int]: ...
    @property
    def irregular(self) -> Mapping[tuple[str, int, int], int]: ...


class Counted(_Sums, Protocol):
    """The counters of an input that has been read, as a Reader has them."""

    @property
    def bad_checksums(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def dns_names(self) -> _meter.Batch | None: ...  # noqa: D102
    @property
    def remnants(self) -> _meter.Batch | None: ...  # noqa: D102
    @property
    def sensors(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def problem(self) -> tuple[str, int, str] | None: ...  # noqa: D102


@dataclass
class Metered:
    """The facts of all inputs, before any verdict."""

    #: `tcp_idle_ns` and `udp_idle_ns`.
    idle: dict[str, int]
    #: Past so many bytes, sums of each kind go to temporary files.
    memory_bytes: int = MEMORY_BYTES
    spool: Spool = field(default_factory=Spool)
    #: Names of the inputs, and of combinations of them that flows cross.
    captures: list[str] = field(default_factory=list)
    #: Time of the first packet of each input that has been read.
    begins_ns: list[int] = field(default_factory=list)
    packets: int = 0
    wire_bytes: int = 0
    #: Packets that the capturing systems say they lost.
    dropped: int = 0
    #: Flows that the cap ended early.
    evicted: int = 0
    begin_ns: int = 0
    end_ns: int = 0
    #: Packets that are copies of another, in flows or left out of them.
    duplicates: int = 0
    #: Of each input with packets that two of its interfaces have: how many, and how much later the second
    #: has them on average, in nanoseconds.
    sensors: dict[int, tuple[int, int]] = field(default_factory=dict)
    #: Packets in flows with a wrong checksum, by header; None where they weren't verified.
    bad_checksums: dict[str, int] | None = None
    #: What DNS answers say of addresses, input by input; see `_meter.Reader.dns_names`.
    dns_names: list[pa.RecordBatch] = field(default_factory=list)
    dns_names_left_out: int = 0
    interrupted: bool = False
    #: The program that read the inputs; None: the core.
    via: sources.Via | None = None
    #: The names of combinations, where rows of several captures are joined already.
    combinations: Captures | None = None
    #: Packets in no flow, by reason.
    unmetered: dict[str, int] = field(default_factory=dict)
    #: Packets by kind and number of what isn't known; see `_meter.Reader.unknown_types`.
    unknown_types: dict[tuple[str, int], int] = field(default_factory=dict)
    #: Packets of flows that depart from their headers; see `_meter.Reader.irregular`.
    irregular: dict[tuple[str, int, int], int] = field(default_factory=dict)
    #: What fragments astride a cut need, by input; see `_meter.Reader.remnants`.
    remnants: dict[int, pa.RecordBatch] = field(default_factory=dict)
    problems: list[CaptureError] = field(default_factory=list)
    #: What is to be known of the inputs, and is no failure.
    remarks: list[str] = field(default_factory=list)
    #: Captures, by their indices, that have packets of one direction of a flow from the same time.
    seen_twice: set[tuple[int, ...]] = field(default_factory=set)

    def __str__(self) -> str:
        """Say in a few words what was read."""
        names = listed([ascii(name) for name in self.captures] or ["nothing"], 1)
        span_s = (self.end_ns - self.begin_ns) / 1e9
        return f"{names}: {counted(self.packets, 'packet')} in {span_s:,.1f} s"

    def add(self, batch: _meter.Batch) -> None:
        """Take finished flows of the input that was named last."""
        if batch.num_rows:
            facts = pa.record_batch(batch)
            capture = np.full(facts.num_rows, len(self.captures) - 1, dtype=np.int32)
            self.spool.add(facts.append_column("capture", pa.array(capture)))

    def close(self, name: str, reader: Counted, trouble: str | None = None) -> None:
        """Take the counters of an input that has been read, and what went wrong behind the reader's back."""
        self.begins_ns.append(reader.span_ns[0] if reader.span_ns else 0)
        self._count(reader, reader.bad_checksums)
        packets, later_ns = reader.sensors
        if packets:
            self.sensors[len(self.captures) - 1] = packets, later_ns // packets
        if reader.remnants is not None:
            self._hold(len(self.captures) - 1, pa.record_batch(reader.remnants))
        if reader.dns_names is not None:
            self.dns_names.append(pa.record_batch(reader.dns_names))
        if trouble:
            self.problems.append(CaptureError(name, trouble, status=ExitStatus.PARTIAL))
        elif reader.problem:
            self.problems.append(sources.problem(name, reader.problem))

    def another(self, memory_bytes: int) -> Metered:
        """Return an empty one for some of the inputs, to be merged into this one."""
        bad_checksums = None if self.bad_checksums is None else dict.fromkeys(self.bad_checksums, 0)
        return Metered(self.idle, spool=Spool(memory_bytes), bad_checksums=bad_checksums)

    def merge(self, other: Metered) -> None:
        """Take what the meter said of other inputs; they come after those that are here."""
        offset = pa.scalar(len(self.captures), pa.int32())
        for batch in other.spool:
            place = batch.schema.get_field_index("capture")
            self.spool.add(batch.set_column(place, "capture", pc.add(batch["capture"], offset)))
        self.sensors |= {len(self.captures) + place: sensors for place, sensors in other.sensors.items()}
        for place, remnants in other.remnants.items():
            self._hold(len(self.captures) + place, remnants)
        self.captures += other.captures
        self.begins_ns += other.begins_ns
        self._count(other, (other.bad_checksums or {}).values())
        self.dns_names += other.dns_names
        self.problems += other.problems
        self.remarks += other.remarks

    def _hold(self, capture: int, remnants: pa.RecordBatch) -> None:
        """Keep what fragments of other inputs need, as long as there is room."""
        held = sum(batch.num_rows for batch in self.remnants.values())
        if remnants.num_rows and held + remnants.num_rows <= _MOST_REMNANTS:
            self.remnants[capture] = remnants

    def join_remnants(self) -> None:
        """Put fragments to the flow of their header in another input, when all inputs have been read."""
        if len(self.remnants) < 2:
            return
        found = _meter.join_remnants(list(self.remnants.values()), **self.idle)
        for capture, (batch, reasons) in zip(self.remnants, found, strict=True):
            rows = pa.record_batch(batch)
            packets = pc.sum(rows["packets_ab"]).as_py() or 0
            packets += pc.sum(rows["packets_ba"]).as_py() or 0
            self.unmetered["later_fragment"] -= packets + len(reasons)
            for reason in reasons:
                self.unmetered[reason] += 1
            if rows.num_rows:
                number = pa.array(np.full(rows.num_rows, capture, dtype=np.int32))
                self.spool.add(rows.append_column("capture", number))
        self.remnants.clear()

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """Times of the first and the last packet."""
        return (self.begin_ns, self.end_ns) if self.packets else None

    def _count(self, counted: _Sums, bad_checksums: Iterable[int]) -> None:
        if span_ns := counted.span_ns:
            self.begin_ns = min(self.begin_ns, span_ns[0]) if self.packets else span_ns[0]
            self.end_ns = max(self.end_ns, span_ns[1]) if self.packets else span_ns[1]
        self.packets += counted.packets
        self.wire_bytes += counted.wire_bytes
        self.dropped += counted.dropped
        self.evicted += counted.evicted
        self.duplicates += counted.duplicates
        self.dns_names_left_out += counted.dns_names_left_out
        if self.bad_checksums is not None:
            for header, packets in zip(self.bad_checksums, bad_checksums, strict=True):
                self.bad_checksums[header] += packets
        for reason, packets in counted.unmetered.items():
            self.unmetered[reason] = self.unmetered.get(reason, 0) + packets
        for number, packets in counted.unknown_types.items():
            self.unknown_types[number] = self.unknown_types.get(number, 0) + packets
        for how, packets in counted.irregular.items():
            self.irregular[how] = self.irregular.get(how, 0) + packets
