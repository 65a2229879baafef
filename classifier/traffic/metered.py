"""What the meter said of all inputs, before any verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa

from classifier import _meter, sources
from classifier.errors import CaptureError
from classifier.flows.spool import Spool


class Counted(Protocol):
    """The counters of an input that has been read, as a Reader has them."""

    @property
    def packets(self) -> int: ...  # noqa: D102
    @property
    def wire_bytes(self) -> int: ...  # noqa: D102
    @property
    def dns_names(self) -> _meter.Batch | None: ...  # noqa: D102
    @property
    def dns_names_left_out(self) -> int: ...  # noqa: D102
    @property
    def dropped(self) -> int: ...  # noqa: D102
    @property
    def evicted(self) -> int: ...  # noqa: D102
    @property
    def duplicates(self) -> int: ...  # noqa: D102
    @property
    def bad_checksums(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def span_ns(self) -> tuple[int, int] | None: ...  # noqa: D102
    @property
    def unmetered(self) -> Mapping[str, int]: ...  # noqa: D102
    @property
    def unread_link_types(self) -> Mapping[int, int]: ...  # noqa: D102
    @property
    def problem(self) -> tuple[str, int, str] | None: ...  # noqa: D102


@dataclass
class Metered:
    """The facts of all inputs, before any verdict."""

    #: `tcp_idle_ns` and `udp_idle_ns`.
    idle: dict[str, int]
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
    #: Packets in flows with a wrong checksum, by header; None where they weren't verified.
    bad_checksums: dict[str, int] | None = None
    #: What DNS answers say of addresses, input by input; see `_meter.Reader.dns_names`.
    dns_names: list[pa.RecordBatch] = field(default_factory=list)
    dns_names_left_out: int = 0
    interrupted: bool = False
    #: Packets in no flow, by reason.
    unmetered: dict[str, int] = field(default_factory=dict)
    #: Packets by link type that isn't read.
    unread_link_types: dict[int, int] = field(default_factory=dict)
    problems: list[CaptureError] = field(default_factory=list)

    def __str__(self) -> str:
        """Say in a few words what was read."""
        files = [ascii(name) for name in self.captures[:1]] or ["nothing"]
        more = f" and {len(self.captures) - 1:,} more" if len(self.captures) > 1 else ""
        span_s = (self.end_ns - self.begin_ns) / 1e9
        return f"{files[0]}{more}: {self.packets:,} packets in {span_s:,.1f} s"

    def add(self, batch: _meter.Batch) -> None:
        """Take finished flows of the input that was named last."""
        if batch.num_rows:
            facts = pa.record_batch(batch)
            capture = np.full(facts.num_rows, len(self.captures) - 1, dtype=np.int32)
            self.spool.add(facts.append_column("capture", pa.array(capture)))

    def close(self, name: str, reader: Counted) -> None:
        """Take the counters of an input that has been read."""
        first_ns, last_ns = reader.span_ns or (0, 0)
        self.begins_ns.append(first_ns)
        if reader.span_ns:
            self.begin_ns = min(self.begin_ns, first_ns) if self.packets else first_ns
            self.end_ns = max(self.end_ns, last_ns) if self.packets else last_ns
        self.packets += reader.packets
        self.wire_bytes += reader.wire_bytes
        self.dropped += reader.dropped
        self.evicted += reader.evicted
        self.duplicates += reader.duplicates
        if reader.dns_names is not None:
            self.dns_names.append(pa.record_batch(reader.dns_names))
        self.dns_names_left_out += reader.dns_names_left_out
        if self.bad_checksums is not None:
            for header, packets in zip(self.bad_checksums, reader.bad_checksums, strict=True):
                self.bad_checksums[header] += packets
        for reason, packets in reader.unmetered.items():
            self.unmetered[reason] = self.unmetered.get(reason, 0) + packets
        for link_type, packets in reader.unread_link_types.items():
            self.unread_link_types[link_type] = self.unread_link_types.get(link_type, 0) + packets
        if reader.problem:
            self.problems.append(sources.problem(name, reader.problem))
