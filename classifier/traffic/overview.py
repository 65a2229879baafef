"""How the servers of all flows are known: sums by role, and by the evidence that spoke for them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier.traffic.totals import ATTEMPTS

#: How a flow's server is known; a mere attempt shows no server that serves.
ROLES = ("confirmed", "inferred", "ambiguous", "attempt")


class Overview:
    """Adds up judged flows by role and by evidence; its size doesn't grow with them."""

    def __init__(self) -> None:
        """Start at nothing."""
        #: By role: `flows`, `packets`, `bytes`.
        self.roles: dict[str, Counter[str]] = {role: Counter() for role in ROLES}
        #: By role and kind of evidence: `flows` for whose server it spoke, `strongest`: those of it alone
        #: or above all other kinds.
        self.evidence: dict[tuple[str, str], Counter[str]] = {}

    def add(self, judged: pa.RecordBatch) -> None:
        """Add a batch of judged flows."""
        tried = pc.is_in(judged["outcome"].cast(pa.string()), pa.array(ATTEMPTS))
        role = pc.if_else(tried, "attempt", judged["role"].cast(pa.string()))
        lists = judged["role_evidence"]
        sizes = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
        kinds = lists.flatten().to_numpy(zero_copy_only=False)
        of_flow = np.repeat(np.arange(judged.num_rows), sizes)
        strongest = np.zeros(len(kinds), dtype=bool)
        strongest[(np.cumsum(sizes) - sizes)[sizes > 0]] = True
        roles = role.to_numpy(zero_copy_only=False)
        volumes = {
            unit: pc.add(judged[f"client_{unit}"], judged[f"server_{unit}"]).to_numpy()
            for unit in ("packets", "bytes")
        }
        for name in ROLES:
            here = roles == name
            sums = {unit: int(values[here].sum()) for unit, values in volumes.items()}
            self.roles[name].update({"flows": int(here.sum()), **sums})
            spoke = here[of_flow]
            for kind, flows in zip(*np.unique(kinds[spoke], return_counts=True), strict=True):
                first = int((kinds[spoke & strongest] == kind).sum())
                counts = self.evidence.setdefault((name, str(kind)), Counter())
                counts.update({"flows": int(flows), "strongest": first})
