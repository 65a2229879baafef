"""How the servers of all flows are known: sums by role, and by the evidence that spoke for them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.roles import Reasons, Role
from classifier.traffic.judged import Judged

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

    @staticmethod
    def of(judged: Judged) -> Overview:
        """Return that of a batch of judged flows."""
        found = Overview()
        found._add(judged)
        return found

    def _add(self, judged: Judged) -> None:
        roles = pc.index_in(judged["role"].cast(pa.string()), pa.array(ROLES)).to_numpy()
        volumes = {
            unit: pc.add(judged[f"client_{unit}"], judged[f"server_{unit}"]).to_numpy()
            for unit in ("packets", "bytes")
        }
        for number, name in enumerate(ROLES):
            here = roles == number
            sums = {unit: int(values[here].sum()) for unit, values in volumes.items()}
            self.roles[name].update({"flows": int(here.sum()), **sums})
        self._add_evidence(roles, judged["_reasons"])

    def merge(self, other: Overview) -> None:
        """Add what another has of other flows."""
        for role, counts in other.roles.items():
            self.roles[role].update(counts)
        for case, counts in other.evidence.items():
            self.evidence.setdefault(case, Counter()).update(counts)

    def _add_evidence(self, roles: npt.NDArray[np.int32], reasons: Reasons) -> None:
        """Count the kinds that spoke for n flows of roles, which are places in `ROLES`."""
        agreeing, strongest = reasons.agreeing(), reasons.strongest()
        found = {}
        for kind, name in enumerate(reasons.names):
            here = agreeing[:, kind]
            decided = here & (strongest == kind)
            found[name] = [np.bincount(roles[some], minlength=len(ROLES)) for some in (here, decided)]
        names = reasons.by_appearance()
        for number, role in enumerate(ROLES):
            for name in names:
                flows, first = (int(counts[number]) for counts in found[name])
                if flows:
                    counts = self.evidence.setdefault((role, name), Counter())
                    counts.update({"flows": flows, "strongest": first})
