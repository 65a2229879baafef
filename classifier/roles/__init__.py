"""Who is the server: a handshake decides; where there is none, evidence is weighed.

This is the first stage that speaks of clients and servers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.handshake import Handshakes
from classifier.roles.evidence import KINDS, Context, Evidence

__all__ = ["Context", "Evidence", "Role", "Verdicts", "decide"]

#: A verdict at least this likely is called `inferred`.
INFERRED = 0.9
#: Where a handshake is disputed, evidence says no more than this: about 88 %.
_MOST_IF_DISPUTED = 2.0


class Role(StrEnum):
    """How surely the server is known."""

    CONFIRMED = "confirmed"
    INFERRED = "inferred"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Who is the server in each of n flows."""

    #: bool (n): b is the server (for ambiguous flows: the likelier one).
    server_is_b: npt.NDArray[np.bool_]
    #: dictionary of strings (n): a `Role`.
    role: pa.DictionaryArray
    ambiguous: npt.NDArray[np.bool_]
    #: float64 (n), 0.5 to 1: probability that the server is the server.
    confidence: npt.NDArray[np.float64]
    #: list of strings (n), strongest first: the kinds of `Evidence` that spoke for it.
    evidence: pa.ListArray


def decide(facts: pa.RecordBatch, handshakes: Handshakes, context: Context) -> Verdicts:
    """Decide for each of n flows which side is the server, and say how surely and why."""
    odds = np.stack([weigh(facts, handshakes, context) for weigh in KINDS.values()], axis=1)
    total = odds.sum(axis=1)
    total = np.where(handshakes.disputed, np.clip(total, -_MOST_IF_DISPUTED, _MOST_IF_DISPUTED), total)
    # A tie falls to whoever was spoken to first; the confidence says that it is a tie.
    spoken_to_b = ~facts["first_from_b"].to_numpy(zero_copy_only=False)
    server_is_b = np.where(total == 0, spoken_to_b, total > 0)
    confirmed = handshakes.confirmed
    server_is_b = np.where(confirmed, handshakes.initiator == 0, server_is_b)
    likely = 1 / (1 + np.exp(-np.abs(total)))
    confidence = np.where(confirmed, 1.0, np.minimum(likely, np.nextafter(1.0, 0.0)))
    ambiguous = ~confirmed & (confidence < INFERRED)
    codes = np.select([confirmed, ambiguous], [0, 2], 1).astype(np.int8)
    roles = pa.array([str(role) for role in Role])
    return Verdicts(
        server_is_b=server_is_b,
        role=pa.DictionaryArray.from_arrays(codes, roles),
        ambiguous=ambiguous,
        confidence=confidence,
        evidence=_reasons(odds, server_is_b, confirmed),
    )


def _reasons(
    odds: npt.NDArray[np.float64], server_is_b: npt.NDArray[np.bool_], confirmed: npt.NDArray[np.bool_]
) -> pa.ListArray:
    """List for each flow the kinds that agree with its verdict, strongest first."""
    proof = np.where(confirmed, np.inf, 0.0)
    speaks = np.column_stack([proof, np.where(server_is_b[:, None], odds, -odds)])
    order = np.argsort(-speaks, axis=1, kind="stable")
    agrees = np.take_along_axis(speaks, order, axis=1) > 0
    offsets = np.concatenate([[0], np.cumsum(agrees.sum(axis=1))]).astype(np.int32)
    kinds = pa.array([str(kind) for kind in (Evidence.HANDSHAKE, *KINDS)])
    return pa.ListArray.from_arrays(offsets, kinds.take(pa.array(order[agrees])))
