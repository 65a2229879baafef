"""Facts that later windows need from earlier ones: proven servers, and announced endpoints."""

from __future__ import annotations

from collections import deque

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier import roles
from classifier.flows.hashing import Hashes
from classifier.payload.expectations import PATIENCE_NS
from classifier.roles.directory import Entries, no_entries, together
from classifier.roles.flow_features import Mask

#: Servers kept; beyond this the longest-idle ones are dropped.
MOST_SERVERS = 50_000
#: Flows kept that announce endpoints, such as FTP control connections.
MOST_ANNOUNCING = 5_000


class KnownServers:
    """Servers and announcements of all windows so far."""

    def __init__(self) -> None:
        #: Proven servers.
        self.servers: Entries = no_entries()
        #: Facts of flows that may have announced endpoints of other flows.
        self.announcing: deque[pa.RecordBatch] = deque()
        #: Active flows that are in `servers`.
        self._entered: Hashes = np.empty(0, dtype=np.uint64)

    def take(self, ends: roles.FlowFeatures, ids: Hashes, ended: Mask) -> None:
        """Add n flows of a window; those that have `ended` don't appear in later windows."""
        proven = roles.Directory(no_entries())
        proven.add(ends, among=~np.isin(ids, self._entered))
        if len(proven.entries):
            self.servers = _latest(together([self.servers, proven.entries]))
        others = self._entered[~np.isin(self._entered, ids)]
        self._entered = np.concatenate([others, ids[(ends.serving >= 0) & ~ended]])
        self._note_announcing(ends.facts)

    def _note_announcing(self, facts: pa.RecordBatch) -> None:
        if not facts.num_rows:
            return
        since_ns = pc.max(facts["last_seen_ns"]).as_py() - PATIENCE_NS
        while self.announcing and pc.max(self.announcing[0]["last_seen_ns"]).as_py() < since_ns:
            self.announcing.popleft()
        announcing = facts.filter(pc.greater(pc.list_value_length(facts["announced"]), 0))
        if announcing.num_rows:
            self.announcing.append(announcing.slice(0, MOST_ANNOUNCING))
        while sum(batch.num_rows for batch in self.announcing) > MOST_ANNOUNCING:
            self.announcing.popleft()


def _latest(servers: Entries) -> Entries:
    if len(servers) <= MOST_SERVERS:
        return servers
    return servers.within(int(np.sort(servers.last_seen_ns)[-MOST_SERVERS]), int(servers.last_seen_ns.max()))
