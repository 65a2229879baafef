"""Joins rows of one flow that were metered apart: in other files, or because time ran back.

Which rows belong together is decided in the core, by the rule that also ends flows. Here the few
rows whose key occurs more than once are found, and the joined ones put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier import _meter
from classifier.flows.hashing import address_words, mixed
from classifier.flows.overlap import overlapping
from classifier.flows.spool import MEMORY_BYTES, Spool, as_one

#: So many rows are joined at a time, about a kilobyte each.
PART_ROWS = 20_000
#: Of one key with more rows than that so many, the newest, wait for a row that they can be joined with.
OPEN_ROWS = 5_000

#: Columns that tell keys apart.
_KEY = ["proto", "ip_version", "addr_a", "port_a", "addr_b", "port_b", "network_id"]
_Hashes = npt.NDArray[np.uint32]


class Captures:
    """The names of captures, to which those of combinations are added."""

    def __init__(self, names: list[str], begins_ns: list[int], seen_twice: set[tuple[int, ...]]) -> None:
        """Take the names, when each capture begins, and where to note those of one time and flow."""
        self._names = names
        self._begins_ns = begins_ns
        self.seen_twice = seen_twice
        self._place = {name: number for number, name in enumerate(names)}
        #: Of which captures a combination is made.
        self._parts: dict[int, list[int]] = {}

    def together(self, captures: list[int]) -> int:
        """Return the index of the name of several captures, or combinations of them."""
        found = {part for capture in captures for part in self._parts.get(capture, [capture])}
        parts = sorted(found, key=lambda part: (self._begins_ns[part], part))
        name = "|".join(self._names[part] for part in parts)
        if name not in self._place:
            self._place[name] = len(self._names)
            self._names.append(name)
        self._parts[self._place[name]] = parts
        return self._place[name]

    def parts(self, capture: int) -> tuple[int, ...]:
        """Return the captures of a combination, by their indices."""
        return tuple(self._parts.get(capture, [capture]))


def stitch(
    spool: Spool,
    repeated: Repeated,
    captures: list[str],
    begins_ns: list[int],
    *,
    tcp_idle_ns: int,
    udp_idle_ns: int,
    seen_twice: set[tuple[int, ...]],
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the spool with those of one flow joined.

    The rows have the flow facts and `capture`, an index into `captures`, to which the names of
    combinations are added; `repeated` is what `keys_repeated` finds in the spool. Inputs are taken in
    the order of their first packets' times, `begins_ns`, however they were named. To `seen_twice` those
    are added, by their indices, that have packets of one direction of a flow from the same time. In
    memory are some of the rows whose key occurs again: they are joined part by part, those of a key with
    very many rows piece by piece.
    """
    if not len(repeated.hashes):
        yield from spool
        return
    idle = {"tcp_idle_ns": tcp_idle_ns, "udp_idle_ns": udp_idle_ns}
    names = Captures(captures, begins_ns, seen_twice)
    counts = repeated.counts
    many = repeated.hashes[counts > PART_ROWS]
    parts = 1 + int(counts[counts <= PART_ROWS].sum()) // PART_ROWS
    waiting = [Spool(MEMORY_BYTES // (parts + len(many))) for _ in range(parts + len(many))]
    for batch in spool:
        hashes = _key_hashes(batch)
        again = _among(hashes, repeated.hashes)
        if not again.any():
            yield batch
            continue
        part = np.where(again, hashes % np.uint32(parts), len(waiting))
        for number, key in enumerate(many, start=parts):
            part[hashes == key] = number
        for number in np.unique(part[again]):
            waiting[number].add(batch.filter(pa.array(part == number)))
        if not again.all():
            yield batch.filter(pa.array(~again))
    for pieces in waiting[:parts]:
        if pieces.rows:
            yield _joined(_in_order(pieces, begins_ns), names, **idle)
    for pieces in waiting[parts:]:
        yield from _joined_in_pieces(pieces, names, begins_ns, **idle)


def _joined_in_pieces(
    pieces: Spool, captures: Captures, begins_ns: list[int], **idle: int
) -> Iterator[pa.RecordBatch]:
    """Join the rows of one key, of which there are too many to be held.

    A row goes on the newest before it; only where time ran back it may reach further, to one that is no
    longer held.
    """
    held: list[pa.RecordBatch] = []
    # The rows of a batch are of one input, or of inputs that are captured at one time.
    begin_ns = [begins_ns[batch["capture"][0].as_py()] for batch in pieces.columns(["capture"])]
    for batch in pieces.at(np.argsort(begin_ns, kind="stable").tolist()):
        held.append(batch)
        if sum(rows.num_rows for rows in held) > PART_ROWS:
            rows = _joined(as_one(held), captures, **idle)
            settled = max(0, rows.num_rows - OPEN_ROWS)
            yield rows.slice(0, settled)
            held = [rows.slice(settled)]
    yield _joined(as_one(held), captures, **idle)


def _in_order(pieces: Spool, begins_ns: list[int]) -> pa.RecordBatch:
    """Return the rows in the order of time; of two that begin at once that of the earlier input first."""
    rows = as_one(list(pieces))
    begin_ns = np.array(begins_ns)[rows["capture"].to_numpy()]
    return rows.take(pa.array(np.lexsort((begin_ns, rows["first_seen_ns"].to_numpy()))))


def _joined(candidates: pa.RecordBatch, captures: Captures, **idle: int) -> pa.RecordBatch:
    """Join the rows of some keys."""
    joined, groups = _meter.stitch(candidates, **idle)
    rows = pa.record_batch(joined)
    group = pa.record_batch(groups)["group"].to_numpy()
    capture = candidates["capture"].to_numpy()
    came_from = _captures(rows.num_rows, group, capture, captures)
    twice = overlapping(candidates, group, capture)
    captures.seen_twice.update(map(captures.parts, came_from.take(pa.array(twice)).to_pylist()))
    return rows.append_column("capture", came_from)


def _key_hashes(facts: pa.RecordBatch) -> _Hashes:
    """Hash the keys of n rows: equal keys are equal, others seldom, which costs time only."""
    ports = facts["port_a"].to_numpy().astype(np.uint64) << 16 | facts["port_b"].to_numpy()
    kind = facts["proto"].to_numpy().astype(np.uint64) << 8 | facts["ip_version"].to_numpy()
    network = facts["network_id"].to_numpy().astype(np.uint64)
    words = [ports, kind, network, *address_words(facts["addr_a"]), *address_words(facts["addr_b"])]
    return (mixed(words) >> np.uint64(32)).astype(np.uint32)


@dataclass(frozen=True, slots=True)
class Repeated:
    """The hashes of keys that more than one row has, sorted, and how many rows have each."""

    hashes: _Hashes
    counts: npt.NDArray[np.int64]


def keys_repeated(spool: Spool) -> Repeated:
    """Find the keys of which there is more than one row; takes four bytes a row."""
    hashes = np.empty(spool.rows, dtype=np.uint32)
    row = 0
    for batch in spool.columns(_KEY):
        hashes[row : row + batch.num_rows] = _key_hashes(batch)
        row += batch.num_rows
    hashes.sort()
    repeated, more = np.unique(hashes[1:][hashes[1:] == hashes[:-1]], return_counts=True)
    return Repeated(repeated, more + 1)


def _among(hashes: _Hashes, known: _Hashes) -> npt.NDArray[np.bool_]:
    """Whether each of n hashes is among those known, which are sorted; np.isin would sort them each time."""
    place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.asarray(known[place] == hashes)


def _captures(
    rows: int, group: npt.NDArray[np.uint32], capture: npt.NDArray[np.int32], captures: Captures
) -> pa.Array:
    """For each joined row the index of the name of the captures that it came from."""
    pairs = np.unique(np.stack([group, capture.astype(np.uint32)], axis=1), axis=0)
    counts = np.bincount(pairs[:, 0], minlength=rows)
    first = np.cumsum(counts) - counts
    column = pairs[first, 1].astype(np.int32)
    for row in np.flatnonzero(counts > 1):  # flows that cross a cut between files
        column[row] = captures.together(pairs[first[row] : first[row] + counts[row], 1].tolist())
    return pa.array(column, pa.int32())
