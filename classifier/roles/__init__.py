"""Who is the server: a handshake decides; where there is none, evidence is weighed.

This is the first stage that speaks of clients and servers. `survey` first looks at all flows, for
evidence that other flows give; then `decide` judges them batch by batch.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from classifier.roles.directory import Directory
from classifier.roles.ends import Ends, Mask, Numbers
from classifier.roles.evidence import KINDS, Context, Evidence
from classifier.roles.late import Late, SelfCheck, look_back
from classifier.roles.spoken import note_announced
from classifier.roles.survey import Survey
from classifier.roles.weights import weight

__all__ = [
    "Context",
    "Directory",
    "Ends",
    "Evidence",
    "Role",
    "Survey",
    "Verdicts",
    "decide",
    "note_announced",
    "self_check",
]

#: A verdict at least this likely is called `inferred`.
INFERRED = 0.9
#: Where a handshake is disputed, evidence says no more than this: about 88 %.
_MOST_IF_DISPUTED = 2.0


class Role(StrEnum):
    """How the server is known; a failed connection attempt shows no server, whoever opened it."""

    CONFIRMED = "confirmed"
    INFERRED = "inferred"
    AMBIGUOUS = "ambiguous"
    ATTEMPTED = "attempted"


class Verdicts(NamedTuple):
    """Who is the server in each of n flows."""

    #: bool (n): b is the server (for undecided flows: the likelier one).
    server_is_b: Mask
    #: dictionary of strings (n): a `Role`.
    role: pa.DictionaryArray
    #: bool (n): the confidence is below that of `inferred`, of attempts too.
    undecided: Mask
    #: float64 (n), 0.5 to 1: probability that the server is the server.
    confidence: Numbers
    #: list of strings (n), strongest first: the kinds of `Evidence` that spoke for it.
    evidence: pa.ListArray
    late: Late


def decide(ends: Ends, context: Context) -> Verdicts:
    """Decide for each of n flows which side is the server, and say how surely and why."""
    handshakes = ends.handshakes
    odds = weigh(ends, context)
    total = summed(odds, handshakes.disputed)
    # A tie falls to whoever was spoken to first; the confidence says that it is a tie.
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
        evidence=_reasons(odds, server_is_b, confirmed),
        late=_late(ends, odds, context),
    )


def weigh(ends: Ends, context: Context) -> Numbers:
    """Return what each kind of evidence says of n flows, log-odds for b (n, kinds)."""
    return np.stack([kind.weigh(ends, context) for kind in KINDS.values()], axis=1)


def _late(ends: Ends, odds: Numbers, context: Context) -> Late:
    """Weigh again what a late capture would say otherwise."""
    late = odds.copy()
    for place, kind in enumerate(KINDS.values()):
        if kind.late:
            late[:, place] = kind.late(ends, context)
    return look_back(ends, late, probability(summed(late, ends.handshakes.disputed)))


def self_check() -> SelfCheck:
    """Return a self-check that has counted nothing yet."""
    return SelfCheck([str(kind) for kind in KINDS], INFERRED)


def summed(odds: Numbers, disputed: Mask) -> Numbers:
    """Add up the log-odds of the kinds (n, kinds), as far as evidence may go (n)."""
    most = np.where(disputed, _MOST_IF_DISPUTED, weight("verdict", "most"))
    total: Numbers = np.clip(weight("verdict", "scale") * odds.sum(axis=1), -most, most)
    return total


def probability(odds: Numbers) -> Numbers:
    """Return the probabilities that log-odds stand for."""
    return 1 / (1 + np.exp(-odds))


def _reasons(odds: Numbers, server_is_b: Mask, confirmed: Mask) -> pa.ListArray:
    """List for each flow the kinds that agree with its verdict, strongest first."""
    proof = np.where(confirmed, np.inf, 0.0)
    speaks = np.column_stack([proof, np.where(server_is_b[:, None], odds, -odds)])
    order = np.argsort(-speaks, axis=1, kind="stable")
    agrees = np.take_along_axis(speaks, order, axis=1) > 0
    offsets = np.concatenate([[0], np.cumsum(agrees.sum(axis=1))]).astype(np.int32)
    kinds = pa.array([str(kind) for kind in (Evidence.HANDSHAKE, *KINDS)])
    return pa.ListArray.from_arrays(offsets, kinds.take(pa.array(order[agrees])))
