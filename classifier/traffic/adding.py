"""What a judged flow adds to sums, and how sums are added up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.handshake import ATTEMPTED
from classifier.traffic.grouping import Grouping
from classifier.traffic.sums import AddUp

#: Outcomes of flows that came to nothing: counted apart, never as traffic of a service.
ATTEMPTS = tuple(map(str, ATTEMPTED))
ROLES = ("confirmed", "inferred", "ambiguous")
VOLUMES = ("client_packets", "server_packets", "client_bytes", "server_bytes")
#: What flows are grouped by.
KEYS = ["service", "proto", "ip_version", "server_addr", "server_port", "client_addr"]
SUMS = ["flows", *ROLES, "by_payload", *ATTEMPTS, *VOLUMES, "attempt_packets", "attempt_bytes"]


def adder(keys: list[str], *counts: str) -> AddUp:
    """Return what adds up `SUMS`, times and some more columns of each group, and the bytes both ways."""

    def add_up(table: pa.Table) -> pa.Table:
        by = Grouping(table, keys)
        sums = by.sums(*SUMS, *counts)
        return pa.table(
            {
                **by.keys(*keys),
                **sums,
                "first_seen_ns": by.smallest("first_seen_ns"),
                "last_seen_ns": by.largest("last_seen_ns"),
                "bytes": pc.add(sums["client_bytes"], sums["server_bytes"]),
            }
        )

    return add_up


#: Adds up all rows.
total = adder([])


def numbers(table: pa.Table, name: str) -> npt.NDArray[np.uint64]:
    """Return a column of numbers (n)."""
    column: npt.NDArray[np.uint64] = table[name].to_numpy()
    return column


def labels(judged: pa.RecordBatch) -> pa.Array:
    """Return the service of each of n flows: the name, or the candidates joined by |, or null."""
    joined = pc.binary_join(judged["service_candidates"], "|")
    return pc.coalesce(judged["service"].cast(pa.string()), pc.if_else(pc.equal(joined, ""), None, joined))


def measured(judged: pa.RecordBatch) -> pa.Table:
    """One row a flow: keys, and what it adds to each sum."""
    outcome = judged["outcome"].cast(pa.string())
    tried = pc.is_in(outcome, pa.array(ATTEMPTS))
    real = pc.cast(pc.invert(tried), pa.uint64())
    vain = pc.cast(tried, pa.uint64())
    role = judged["role"].cast(pa.string())
    columns = {"service": labels(judged)} | {name: judged[name] for name in KEYS[1:]}
    columns["flows"] = real
    columns |= {name: pc.cast(pc.equal(role, name), pa.uint64()) for name in ROLES}
    by_payload = pc.fill_null(pc.equal(judged["service_source"].cast(pa.string()), "payload"), False)
    columns["by_payload"] = pc.multiply(real, pc.cast(by_payload, pa.uint64()))
    columns |= {name: pc.cast(pc.equal(outcome, name), pa.uint64()) for name in ATTEMPTS}
    columns |= {name: pc.multiply(real, judged[name]) for name in VOLUMES}
    for unit in ("packets", "bytes"):
        both = pc.add(judged[f"client_{unit}"], judged[f"server_{unit}"])
        columns[f"attempt_{unit}"] = pc.multiply(vain, both)
    columns |= {name: judged[name] for name in ("first_seen_ns", "last_seen_ns")}
    return pa.table(columns)
