"""What a run may use: memory, by phase, and cores."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

MEMORY_BYTES = 512_000_000
MAX_FLOWS = 150_000
#: Less than this isn't kept: what the program takes, and `MAX_FLOWS` active flows.
LEAST_MEMORY_BYTES = 256_000_000
_PROGRAM_BYTES = 130_000_000
#: What metering in one thread takes, the first rows that wait included; what each active flow and each
#: further thread adds.
_METERING_BYTES = 160_000_000
_FLOW_BYTES = 640
_THREAD_BYTES = 64_000_000
#: Bytes of a batch that is being judged.
_BATCH_BYTES = 60_000_000


def cores() -> int:
    """Return how many cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def least_memory(max_flows: int) -> int:
    """Return the least memory budget, in bytes, for so many active flows."""
    return max(LEAST_MEMORY_BYTES, _METERING_BYTES + _FLOW_BYTES * max_flows)


@dataclass(frozen=True)
class Budget:
    """What each phase may take of the memory budget: metering, then judging and summing."""

    memory_bytes: int
    #: The most active flows, whatever the memory.
    max_flows: int = MAX_FLOWS

    @property
    def metering_threads(self) -> int:
        """Threads that may meter at a time."""
        return 1 + max(self.memory_bytes - least_memory(self.max_flows), 0) // _THREAD_BYTES

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
