"""The self-check: what would be said of a flow had its capture come late?

For flows whose server a handshake proves, evidence is weighed once more without what a late capture
misses: the handshake, the first packets, and what the flow itself has put into the directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from classifier.roles.flow_features import Ends, Mask, Numbers


class Late(NamedTuple):
    """What evidence would say of n flows; it matters where a handshake proves the server."""

    #: bool (n): the server is proven, and accepted the connection.
    proven: Mask
    #: float64 (n): probability that evidence gives to the end that is the server.
    probability: Numbers
    #: uint16 (n): a bit for each kind of evidence that speaks, and for each that is right.
    speaks: npt.NDArray[np.uint16]
    right: npt.NDArray[np.uint16]


def look_back(ends: Ends, odds: Numbers, probability_of_b: Numbers) -> Late:
    """Compare the proven server with what late evidence says: log-odds (n, kinds), and all in all."""
    server_is_b = ends.server == 1
    speaks = odds != 0
    return Late(
        proven=(ends.server >= 0) & ends.handshakes.accepted,
        probability=np.where(server_is_b, probability_of_b, 1 - probability_of_b),
        speaks=_bits(speaks),
        right=_bits(speaks & ((odds > 0) == server_is_b[:, None])),
    )


def _bits(mask: Mask) -> npt.NDArray[np.uint16]:
    """Pack up to 16 columns into the bits of a number, the first into the lowest (n)."""
    packed = np.zeros(len(mask), dtype=np.uint16)
    for place, column in enumerate(mask.T):
        packed |= column.astype(np.uint16) << np.uint16(place)
    return packed


#: The names of what `Late` holds.
LATE = Late._fields


class SelfCheck:
    """Counts over all flows whose server a handshake proves."""

    def __init__(self, kinds: Sequence[str], inferred: float) -> None:
        """Take the kinds of evidence, and the probability from which a verdict is `inferred`."""
        self._inferred_from = inferred
        #: Flows whose handshake was seen; of these inferred without it; of these rightly.
        self.flows = self.inferred = self.inferred_right = 0
        #: Flows whose likelier side would have been the server, inferred or not.
        self.right = 0
        #: By kind of evidence: flows of which it speaks, and of these rightly.
        self.kinds = {kind: [0, 0] for kind in kinds}

    def add(self, late: Late) -> None:
        """Count the proven ones of n flows."""
        probability = late.probability[late.proven]
        inferred = np.maximum(probability, 1 - probability) >= self._inferred_from
        right = probability > 0.5
        self.flows += len(probability)
        self.inferred += int(inferred.sum())
        self.inferred_right += int((inferred & right).sum())
        self.right += int(right.sum())
        for count, bits in enumerate((late.speaks[late.proven], late.right[late.proven])):
            for place, kind in enumerate(self.kinds):
                self.kinds[kind][count] += int(np.count_nonzero(bits >> place & 1))

    def merge(self, other: SelfCheck) -> None:
        """Add the counts of other flows."""
        for name in ("flows", "inferred", "inferred_right", "right"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for kind, counts in other.kinds.items():
            self.kinds[kind] = [one + more for one, more in zip(self.kinds[kind], counts, strict=True)]
