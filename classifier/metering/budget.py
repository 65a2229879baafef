"""The budget of a run: memory by phase, and cores."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

MEMORY_BYTES = 512_000_000
MAX_FLOWS = 150_000
#: Minimum memory budget: the program itself, and `MAX_FLOWS` active flows.
LEAST_MEMORY_BYTES = 256_000_000
_PROGRAM_BYTES = 130_000_000
#: Memory of metering in one thread, including the first waiting rows; of each active flow; of each further
#: thread.
_METERING_BYTES = 160_000_000
_FLOW_BYTES = 640
_THREAD_BYTES = 64_000_000
#: Memory of a batch being judged.
_BATCH_BYTES = 60_000_000


def cores() -> int:
    """Return the number of cores available to this process."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def least_memory(max_flows: int) -> int:
    """Return the minimum memory budget in bytes for a number of active flows."""
    return max(LEAST_MEMORY_BYTES, _METERING_BYTES + _FLOW_BYTES * max_flows)


@dataclass(frozen=True)
class Budget:
    """The share of each phase in the memory budget: metering, then judging and totalling."""

    memory_bytes: int
    #: Maximum active flows, independent of the memory.
    max_flows: int = MAX_FLOWS

    @property
    def metering_threads(self) -> int:
        """Maximum threads that meter at a time."""
        return 1 + max(self.memory_bytes - least_memory(self.max_flows), 0) // _THREAD_BYTES

    @property
    def spool_bytes(self) -> int:
        """Bytes of rows held in memory until they are judged, in all phases."""
        return self.memory_bytes // 16

    @property
    def sums_bytes(self) -> int:
        """Bytes of rows being stitched or totalled while others are judged."""
        return max(self._rest - self.spool_bytes - _BATCH_BYTES, 0) // 4

    @property
    def threads(self) -> int:
        """Maximum batches of flows judged at a time."""
        return max(1, self._rest // 2 // _BATCH_BYTES)

    @property
    def _rest(self) -> int:
        return self.memory_bytes - _PROGRAM_BYTES
