"""The server directory: proven servers of this input and of earlier ones.

An entry is proven by a handshake that it accepted or, over UDP, by its answer to a request. The directory
has the number of flows and the first and last time. It can be saved, so that earlier captures help with later
ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.hashing import Hashes, HashIndex
from classifier.roles.flow_features import FlowFeatures, Mask, endpoint_hashes, host_hashes

Times = npt.NDArray[np.int64]
#: Rows of unmerged pieces at which they are merged.
_MERGE_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Entries:
    """Endpoints (m), unique, sorted by key."""

    #: Hashes as in `FlowFeatures.endpoints`.
    keys: Hashes
    #: Connections accepted, or flows answered in.
    flows: npt.NDArray[np.int64]
    first_seen_ns: Times
    last_seen_ns: Times
    #: The endpoints themselves: columns of `ENDPOINT`.
    endpoints: pa.Table

    def __len__(self) -> int:
        """Return m."""
        return len(self.keys)

    def within(self, first_ns: int, last_ns: int) -> Entries:
        """Return the entries seen between two times."""
        kept = np.flatnonzero((self.last_seen_ns >= first_ns) & (self.first_seen_ns <= last_ns))
        times = self.first_seen_ns[kept], self.last_seen_ns[kept]
        return Entries(self.keys[kept], self.flows[kept], *times, self.endpoints.take(pa.array(kept)))


#: Columns that identify an endpoint.
ENDPOINT = pa.schema(
    [
        ("proto", pa.uint8()),
        ("ip_version", pa.uint8()),
        ("addr", pa.binary(16)),
        ("port", pa.uint16()),
        ("network_id", pa.uint32()),
    ]
)


def no_entries() -> Entries:
    """Return empty entries."""
    times = np.empty(0, np.int64)
    return Entries(np.empty(0, np.uint64), times, times, times, ENDPOINT.empty_table())


def of_endpoints(
    endpoints: pa.Table, flows: npt.NDArray[np.int64], first_seen_ns: Times, last_seen_ns: Times
) -> Entries:
    """Return entries for endpoints, rows of `ENDPOINT`, with duplicates merged."""
    one = endpoints.combine_chunks()
    columns = {name: one[name].combine_chunks() for name in ENDPOINT.names}
    hosts = host_hashes(columns["ip_version"], columns["addr"], columns["network_id"])
    keys = endpoint_hashes(hosts, columns["proto"].to_numpy(), columns["port"].to_numpy())
    return together([Entries(keys, flows, first_seen_ns, last_seen_ns, one)])


class Directory:
    """Proven servers, in any order of the flows added; `known` are those of earlier inputs."""

    def __init__(self, known: Entries) -> None:
        self._known = known
        self._pieces: list[Entries] = []

    def add(self, ends: FlowFeatures, among: Mask | None = None) -> None:
        """Add the servers proven by n flows, or by those in `among`."""
        self.enter(proven_servers(ends, among))

    def enter(self, pieces: list[Entries]) -> None:
        """Add entries of `proven_servers`."""
        self._pieces += pieces
        if sum(map(len, self._pieces)) > _MERGE_ROWS:
            self._pieces = [together(self._pieces)]
        self.__dict__.pop("entries", None)
        self.__dict__.pop("_index", None)

    @cached_property
    def entries(self) -> Entries:
        """All entries: known ones, and those of this input."""
        return _joined(self._known, together(self._pieces))

    def flows(self, endpoints: Hashes) -> npt.NDArray[np.int64]:
        """Return the number of flows that prove each endpoint a server; 0 for unlisted ones."""
        flows = np.zeros(endpoints.shape, dtype=np.int64)
        place, listed = self._index.find(endpoints)
        flows[listed] = self.entries.flows[place[listed]]
        return flows

    @cached_property
    def _index(self) -> HashIndex:
        return HashIndex(self.entries.keys)


def proven_servers(ends: FlowFeatures, among: Mask | None = None) -> list[Entries]:
    """Return the servers proven by n flows, or by those in `among`."""
    found = []
    for end in (0, 1):
        where = (ends.serving == end) & ~ends.groups[end]
        if among is not None:
            where &= among
        if where.any():
            found.append(_entries(ends, end, where))
    return found


def _entries(ends: FlowFeatures, end: int, where: Mask) -> Entries:
    """Return an entry for each server in the flows of a mask; it is endpoint a or b."""
    facts, rows = ends.facts, np.flatnonzero(where)
    side = "ab"[end]
    columns = [facts["proto"], facts["ip_version"], facts[f"addr_{side}"], facts[f"port_{side}"]]
    endpoints = pa.table([*columns, facts["network_id"]], schema=ENDPOINT).take(pa.array(rows))
    once = np.ones(len(rows), dtype=np.int64)
    times = ends.first_seen_ns[rows], facts["last_seen_ns"].to_numpy()[rows]
    return together([Entries(ends.endpoints[end][rows], once, *times, endpoints)])


def together(pieces: Iterable[Entries]) -> Entries:
    """Merge entries of the same endpoint, and total their flows."""
    rows = _one(list(pieces))
    keys, first, group = np.unique(rows.keys, return_index=True, return_inverse=True)
    flows = np.zeros(len(keys), dtype=np.int64)
    np.add.at(flows, group, rows.flows)
    first_seen_ns, last_seen_ns = rows.first_seen_ns[first], rows.last_seen_ns[first]
    np.minimum.at(first_seen_ns, group, rows.first_seen_ns)
    np.maximum.at(last_seen_ns, group, rows.last_seen_ns)
    return Entries(keys, flows, first_seen_ns, last_seen_ns, rows.endpoints.take(pa.array(first)))


def _joined(known: Entries, seen: Entries) -> Entries:
    """Merge the entries of an earlier input with those of this one.

    Where the times of an entry overlap, both may be the same flows, which are counted once.
    """
    if not len(known):
        return seen
    both, in_known, in_seen = np.intersect1d(known.keys, seen.keys, return_indices=True)
    joined = together([known, seen])
    overlap = (known.first_seen_ns[in_known] <= seen.last_seen_ns[in_seen]) & (
        seen.first_seen_ns[in_seen] <= known.last_seen_ns[in_known]
    )
    twice = np.where(overlap, np.minimum(known.flows[in_known], seen.flows[in_seen]), 0)
    joined.flows[np.searchsorted(joined.keys, both)] -= twice
    return joined


def _one(pieces: list[Entries]) -> Entries:
    if not pieces:
        return no_entries()
    return Entries(
        np.concatenate([piece.keys for piece in pieces]),
        np.concatenate([piece.flows for piece in pieces]),
        np.concatenate([piece.first_seen_ns for piece in pieces]),
        np.concatenate([piece.last_seen_ns for piece in pieces]),
        pa.concat_tables([piece.endpoints for piece in pieces]),
    )
