"""Options of the meter."""

from __future__ import annotations

from dataclasses import dataclass

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class MeterOptions:
    """Options of the meter, passed from the command line to the core; meanings as in `reading.read`."""

    tcp_idle_ns: int
    udp_idle_ns: int
    max_flows: int
    decapsulate: bool = True
    dedup: bool = False
    verify_checksums: bool = False
    dns_names: bool = False
    #: Threads that share one large input, and the size of its blocks (default: 256 KiB).
    #: Batches and rows don't depend on either.
    threads: int = 1
    block_bytes: int | None = None

    @property
    def idle(self) -> dict[str, int]:
        """Idle timeouts in nanoseconds, as keyword arguments."""
        return {"tcp_idle_ns": self.tcp_idle_ns, "udp_idle_ns": self.udp_idle_ns}
