"""Join pieces of a capture as they arrive, and determine which rows are final.

For rows in several places or not complete yet: a cluster, a folder of rotated files. Otherwise `stitch` is
used. The column `capture` is a list here: all captures that a row came from.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier import _meter
from classifier.flows.overlap import overlapping

#: Times that stand for: no piece before, no piece after.
BEFORE_ALL, AFTER_ALL = -(1 << 63), (1 << 63) - 1


def join(rows: pa.Table, *, tcp_idle_ns: int, udp_idle_ns: int) -> tuple[pa.Table, set[tuple[int, ...]]]:
    """Join rows of one flow; of two that begin at the same time the earlier piece's comes first.

    Return them, and the sets of captures that have packets of one direction of a flow at the same time.
    """
    if not rows.num_rows:
        return rows, set()
    order = np.argsort(rows["first_seen_ns"].to_numpy(), kind="stable")
    (candidates,) = rows.take(pa.array(order)).combine_chunks().to_batches()
    joined, groups = _meter.join(candidates, tcp_idle_ns=tcp_idle_ns, udp_idle_ns=udp_idle_ns)
    whole = pa.Table.from_batches([pa.record_batch(joined)])
    group = pa.record_batch(groups)["group"].to_numpy()
    captures = candidates["capture"]
    pairs = np.stack([np.repeat(group, captures.value_lengths().to_numpy()), captures.flatten().to_numpy()])
    pairs = np.unique(pairs, axis=1)
    offsets = np.searchsorted(pairs[0], np.arange(whole.num_rows + 1)).astype(np.int32)
    came_from = pa.ListArray.from_arrays(offsets, pairs[1].astype(np.int32))
    alone = pc.list_element(captures, 0).to_numpy()
    twice = came_from.take(pa.array(overlapping(candidates, group, alone))).to_pylist()
    return whole.append_column("capture", came_from), set(map(tuple, twice))


def settled(rows: pa.Table, before_ns: int, after_ns: int, idle_ns: int) -> npt.NDArray[np.bool_]:
    """Return which of n rows can't be joined with one of another piece.

    The other pieces end at `before_ns` or begin at `after_ns`; `idle_ns` is the longest idle time in a flow.
    """
    first_ns, last_ns = rows["first_seen_ns"].to_numpy(), rows["last_seen_ns"].to_numpy()
    since_ns = before_ns + idle_ns if before_ns != BEFORE_ALL else BEFORE_ALL
    until_ns = after_ns - idle_ns if after_ns not in (BEFORE_ALL, AFTER_ALL) else after_ns
    return np.asarray((first_ns > since_ns) & (last_ns < until_ns))
