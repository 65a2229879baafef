"""The meter's counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

Span = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of an input, as the core returns them; sums and differences have the same form.

    A further counter is a field here, set in `counters` of `meter/src/python.rs`.
    """

    #: Packets of the input, and packets inside its frames beyond one each.
    packets: int = 0
    #: Bytes of all packets on the wire, link headers included.
    wire_bytes: int = 0
    #: Packets that the capturing system reports as lost.
    dropped: int = 0
    #: Flows evicted early by `max_flows`.
    evicted: int = 0
    #: Duplicate packets, counted in flows or ignored.
    duplicates: int = 0
    #: `packets` that two interfaces have, up to an hour apart, and `later_ns`: the sum of the nanoseconds by
    #: which the interface with the higher number has them later; empty where there are none.
    sensors: Mapping[str, int] = field(default_factory=dict)
    #: Addresses in DNS answers beyond the 65,536 whose names are kept.
    dns_names_left_out: int = 0
    #: Times of the earliest and the latest packet, nanoseconds since 1970 UTC; a difference spans both.
    span_ns: Span = None
    #: Packets in no flow, by reason.
    unmetered: Mapping[str, int] = field(default_factory=dict)
    #: Packets by an unknown number: its kind (`link_type`, `ethertype`, `gre`, `ppp`), the number. Those of
    #: `link_type` sum to the reason `link_type`, the others to `unknown_type`.
    unknown_types: Mapping[tuple[str, int], int] = field(default_factory=dict)
    #: Packets of flows that contradict their headers. `link_type`: frames of the first
    #: LINKTYPE_ number that were read as ones of the second. `ip_version`: IPv4 announced as IPv6, or the
    #: reverse. `cut_transport`: ports are all that the snap length left of the transport header.
    #: `aggregate`: packets beyond one in each frame.
    irregular: Mapping[tuple[str, int, int], int] = field(default_factory=dict)
    #: Packets in flows with a bad checksum, by header; empty where not verified.
    bad_checksums: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Counters) -> Counters:
        """Return the counters of both."""
        return self._with(other, 1)

    def __sub__(self, earlier: Counters) -> Counters:
        """Return the difference to earlier values of the same counters."""
        return self._with(earlier, -1)

    def _with(self, other: Counters, sign: int) -> Counters:
        names = [one.name for one in fields(self)]
        return Counters(**{name: _with(getattr(self, name), getattr(other, name), sign) for name in names})


def _with(one: Any, other: Any, sign: int) -> Any:
    if isinstance(one, Mapping):
        return {key: one.get(key, 0) + sign * other.get(key, 0) for key in one | other}
    if isinstance(one, int):
        return one + sign * other
    spans = [span for span in (one, other) if span]
    return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None
