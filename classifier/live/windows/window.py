"""One window of a live capture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows.hashing import Hashes, address_words, mixed
from classifier.result import Traffic


@dataclass
class Window:
    """The traffic between two readings of the meter."""

    #: Time of the latest packet so far, nanoseconds since 1970 UTC.
    time_ns: int
    #: Length of the window by the wall clock.
    seconds: float
    #: The flows with a packet in the window or that ended in it; its counters are those of the window.
    traffic: Traffic
    #: The same flows, judged, with the columns of the pipeline.
    judged: list[pa.RecordBatch]
    #: True for each row of `judged` that has ended.
    ended: npt.NDArray[np.bool_]
    #: Identity of each flow: a 64-bit hash of its key and start time.
    ids: Hashes
    #: Facts of the flows that ended, and the names that their column `capture` indexes.
    facts: list[pa.RecordBatch]
    captures: list[str]
    #: Active flows, including those without a packet in the window.
    active_flows: int
    #: Notices about the sources.
    news: list[str] = field(default_factory=list)
    #: True for the last window.
    last: bool = False


def identities(rows: pa.RecordBatch) -> Hashes:
    """Return the identity of each of n flows, facts or judged: a 64-bit hash of its key and start time."""
    ports = rows["port_a"].to_numpy().astype(np.uint64) << 16 | rows["port_b"].to_numpy()
    kind = rows["proto"].to_numpy().astype(np.uint64) << 8 | rows["ip_version"].to_numpy()
    network = rows["network_id"].to_numpy().astype(np.uint64) << np.uint64(16)
    network |= pc.fill_null(rows["vlan"], 0).to_numpy().astype(np.uint64)
    began = rows["first_seen_ns"].to_numpy().astype(np.uint64)
    words = [ports, kind, network, began, *address_words(rows["addr_a"]), *address_words(rows["addr_b"])]
    return mixed(words)
