"""What a run may use: memory, by phase, and cores."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

MEMORY_BYTES = 512_000_000
#: Less than this isn't kept: the program itself takes half of it.
LEAST_MEMORY_BYTES = 256_000_000
_PROGRAM_BYTES = 130_000_000
#: Bytes of an active flow in the meter, and of a batch that is being judged.
_FLOW_BYTES = 1_000
_BATCH_BYTES = 60_000_000


def cores() -> int:
    """Return how many cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Budget:
    """What each phase may take of the memory budget: metering, then judging and summing."""

    memory_bytes: int

    @property
    def most_flows(self) -> int:
        """Active flows that fit into memory while packets are metered."""
        return max(self._rest - self.spool_bytes, 10_000 * _FLOW_BYTES) // _FLOW_BYTES

    @property
    def spool_bytes(self) -> int:
        """Bytes of rows that wait in memory to be judged, through all phases."""
        return self.memory_bytes // 16

    @property
    def sums_bytes(self) -> int:
        """Bytes of rows that are being joined, or summed, while others are judged."""
        return max(self._rest - self.spool_bytes - _BATCH_BYTES, 0) // 4

    @property
    def threads(self) -> int:
        """Batches of flows that may be judged at a time."""
        return max(1, self._rest // 2 // _BATCH_BYTES)

    @property
    def _rest(self) -> int:
        return self.memory_bytes - _PROGRAM_BYTES
