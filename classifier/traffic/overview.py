"""Evidence for the server role: totals by role, and by kind of evidence."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows.distinct import distinct
from classifier.roles import Reasons, Role
from classifier.traffic.judged import Judged

#: Roles, in the order of reports.
ROLES = tuple(map(str, Role))


class Overview:
    """Totals of judged flows by role and by evidence; its size is independent of their number."""

    def __init__(self) -> None:
        """Create empty totals."""
        #: By role: `flows`, `packets`, `bytes`.
        self.roles: dict[str, Counter[str]] = {role: Counter() for role in ROLES}
        #: By role and kind of evidence: `flows` whose server it supports, `strongest`: those where it is the
        #: strongest kind.
        self.evidence: dict[tuple[str, str], Counter[str]] = {}

    @staticmethod
    def of(judged: Judged) -> Overview:
        """Return the totals of a batch of judged flows."""
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
        """Add the totals of other flows."""
        for role, counts in other.roles.items():
            self.roles[role].update(counts)
        for case, counts in other.evidence.items():
            self.evidence.setdefault(case, Counter()).update(counts)

    def _add_evidence(self, roles: npt.NDArray[np.int32], reasons: Reasons) -> None:
        """Count the kinds of evidence that support n flows; `roles` are indices in `ROLES`."""
        codes = (roles.astype(np.int64) << 8 | reasons.strongest()) << 16 | reasons.agreeing()
        cases, row = distinct(codes)
        flows = np.bincount(row, minlength=len(cases))
        role, strongest = cases >> 24, cases >> 16 & 0xFF
        kinds = {name: (cases >> kind & 1 > 0, strongest == kind) for kind, name in enumerate(reasons.names)}
        appeared = reasons.by_appearance()
        for number, name in enumerate(ROLES):
            for kind in appeared:
                agrees, decides = kinds[kind]
                here = agrees & (role == number)
                if here.any():
                    counts = self.evidence.setdefault((name, kind), Counter())
                    counts.update(
                        {"flows": int(flows[here].sum()), "strongest": int(flows[here & decides].sum())}
                    )
