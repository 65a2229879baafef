"""Joins rows of one flow that were metered apart: in other files, or because time ran back.

Which rows belong together is decided in the core, by the rule that also ends flows. Here the rows whose
key occurs more than once are found, and joined part by part.
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

#: So many rows are joined at a time, about a kilobyte each.
PART_ROWS = 20_000
#: Of one key with more rows than that so many, the newest, wait for a row that they can be joined with.
OPEN_ROWS = 5_000

#: Columns that tell keys apart.
_KEY = ["proto", "ip_version", "addr_a", "port_a", "addr_b", "port_b"]
_Hashes = npt.NDArray[np.uint32]
_Places = npt.NDArray[np.intp]


class Captures:
    """The names of captures, to which those of combinations are added."""

    def __init__(self, names: list[str], begins_ns: list[int], seen_twice: set[tuple[int, ...]]) -> None:
        """Take the names, when each capture begins, and where to note those of one time and flow."""
        self._names = names
        self.begins_ns = begins_ns
        self.seen_twice = seen_twice
        #: Of which captures a combination is made.
        self._parts: dict[int, tuple[int, ...]] = {}
        self._place: dict[tuple[int, ...], int] = {}

    def together(self, captures: list[int]) -> int:
        """Return the index of the name of several captures, or combinations of them."""
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
        """Return when n captures begin, or the first of combinations."""
        begins_ns = list(self.begins_ns)
        for place in range(len(begins_ns), len(self._names)):
            begins_ns.append(min(self.begins_ns[part] for part in self.parts(place)))
        begin_ns: npt.NDArray[np.int64] = np.array(begins_ns, dtype=np.int64)[captures.to_numpy()]
        return begin_ns

    def parts(self, capture: int) -> tuple[int, ...]:
        """Return the captures of a combination, by their indices."""
        return self._parts.get(capture, (capture,))


_Rule = Callable[[pa.RecordBatch], tuple[_meter.Batch, _meter.Batch]]


class Stitched:
    """The rows of a spool with those of one flow joined; they can be read again and again.

    The rows have the flow facts and `capture`, an index into the names of `captures`, to which those of
    combinations are added. Inputs are taken in the order of their first packets' times, however they were
    named. Of combinations that saw packets of one direction of a flow at the same time `captures` notes that.
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
        """Take the rows; past so many bytes joined ones, and those to be joined, go to temporary files."""
        self._spool = spool
        self._captures = captures
        self._rule = partial(
            _meter.stitch, tcp_idle_ns=tcp_idle_ns, udp_idle_ns=udp_idle_ns, past_idle=past_idle
        )
        self._memory_bytes = memory_bytes
        #: The rows whose key only they have, where the spool needn't be read again for them.
        self._alone: Spool | None = None
        #: For each batch of the spool, a bit for each row: whether its key occurs again.
        self._again: list[npt.NDArray[np.uint8]] = []

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows batch by batch: first those whose key only they have."""
        return self.without(())

    def without(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Do the same without some of the columns, none of which tells keys apart; they are not read."""
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
        """The rows of keys that occur again, joined."""
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
            self._spool.give_up()  # all rows are among those alone, and the joined ones
        return joined

    def _to_join(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of keys that occur again, as many at a time as memory may hold.

        If they are most, or all are in memory, the others are put aside: so nobody looks through all again.
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
        """Join the rows of one key, of which there are too many to be held; the pieces follow each other.

        A row goes on the newest before it; only where time ran back it may reach further, to one that is no
        longer held.
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
        """Return the rows in the order of time; of two that begin at once that of the earlier input first."""
        rows = as_one(batches)
        begin_ns = self._captures.begin_ns(rows["capture"])
        return rows.take(pa.array(np.lexsort((begin_ns, rows["first_seen_ns"].to_numpy()))))


class _Parts:
    """Parts of rows whose keys occur again: each is small enough to be joined at once.

    The first `whole` parts have all rows of their keys. A key with very many rows has parts of its own, in
    `pieces`, in the order of time.
    """

    def __init__(self, spool: Spool, repeated: Repeated) -> None:
        """Say which rows go where."""
        many = repeated.counts > PART_ROWS
        self._many = repeated.hashes[many]
        self.whole = 1 + int(repeated.counts[~many].sum()) // PART_ROWS
        #: Of each key with many rows, the times at which its pieces after the first begin.
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
    """Return for each key the times that cut its rows into pieces; takes eight bytes a row."""
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
    """Hash the keys of n rows: equal keys are equal, others seldom, which costs time only."""
    ports = facts["port_a"].to_numpy().astype(np.uint64) << 16 | facts["port_b"].to_numpy()
    kind = facts["proto"].to_numpy().astype(np.uint64) << 8 | facts["ip_version"].to_numpy()
    words = [ports, kind, *address_words(facts["addr_a"]), *address_words(facts["addr_b"])]
    return (mixed(words) >> np.uint64(32)).astype(np.uint32)


@dataclass(frozen=True, slots=True)
class Repeated:
    """The hashes of keys that more than one row has, sorted, and how many rows have each."""

    hashes: _Hashes
    counts: npt.NDArray[np.int64]


def _keys_repeated(spool: Spool) -> Repeated:
    """Find the keys of which there is more than one row; takes four bytes a row."""
    hashes = np.empty(spool.rows, dtype=np.uint32)
    row = 0
    for batch in spool.columns(_KEY):
        hashes[row : row + batch.num_rows] = _key_hashes(batch)
        row += batch.num_rows
    hashes.sort()
    repeated, more = np.unique(hashes[1:][hashes[1:] == hashes[:-1]], return_counts=True)
    return Repeated(repeated, more + 1)


def _some(batch: pa.RecordBatch, wanted: npt.NDArray[np.bool_]) -> list[pa.RecordBatch]:
    """Return the rows that are wanted as one batch, or none."""
    if not wanted.any():
        return []
    return [batch if wanted.all() else batch.filter(pa.array(wanted))]


def _captures(
    rows: int, group: npt.NDArray[np.uint32], capture: npt.NDArray[np.int32], captures: Captures
) -> pa.Array:
    """For each joined row the index of the name of the captures that it came from."""
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
