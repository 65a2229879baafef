"""Joins rows of one flow that were metered apart: in other files, or because time ran back.

Which rows belong together is decided in the core, by the rule that also ends flows. Here the few
rows whose key occurs more than once are found, and the joined ones put back.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier import _meter
from classifier.flows.hashing import Hashes, address_words, mixed
from classifier.flows.spool import MEMORY_BYTES, Spool

#: So many rows are joined at a time, about a kilobyte each.
PART_ROWS = 50_000


def stitch(
    spool: Spool, captures: list[str], begins_ns: list[int], *, tcp_idle_ns: int, udp_idle_ns: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the spool with those of one flow joined.

    The rows have the flow facts and `capture`, an index into `captures`, to which the names of
    combinations are added. Inputs are taken in the order of their first packets' times, `begins_ns`,
    however they were named. In memory are eight bytes a row, and some of the rows whose key occurs
    again: they are joined part by part.
    """
    repeated, rows = _repeated(spool)
    parts = 1 + rows // PART_ROWS
    waiting = [Spool(MEMORY_BYTES // parts) for _ in range(parts)]
    for batch in spool:
        hashes = _key_hashes(batch)
        again = np.isin(hashes, repeated)
        if not again.any():
            yield batch
            continue
        for part, pieces in enumerate(waiting):
            pieces.add(batch.filter(pa.array(again & (hashes % np.uint64(parts) == part))))
        yield batch.filter(pa.array(~again))
    for pieces in waiting:
        if pieces.rows:
            yield _joined(pieces, captures, begins_ns, tcp_idle_ns=tcp_idle_ns, udp_idle_ns=udp_idle_ns)


def _joined(
    pieces: Spool, captures: list[str], begins_ns: list[int], *, tcp_idle_ns: int, udp_idle_ns: int
) -> pa.RecordBatch:
    """Join the rows of some keys."""
    (candidates,) = pa.Table.from_batches(pieces).combine_chunks().to_batches()
    begin_ns = np.array(begins_ns)[candidates["capture"].to_numpy()]
    candidates = candidates.take(pa.array(np.argsort(begin_ns, kind="stable")))
    joined, groups = _meter.stitch(candidates, tcp_idle_ns=tcp_idle_ns, udp_idle_ns=udp_idle_ns)
    rows = pa.record_batch(joined)
    group = pa.record_batch(groups)["group"].to_numpy()
    came_from = _captures(rows.num_rows, group, candidates["capture"].to_numpy(), captures)
    return rows.append_column("capture", came_from)


def _key_hashes(facts: pa.RecordBatch) -> Hashes:
    """Hash the keys of n rows."""
    ports = facts["port_a"].to_numpy().astype(np.uint64) << 16 | facts["port_b"].to_numpy()
    kind = facts["proto"].to_numpy().astype(np.uint64) << 8 | facts["ip_version"].to_numpy()
    network = facts["network_id"].to_numpy().astype(np.uint64)
    return mixed([ports, kind, network, *address_words(facts["addr_a"]), *address_words(facts["addr_b"])])


def _repeated(spool: Spool) -> tuple[Hashes, int]:
    """Return the hashes that occur more than once, and how many rows have one of them."""
    hashes = np.empty(spool.rows, dtype=np.uint64)
    row = 0
    for batch in spool:
        hashes[row : row + batch.num_rows] = _key_hashes(batch)
        row += batch.num_rows
    hashes.sort()
    again = hashes[1:] == hashes[:-1]
    repeated = np.unique(hashes[1:][again])
    return repeated, int(again.sum()) + len(repeated)


def _captures(
    rows: int, group: npt.NDArray[np.uint32], capture: npt.NDArray[np.int32], names: list[str]
) -> pa.Array:
    """For each joined row the index of the name of the captures that it came from."""
    pairs = np.unique(np.stack([group, capture.astype(np.uint32)], axis=1), axis=0)
    counts = np.bincount(pairs[:, 0], minlength=rows)
    first = np.cumsum(counts) - counts
    column = pairs[first, 1].astype(np.int32)
    place = {name: number for number, name in enumerate(names)}
    for row in np.flatnonzero(counts > 1):  # flows that cross a cut between files
        name = "|".join(names[i] for i in pairs[first[row] : first[row] + counts[row], 1])
        if name not in place:
            place[name] = len(names)
            names.append(name)
        column[row] = place[name]
    return pa.array(column, pa.int32())
