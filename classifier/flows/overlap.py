"""Find flows whose packets are in two captures, as from two sensors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

#: Nanoseconds that time may run back at a cut between files, without an overlap.
SLACK_NS = 50_000_000


def overlapping(
    rows: pa.RecordBatch, group: npt.NDArray[np.uint32], capture: npt.NDArray[np.int32]
) -> npt.NDArray[np.uint32]:
    """Return the groups of n rows in which two captures have packets of one direction at the same time.

    Rows are pieces of flows; those of one flow have the same number in `group`, and `capture` is the
    capture of each. Each sensor of an asymmetric route has packets of one direction only,
    and pieces of a rotated capture follow each other.
    """
    first_ns, last_ns = rows["first_seen_ns"].to_numpy(), rows["last_seen_ns"].to_numpy()
    found = []
    for packets in ("packets_ab", "packets_ba"):
        has = np.flatnonzero(rows[packets].to_numpy())
        # If any two of a group overlap, two neighbours in the order of start times do.
        order = has[np.lexsort((first_ns[has], group[has]))]
        before, after = order[:-1], order[1:]
        together = (group[before] == group[after]) & (capture[before] != capture[after])
        both = together & (first_ns[after] + SLACK_NS < last_ns[before])
        found.append(group[after[both]])
    return np.unique(np.concatenate(found))
