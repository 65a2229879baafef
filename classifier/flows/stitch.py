"""Joins rows of one flow that were metered apart: in other files, or because time ran back.

Which rows belong together is decided in the core, by the rule that also ends flows. Here the few
rows whose key occurs more than once are found, and the joined ones put back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier import _meter

KEY = ["proto", "ip_version", "addr_a", "port_a", "addr_b", "port_b"]


def stitch(
    batches: Iterable[pa.RecordBatch], captures: list[str], *, tcp_idle_ns: int, udp_idle_ns: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of `batches` with those of one flow joined.

    Each batch has the flow facts and `capture`, an index into `captures`, to which the names of
    combinations are added. The batches come in the order of the capture.
    """
    table = pa.Table.from_batches(batches)
    repeated = _repeated(table)
    yield from table.filter(pa.array(~repeated)).to_batches()
    if not repeated.any():
        return
    (pieces,) = table.filter(pa.array(repeated)).combine_chunks().to_batches()
    joined, groups = _meter.stitch(pieces, tcp_idle_ns=tcp_idle_ns, udp_idle_ns=udp_idle_ns)
    rows = pa.record_batch(joined)
    group = pa.record_batch(groups)["group"].to_numpy()
    yield rows.append_column(
        "capture", _captures(rows.num_rows, group, pieces["capture"].to_numpy(), captures)
    )


def _repeated(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Whether each row's key occurs again."""
    counted = table.select(KEY).append_column("row", pa.array(np.arange(table.num_rows))).group_by(KEY)
    found = counted.aggregate([("row", "list")])["row_list"].combine_chunks()
    several = pc.greater(pc.list_value_length(found), 1)
    repeated = np.zeros(table.num_rows, dtype=bool)
    repeated[pc.list_flatten(found.filter(several)).to_numpy()] = True
    return repeated


def _captures(
    rows: int, group: npt.NDArray[np.uint32], capture: npt.NDArray[np.int32], names: list[str]
) -> pa.Array:
    """For each joined row the index of the name of the captures that it came from."""
    pairs = np.unique(np.stack([group, capture.astype(np.uint32)], axis=1), axis=0)
    first = np.searchsorted(pairs[:, 0], np.arange(rows))
    column = pairs[first, 1].astype(np.int32)
    several = np.flatnonzero(np.bincount(pairs[:, 0], minlength=rows) > 1)
    for row in several:  # flows that cross a cut between files: few
        parts = [names[i] for i in pairs[pairs[:, 0] == row, 1]]
        name = "|".join(parts)
        if name not in names:
            names.append(name)
        column[row] = names.index(name)
    return pa.array(column, pa.int32())
