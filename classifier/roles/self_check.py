"""The self-check: what would be inferred if the capture had started late?

For flows whose server a handshake proves, evidence is weighed once more without what a late capture
misses: the handshake, the first packets, and the flow's own entry in the directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from classifier.flows.distinct import distinct
from classifier.roles.flow_features import FlowFeatures, Mask, Numbers

Bits = npt.NDArray[np.uint16]


class LateView(NamedTuple):
    """The late evidence of n flows, meaningful where a handshake proves the server."""

    #: bool (n): the server is proven, and accepted the connection.
    proven: Mask
    #: float64 (n): probability that evidence gives to the actual server.
    probability: Numbers
    #: uint16 (n): a bit for each kind of evidence with a weight, and for each that is correct.
    speaks: Bits
    right: Bits


def look_back(ends: FlowFeatures, odds: Numbers, probability_of_b: Numbers) -> LateView:
    """Compare the proven server with late evidence: log-odds (n, kinds), and the total probability of b."""
    server_is_b = ends.server == 1
    speaks = odds.T != 0
    return LateView(
        proven=(ends.server >= 0) & ends.handshakes.accepted,
        probability=np.where(server_is_b, probability_of_b, 1 - probability_of_b),
        speaks=bits(speaks),
        right=bits(speaks & ((odds.T > 0) == server_is_b)),
    )


def bits(mask: Mask) -> Bits:
    """Pack columns, 16 at most, into the bits of a number, the first into the lowest (columns, n) to (n)."""
    packed: Bits = mask[0].astype(np.uint16)
    for place, column in enumerate(mask[1:], 1):
        packed |= column.astype(np.uint16) << np.uint16(place)
    return packed


#: Field names of `LateView`.
LATE = LateView._fields


class SelfCheck:
    """Counts over all flows whose server a handshake proves.

    `kinds` are the kinds of evidence, `inferred` is the minimum probability of an `inferred` verdict.
    """

    def __init__(self, kinds: Sequence[str], inferred: float) -> None:
        self._inferred_from = inferred
        #: Flows with a handshake; of these, inferred without it; of these, correct.
        self.flows = self.inferred = self.inferred_right = 0
        #: Flows whose likelier side is the server, inferred or not.
        self.right = 0
        #: By kind of evidence: flows where it has a weight, and of these, correct.
        self.kinds = {kind: [0, 0] for kind in kinds}

    def add(self, late: LateView) -> None:
        """Count the proven ones of n flows."""
        probability = late.probability[late.proven]
        inferred = np.maximum(probability, 1 - probability) >= self._inferred_from
        right = probability > 0.5
        self.flows += len(probability)
        self.inferred += int(inferred.sum())
        self.inferred_right += int((inferred & right).sum())
        self.right += int(right.sum())
        both = late.right[late.proven].astype(np.int64) << 16 | late.speaks[late.proven]
        cases, row = distinct(both)
        flows = np.bincount(row, minlength=len(cases))
        for place, counts in enumerate(self.kinds.values()):
            for number in (0, 1):
                counts[number] += int(flows[cases >> 16 * number + place & 1 > 0].sum())

    def merge(self, other: SelfCheck) -> None:
        """Add the counts of other flows."""
        for name in ("flows", "inferred", "inferred_right", "right"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for kind, counts in other.kinds.items():
            self.kinds[kind] = [one + more for one, more in zip(self.kinds[kind], counts, strict=True)]
