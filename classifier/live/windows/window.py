"""What one window brings."""

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
    """What happened between two looks at the meter."""

    #: Time of the latest packet so far, nanoseconds since 1970 UTC.
    time_ns: int
    #: How long the window was, by the clock on the wall.
    seconds: float
    #: The flows that had a packet in the window or ended in it; its counters are those of the window.
    traffic: Traffic
    #: The same flows, judged; the columns of the pipeline.
    judged: list[pa.RecordBatch]
    #: bool for each row of `judged`: the flow has ended.
    ended: npt.NDArray[np.bool_]
    #: A number for each, that is another for another flow.
    ids: Hashes
    #: Facts of the flows that ended, and the names to which their column `capture` points.
    facts: list[pa.RecordBatch]
    captures: list[str]
    #: Flows that are active now, also those without a packet in the window.
    active_flows: int
    #: What happened to the sources, in sentences.
    news: list[str] = field(default_factory=list)
    #: Nothing comes after it.
    last: bool = False


def identities(rows: pa.RecordBatch) -> Hashes:
    """Return a number for each of n flows, facts or judged, that is another for another flow."""
    ports = rows["port_a"].to_numpy().astype(np.uint64) << 16 | rows["port_b"].to_numpy()
    kind = rows["proto"].to_numpy().astype(np.uint64) << 8 | rows["ip_version"].to_numpy()
    network = rows["network_id"].to_numpy().astype(np.uint64) << np.uint64(16)
    network |= pc.fill_null(rows["vlan"], 0).to_numpy().astype(np.uint64)
    began = rows["first_seen_ns"].to_numpy().astype(np.uint64)
    words = [ports, kind, network, began, *address_words(rows["addr_a"]), *address_words(rows["addr_b"])]
    return mixed(words)
