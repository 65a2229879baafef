"""Decide which side is the server: by the handshake, or else by weighing evidence.

This is the first stage that knows clients and servers. A first pass collects evidence from all flows
(`PeerCounts`, `Directory`); then `decide` judges them batch by batch.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.roles.directory import Directory
from classifier.roles.evidence import KINDS, Context, Evidence, began_unseen, purposes, sweeps_of
from classifier.roles.flow_features import FlowFeatures, Mask, Numbers
from classifier.roles.payload_evidence import note_announced
from classifier.roles.peer_counts import PeerCounts
from classifier.roles.self_check import Bits, LateView, SelfCheck, bits, look_back
from classifier.roles.weights import weight

__all__ = [
    "Context",
    "Directory",
    "Evidence",
    "FlowFeatures",
    "Mask",
    "Numbers",
    "PeerCounts",
    "Reasons",
    "Role",
    "Verdicts",
    "began_unseen",
    "decide",
    "note_announced",
    "purposes",
    "self_check",
    "with_attempts",
]

#: Minimum confidence of an `inferred` verdict.
INFERRED = 0.9
#: Maximum log-odds where a handshake is disputed: about 88%.
_MOST_IF_DISPUTED = 2.0


class Role(StrEnum):
    """The evidence for the server, in one word; a failed connection attempt proves no server."""

    CONFIRMED = "confirmed"
    INFERRED = "inferred"
    AMBIGUOUS = "ambiguous"
    ATTEMPTED = "attempted"


class Reasons:
    """The evidence for the server in each of n flows, from log-odds of each kind (n, kinds)."""

    #: The kinds, by their numbers.
    names = tuple(str(kind) for kind in (Evidence.HANDSHAKE, *KINDS))

    def __init__(self, odds: Numbers) -> None:
        self._odds = odds

    def filter(self, wanted: pa.Array) -> Reasons:
        """Return the reasons of some flows."""
        return Reasons(self._odds[wanted.to_numpy(zero_copy_only=False)])

    def agreeing(self) -> Bits:
        """Return the kinds that agree with the verdict, a bit for each (n)."""
        return bits(self._odds.T > 0)

    def strongest(self) -> npt.NDArray[np.uint8]:
        """Return the number of the strongest kind, where any agrees (n)."""
        lowest = bits(self._odds.T == self._odds.T.max(axis=0))
        lowest &= ~lowest + np.uint16(1)
        strongest: npt.NDArray[np.uint8] = np.bitwise_count(lowest - np.uint16(1))
        return strongest

    def lists(self) -> pa.ListArray:
        """Return for each flow the kinds that agree with its verdict, strongest first."""
        order = np.argsort(-self._odds, axis=1, kind="stable")
        agrees = np.take_along_axis(self._odds, order, axis=1) > 0
        offsets = np.concatenate([[0], np.cumsum(agrees.sum(axis=1))]).astype(np.int32)
        return pa.ListArray.from_arrays(offsets, pa.array(self.names).take(pa.array(order[agrees])))

    def by_appearance(self) -> list[str]:
        """Return the kinds of `lists` in the order in which they first appear there."""
        if not len(self._odds):
            return []
        agreeing = self._odds > 0
        first = np.unique(agreeing.argmax(axis=0)[agreeing.any(axis=0)])
        return list(dict.fromkeys(Reasons(self._odds[first]).lists().flatten().to_pylist()))


class Verdicts(NamedTuple):
    """The verdicts on n flows."""

    #: bool (n): b is the server (in undecided flows, the likelier one).
    server_is_b: Mask
    #: dictionary of strings (n): a `Role`.
    role: pa.DictionaryArray
    #: bool (n): the confidence is below that of `inferred`, also in attempts.
    undecided: Mask
    #: float64 (n), 0.5 to 1: probability that the server is the server.
    confidence: Numbers
    reasons: Reasons
    late: LateView


def with_attempts(ends: FlowFeatures, context: Context) -> FlowFeatures:
    """Set the outcome `unanswered` for the requests of a sweep, which only all flows together show."""
    sweeps, _ = sweeps_of(ends, context)
    if not sweeps.any():
        return ends
    vain = context.survey.sweeps.in_vain(ends, sweeps) & ~ends.attempts
    return ends.unanswered(vain) if vain.any() else ends


def decide(ends: FlowFeatures, context: Context) -> Verdicts:
    """Decide for each of n flows which side is the server, with confidence and evidence."""
    handshakes = ends.handshakes
    odds = weigh(ends, context)
    total = summed(odds, handshakes.disputed)
    # In a tie the receiver of the first packet is the server, with a confidence of 0.5.
    server_is_b = np.where(total == 0, ~ends.first_from_b, total > 0)
    confirmed = handshakes.confirmed
    server_is_b = np.where(confirmed, handshakes.initiator == 0, server_is_b)
    confidence = np.where(confirmed, 1.0, probability(np.abs(total)))
    undecided = ~confirmed & (confidence < INFERRED)
    roles = list(Role)
    codes = np.select(
        [handshakes.attempted, confirmed, undecided],
        [roles.index(role) for role in (Role.ATTEMPTED, Role.CONFIRMED, Role.AMBIGUOUS)],
        roles.index(Role.INFERRED),
    )
    return Verdicts(
        server_is_b=server_is_b,
        role=pa.DictionaryArray.from_arrays(codes.astype(np.int8), pa.array([str(role) for role in roles])),
        undecided=undecided,
        confidence=confidence,
        reasons=_reasons(odds, server_is_b, confirmed),
        late=_late(ends, odds, context),
    )


def weigh(ends: FlowFeatures, context: Context) -> Numbers:
    """Return the log-odds of each kind of evidence for b, in n flows (n, kinds)."""
    return np.stack([kind.weigh(ends, context) for kind in KINDS.values()]).T


def _late(ends: FlowFeatures, odds: Numbers, context: Context) -> LateView:
    """Weigh the evidence once more as if the capture had started late."""
    late = odds.copy(order="K")
    for place, kind in enumerate(KINDS.values()):
        if kind.late:
            late[:, place] = kind.late(ends, context)
    return look_back(ends, late, probability(summed(late, ends.handshakes.disputed)))


def self_check() -> SelfCheck:
    """Return an empty self-check."""
    return SelfCheck([str(kind) for kind in KINDS], INFERRED)


def summed(odds: Numbers, disputed: Mask) -> Numbers:
    """Sum the log-odds of the kinds (n, kinds), within the limits (n)."""
    most = limits(disputed)
    total: Numbers = np.clip(weight("verdict", "scale") * _row_sums(odds.T), -most, most)
    return total


def _row_sums(kinds: Numbers) -> Numbers:
    """Add up columns (kinds, n) in pairs and then in turn: one order, whatever numpy's is."""
    (a, b, c, d, e, f, g, h), rest = kinds[:8], kinds[8:]
    sums: Numbers = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for kind in rest:
        sums += kind
    return sums


def limits(disputed: Mask) -> Numbers:
    """Return the maximum sum of log-odds of each flow (n)."""
    return np.where(disputed, _MOST_IF_DISPUTED, weight("verdict", "most"))


def probability(odds: Numbers) -> Numbers:
    """Convert log-odds to probabilities."""
    return 1 / (1 + np.exp(-odds))


def _reasons(odds: Numbers, server_is_b: Mask, confirmed: Mask) -> Reasons:
    found = np.empty((1 + len(KINDS), len(odds)))
    found[0] = np.where(confirmed, np.inf, 0.0)
    np.multiply(odds.T, np.where(server_is_b, 1.0, -1.0), out=found[1:])
    return Reasons(found.T)
