"""Join rows of one flow that were metered separately: in other files, or because time ran back.

The core decides which rows belong together, by the rule that also ends flows. This module finds the rows
whose key occurs more than once, and joins them part by part.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier import _meter
from classifier.flows.hashing import HashIndex, address_words, mixed
from classifier.flows.overlap import overlapping
from classifier.flows.partitions import Partitions
from classifier.flows.spool import BATCH_ROWS, MEMORY_BYTES, Spool, as_one

#: Rows joined at a time, about a kilobyte each.
PART_ROWS = 20_000
#: At most this many rows of one key, the newest, stay open for a later piece.
OPEN_ROWS = 5_000

#: Columns of the key.
_KEY = ["proto", "ip_version", "addr_a", "port_a", "addr_b", "port_b"]
_Hashes = npt.NDArray[np.uint32]
_Places = npt.NDArray[np.intp]


class Captures:
    """The names of captures, and of combinations of them, which are added on demand."""

    def __init__(self, names: list[str], begins_ns: list[int], seen_twice: set[tuple[int, ...]]) -> None:
        """`names` grows by those of combinations; `seen_twice` collects captures with the same packets."""
        self._names = names
        self.begins_ns = begins_ns
        self.seen_twice = seen_twice
        #: The captures of each combination.
        self._parts: dict[int, tuple[int, ...]] = {}
        self._place: dict[tuple[int, ...], int] = {}

    def together(self, captures: list[int]) -> int:
        """Return the index of the name of several captures or combinations together."""
        found = tuple(captures)
        if (place := self._place.get(found)) is None:
            place = self._place[found] = self._combined(found)
        return place

    def _combined(self, captures: tuple[int, ...]) -> int:
        found = {part for capture in captures for part in self._parts.get(capture, (capture,))}
        parts = tuple(sorted(found, key=lambda part: (self.begins_ns[part], part)))
        if parts not in self._place:
            self._place[parts] = len(self._names)
            self._parts[len(self._names)] = parts
            self._names.append("|".join(self._names[part] for part in parts))
        return self._place[parts]

    def begin_ns(self, captures: pa.Array) -> npt.NDArray[np.int64]:
        """Return the start times of n captures; for combinations that of the first."""
        begins_ns = list(self.begins_ns)
        for place in range(len(begins_ns), len(self._names)):
            begins_ns.append(min(self.begins_ns[part] for part in self.parts(place)))
        begin_ns: npt.NDArray[np.int64] = np.array(begins_ns, dtype=np.int64)[captures.to_numpy()]
        return begin_ns

    def parts(self, capture: int) -> tuple[int, ...]:
        """Return the indices of the captures of a combination."""
        return self._parts.get(capture, (capture,))


_Rule = Callable[[pa.RecordBatch], tuple[_meter.Batch, _meter.Batch]]


class Stitched:
    """The rows of a spool with those of one flow joined; they can be read repeatedly.

    The rows have the flow facts and `capture`, an index into the names of `captures`, to which those of
    combinations are added. Inputs are ordered by the times of their first packets, whatever their names.
    Combinations with packets of one direction of a flow at the same time go to `captures.seen_twice`.
    """

    def __init__(
        self,
        spool: Spool,
        captures: Captures,
        *,
        tcp_idle_ns: int,
        udp_idle_ns: int,
        memory_bytes: int = MEMORY_BYTES,
        past_idle: bool = True,
    ) -> None:
        """Beyond `memory_bytes`, joined rows, and those to be joined, spill to temporary files."""
        self._spool = spool
        self._captures = captures
        self._rule = partial(
            _meter.stitch, tcp_idle_ns=tcp_idle_ns, udp_idle_ns=udp_idle_ns, past_idle=past_idle
        )
        self._memory_bytes = memory_bytes
        #: Rows whose key is unique, if they are kept apart from the spool.
        self._alone: Spool | None = None
        #: For each batch of the spool, one bit per row: whether its key is repeated.
        self._again: list[npt.NDArray[np.uint8]] = []

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows batch by batch: first those with a unique key."""
        return self.without(())

    def without(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the same rows without some columns, none of them of the key; they are not read."""
        if not len(self._repeated.hashes):
            yield from self._spool.without(names)
            return
        joined = self._joined
        if self._alone is None:
            for batch, again in zip(self._spool.without(names), self._again, strict=True):
                yield from _some(batch, np.unpackbits(again, count=batch.num_rows) == 0)
        else:
            yield from self._alone.without(names)
        yield from joined.without(names)

    @cached_property
    def _repeated(self) -> Repeated:
        return _keys_repeated(self._spool)

    @cached_property
    def _joined(self) -> Spool:
        """The rows of repeated keys, joined."""
        parts = _Parts(self._spool, self._repeated)
        rows = Partitions(parts.count, self._memory_bytes)
        for batch in self._to_join():
            rows.write(batch, parts.of(batch))
        joined = Spool(self._memory_bytes, BATCH_ROWS)
        for part in range(parts.whole):
            if batches := list(rows.read([part])):
                joined.add(_joined(self._in_order(batches), self._captures, self._rule))
        for pieces in parts.pieces:
            for batch in self._joined_in_pieces(rows, pieces):
                joined.add(batch)
        if self._spool.is_in_memory:
            self._spool.release()  # all rows are in `_alone` or joined
        return joined

    def _to_join(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of repeated keys, as many at a time as memory may hold.

        If they are the majority, or all are in memory, the others are set aside, to avoid another scan.
        """
        if self._repeated.counts.sum() > self._spool.rows // 2:
            self._alone = Spool(self._memory_bytes, BATCH_ROWS)
        elif self._spool.is_in_memory:
            self._alone = Spool(self._spool.memory_bytes)
        held: list[pa.RecordBatch] = []
        held_bytes = 0
        repeated = HashIndex(self._repeated.hashes)
        self._again = []
        for batch in self._spool:
            _, again = repeated.find(_key_hashes(batch))
            self._again.append(np.packbits(again))
            for rows in _some(batch, again):
                held.append(rows)
                held_bytes += rows.nbytes
            if self._alone is not None:
                for others in _some(batch, ~again):
                    self._alone.add(others)
            if held_bytes > self._memory_bytes // 2:
                yield as_one(held)
                held, held_bytes = [], 0
        if held:
            yield as_one(held)

    def _joined_in_pieces(self, rows: Partitions, pieces: range) -> Iterator[pa.RecordBatch]:
        """Join the rows of one key that has too many to be held; the pieces are in order of time.

        A row continues the newest row before it. Only where time ran back it may continue an older one,
        which may no longer be held.
        """
        held: list[pa.RecordBatch] = []
        for piece in pieces:
            if batches := list(rows.read([piece])):
                held = [_joined(as_one([*held, self._in_order(batches)]), self._captures, self._rule)]
                settled = max(0, held[0].num_rows - OPEN_ROWS)
                yield held[0].slice(0, settled)
                held = [held[0].slice(settled)]
        yield from held

    def _in_order(self, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        """Return the rows in order of time; of two that begin at once the earlier input's first."""
        rows = as_one(batches)
        begin_ns = self._captures.begin_ns(rows["capture"])
        return rows.take(pa.array(np.lexsort((begin_ns, rows["first_seen_ns"].to_numpy()))))


class _Parts:
    """Partition of the rows of repeated keys: each part is small enough to be joined at once.

    The first `whole` parts have all rows of their keys. A key with very many rows has parts of its own, in
    `pieces`, in the order of time.
    """

    def __init__(self, spool: Spool, repeated: Repeated) -> None:
        """Compute the partition."""
        many = repeated.counts > PART_ROWS
        self._many = repeated.hashes[many]
        self.whole = 1 + int(repeated.counts[~many].sum()) // PART_ROWS
        #: For each key with many rows, the times at which its pieces after the first begin.
        self._begins_ns = _begins_ns(spool, self._many) if len(self._many) else []
        self.pieces: list[range] = []
        self.count = self.whole
        for begins_ns in self._begins_ns:
            self.pieces.append(range(self.count, self.count + len(begins_ns) + 1))
            self.count = self.pieces[-1].stop

    def of(self, rows: pa.RecordBatch) -> _Places:
        """Return the part of each of n rows."""
        hashes = _key_hashes(rows)
        part = (hashes % np.uint32(self.whole)).astype(np.intp)
        for key, begins_ns, pieces in zip(self._many, self._begins_ns, self.pieces, strict=True):
            mine = np.flatnonzero(hashes == key)
            times_ns = rows["first_seen_ns"].to_numpy()[mine]
            part[mine] = pieces.start + np.searchsorted(begins_ns, times_ns, side="right")
        return part


def _begins_ns(spool: Spool, keys: _Hashes) -> list[npt.NDArray[np.int64]]:
    """Return for each key the times that cut its rows into pieces; needs eight bytes a row."""
    times_ns: list[list[npt.NDArray[np.int64]]] = [[] for _ in keys]
    for batch in spool.columns([*_KEY, "first_seen_ns"]):
        hashes = _key_hashes(batch)
        for place, key in enumerate(keys):
            times_ns[place].append(batch["first_seen_ns"].to_numpy()[hashes == key])
    return [np.sort(np.concatenate(times))[PART_ROWS::PART_ROWS] for times in times_ns]


def _joined(
    candidates: pa.RecordBatch,
    captures: Captures,
    rule: _Rule,
) -> pa.RecordBatch:
    """Join the rows of some keys."""
    joined, groups = rule(candidates)
    rows = pa.record_batch(joined)
    group = pa.record_batch(groups)["group"].to_numpy()
    capture = candidates["capture"].to_numpy()
    came_from = _captures(rows.num_rows, group, capture, captures)
    twice = overlapping(candidates, group, capture)
    captures.seen_twice.update(map(captures.parts, came_from.take(pa.array(twice)).to_pylist()))
    return rows.append_column("capture", came_from)


def _key_hashes(facts: pa.RecordBatch) -> _Hashes:
    """Hash the keys of n rows; collisions are rare and only cost time."""
    ports = facts["port_a"].to_numpy().astype(np.uint64) << 16 | facts["port_b"].to_numpy()
    kind = facts["proto"].to_numpy().astype(np.uint64) << 8 | facts["ip_version"].to_numpy()
    words = [ports, kind, *address_words(facts["addr_a"]), *address_words(facts["addr_b"])]
    return (mixed(words) >> np.uint64(32)).astype(np.uint32)


@dataclass(frozen=True, slots=True)
class Repeated:
    """The sorted hashes of keys with more than one row, and the number of rows of each."""

    hashes: _Hashes
    counts: npt.NDArray[np.int64]


def _keys_repeated(spool: Spool) -> Repeated:
    """Find the keys with more than one row; needs four bytes a row."""
    hashes = np.empty(spool.rows, dtype=np.uint32)
    row = 0
    for batch in spool.columns(_KEY):
        hashes[row : row + batch.num_rows] = _key_hashes(batch)
        row += batch.num_rows
    hashes.sort()
    repeated, more = np.unique(hashes[1:][hashes[1:] == hashes[:-1]], return_counts=True)
    return Repeated(repeated, more + 1)


def _some(batch: pa.RecordBatch, wanted: npt.NDArray[np.bool_]) -> list[pa.RecordBatch]:
    """Return the wanted rows as a list of one batch, or of none."""
    if not wanted.any():
        return []
    return [batch if wanted.all() else batch.filter(pa.array(wanted))]


def _captures(
    rows: int, group: npt.NDArray[np.uint32], capture: npt.NDArray[np.int32], captures: Captures
) -> pa.Array:
    """Return for each joined row the index of the name of the captures it came from."""
    pairs = np.unique(group.astype(np.uint64) << np.uint64(32) | capture.astype(np.uint64))
    counts = np.bincount((pairs >> np.uint64(32)).astype(np.intp), minlength=rows)
    ends = np.cumsum(counts)
    numbers = (pairs & np.uint64(0xFFFF_FFFF)).astype(np.int32)
    column = numbers[ends - counts]
    crossing = np.flatnonzero(counts > 1)  # flows that cross a cut between files
    all_numbers = numbers.tolist()
    for row, end, count in zip(crossing, ends[crossing].tolist(), counts[crossing].tolist(), strict=True):
        column[row] = captures.together(all_numbers[end - count : end])
    return pa.array(column, pa.int32())
