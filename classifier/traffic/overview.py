"""How the servers of all flows are known: sums by role, and by the evidence that spoke for them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.roles import Role

#: How a flow's server is known, in the order of reports.
ROLES = tuple(map(str, Role))


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
        roles = pc.index_in(judged["role"].cast(pa.string()), pa.array(ROLES)).to_numpy()
        volumes = {
            unit: pc.add(judged[f"client_{unit}"], judged[f"server_{unit}"]).to_numpy()
            for unit in ("packets", "bytes")
        }
        for number, name in enumerate(ROLES):
            here = roles == number
            sums = {unit: int(values[here].sum()) for unit, values in volumes.items()}
            self.roles[name].update({"flows": int(here.sum()), **sums})
        self._add_evidence(roles, judged["role_evidence"])

    def _add_evidence(self, roles: npt.NDArray[np.int32], lists: pa.ListArray) -> None:
        """Count the kinds that spoke for n flows of roles, which are places in `ROLES`."""
        sizes = lists.value_lengths().to_numpy()
        kinds = lists.flatten().dictionary_encode()
        names = kinds.dictionary.to_pylist()
        cases = roles.repeat(sizes) * len(names) + kinds.indices.to_numpy()
        strongest = cases[(np.cumsum(sizes) - sizes)[sizes > 0]]
        flows, first = (np.bincount(some, minlength=len(ROLES) * len(names)) for some in (cases, strongest))
        for case in np.flatnonzero(flows):
            role, kind = divmod(int(case), len(names))
            counts = self.evidence.setdefault((ROLES[role], names[kind]), Counter())
            counts.update({"flows": int(flows[case]), "strongest": int(first[case])})
