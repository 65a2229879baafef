"""Finds flows whose packets two captures seem to have both: two sensors saw them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

#: Where a capture was cut, time may run back so far without two having seen the same.
SLACK_NS = 50_000_000


def overlapping(
    rows: pa.RecordBatch, group: npt.NDArray[np.uint32], capture: npt.NDArray[np.int32]
) -> npt.NDArray[np.uint32]:
    """Return the groups of n rows in which two captures have packets of one direction at the same time.

    Rows are those of flows metered apart; those of one flow have the same number in `group`, and `capture`
    tells which capture each is from. Each sensor of an asymmetric route has packets of one direction only,
    and pieces of a rotated capture follow each other.
    """
    first_ns, last_ns = rows["first_seen_ns"].to_numpy(), rows["last_seen_ns"].to_numpy()
    found = []
    for packets in ("packets_ab", "packets_ba"):
        has = np.flatnonzero(rows[packets].to_numpy())
        # If any two of a group overlap, two neighbours in the order of their beginnings do.
        order = has[np.lexsort((first_ns[has], group[has]))]
        before, after = order[:-1], order[1:]
        together = (group[before] == group[after]) & (capture[before] != capture[after])
        both = together & (first_ns[after] + SLACK_NS < last_ns[before])
        found.append(group[after[both]])
    return np.unique(np.concatenate(found))
