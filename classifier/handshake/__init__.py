"""Find the initiator of flows from their events: the handshake tracker over whole record batches.

The tracker itself is `tracker.py`. It runs once for each distinct signature, of which a capture of millions
of flows has a few hundred; this module builds signatures and maps the results back to rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.handshake.believed import believed
from classifier.handshake.tracker import ATTEMPTED, Outcome, Signature, Story, track

__all__ = ["ATTEMPTED", "Handshakes", "Outcome", "Signature", "Story", "judge", "track"]

#: IP protocol numbers of TCP, DCCP and SCTP: transports with a handshake.
WITH_HANDSHAKE = [6, 33, 132]
_LETTERS = {1: "S", 2: "H", 3: "A", 4: "D", 5: "F", 6: "R", 7: "U"}
#: Up to fourteen events of four bits each.
_MOST_EVENTS = 14
#: Bits above them.
_CONNECTION, _FIRST_FROM_B, _ISN_ACKED_A, _ISN_ACKED_B, _ACK_MOVED_A, _ACK_MOVED_B = range(56, 62)
#: Maximum distance of an acknowledgement that counts as one of the SYN+ACK: the first one captured may
#: already cover data. 1 in 4,096 random numbers is within it.
_ACK_WINDOW = 1 << 20


@dataclass(frozen=True, slots=True)
class Handshakes:
    """The results of the tracker for the n rows of a batch."""

    #: int8 (n): the initiator: 0 for a, 1 for b, -1 where no SYN or SYN+ACK shows it.
    initiator: npt.NDArray[np.int8]
    #: bool (n): the handshake proves the initiator.
    confirmed: npt.NDArray[np.bool_]
    #: bool (n): the handshake is incomplete and not conclusive: simultaneous open, backscatter.
    disputed: npt.NDArray[np.bool_]
    #: bool (n): the handshake proves that the responder accepts connections.
    accepted: npt.NDArray[np.bool_]
    #: int8 (n): the endpoint that an ICMP error reports unreachable, and that never sent anything: a closed
    #: server port; -1 for none.
    closed: npt.NDArray[np.int8]
    #: int8 (n): the endpoint that an ICMP error reports unreachable after it had sent: a client that is gone.
    gone: npt.NDArray[np.int8]
    #: bool (2, n): the endpoint sent something other than a RST, or its peer shows that it did.
    took_part: npt.NDArray[np.bool_]
    #: dictionary of strings (n): an `Outcome`.
    outcome: pa.DictionaryArray
    _story: npt.NDArray[np.int32]
    _stories: list[Story]

    def with_proof(self, server: npt.NDArray[np.int8]) -> Handshakes:
        """Return a copy with servers proven by payload: 0 for a, 1 for b, -1 for none (n)."""
        proven = server >= 0
        return replace(
            self,
            initiator=np.where(proven, 1 - server, self.initiator).astype(np.int8),
            confirmed=self.confirmed | proven,
            accepted=self.accepted | proven,
        )

    def unanswered(self, where: npt.NDArray[np.bool_]) -> Handshakes:
        """Return a copy with the outcome `unanswered` for some rows (n), as other flows show."""
        names = self.outcome.dictionary.to_pylist()
        code = np.int32(names.index(str(Outcome.UNANSWERED)))
        codes = np.where(where, code, self.outcome.indices.to_numpy()).astype(np.int32)
        return replace(self, outcome=pa.DictionaryArray.from_arrays(codes, self.outcome.dictionary))

    @property
    def attempted(self) -> npt.NDArray[np.bool_]:
        """True for outcomes of failed attempts (n)."""
        failed = np.isin(self.outcome.dictionary.to_pylist(), ATTEMPTED)
        flows: npt.NDArray[np.bool_] = failed[self.outcome.indices.to_numpy()]
        return flows

    def conn_state(self, client_is_b: npt.NDArray[np.bool_]) -> pa.DictionaryArray:
        """Return Zeek's `conn_state` (n), with the client as the initiator."""
        return self._oriented([story.conn_state for story in self._stories], client_is_b)

    def history(self, client_is_b: npt.NDArray[np.bool_]) -> pa.DictionaryArray:
        """Return Zeek's `history` (n), with the client as the initiator."""
        return self._oriented([story.history for story in self._stories], client_is_b)

    def _oriented(
        self, pairs: list[tuple[str, str]], client_is_b: npt.NDArray[np.bool_]
    ) -> pa.DictionaryArray:
        texts = sorted({text for pair in pairs for text in pair})
        place = {text: i for i, text in enumerate(texts)}
        codes = np.array([[place[a], place[b]] for a, b in pairs], dtype=np.int32).reshape(-1, 2)
        return pa.DictionaryArray.from_arrays(
            codes[self._story, client_is_b.astype(np.intp)], pa.array(texts, pa.string())
        )


def judge(facts: pa.RecordBatch) -> Handshakes:
    """Run the tracker over a batch of flow facts (n)."""
    encoded = pa.array(_signatures(facts)).dictionary_encode()
    row = encoded.indices.to_numpy().astype(np.int32)
    stories = [_story_of(packed) for packed in encoded.dictionary.to_pylist()]

    def of_rows(found: list[int | None]) -> npt.NDArray[np.int8]:
        codes = np.array([-1 if end is None else end for end in found], dtype=np.int8)
        ends: npt.NDArray[np.int8] = codes[row]
        return ends

    outcomes = list(Outcome)
    outcome_of = np.array([outcomes.index(story.outcome) for story in stories], dtype=np.int32)
    return Handshakes(
        initiator=of_rows([story.initiator for story in stories]),
        closed=of_rows([story.closed for story in stories]),
        gone=of_rows([story.gone for story in stories]),
        confirmed=np.array([story.confirmed for story in stories], dtype=bool)[row],
        disputed=np.array([story.disputed for story in stories], dtype=bool)[row],
        accepted=np.array([story.accepted for story in stories], dtype=bool)[row],
        took_part=np.array([story.took_part for story in stories], dtype=bool).reshape(-1, 2).T[:, row],
        outcome=pa.DictionaryArray.from_arrays(outcome_of[row], pa.array([str(o) for o in outcomes])),
        _story=row,
        _stories=stories,
    )


def _signatures(facts: pa.RecordBatch) -> npt.NDArray[np.uint64]:
    """Pack each row's signature into 64 bits."""

    def bit(column: npt.NDArray[np.bool_], place: int) -> npt.NDArray[np.uint64]:
        return column.astype(np.uint64) << np.uint64(place)

    return (
        believed(facts)
        | bit(np.isin(facts["proto"].to_numpy(), WITH_HANDSHAKE), _CONNECTION)
        | bit(_bools(facts["first_from_b"]), _FIRST_FROM_B)
        | bit(_isn_acked(facts["isn_a"], facts["first_ack_b"]), _ISN_ACKED_A)
        | bit(_isn_acked(facts["isn_b"], facts["first_ack_a"]), _ISN_ACKED_B)
        | bit(_bools(facts["ack_moved_a"]), _ACK_MOVED_A)
        | bit(_bools(facts["ack_moved_b"]), _ACK_MOVED_B)
    )


def _bools(column: Any) -> npt.NDArray[np.bool_]:
    bools: npt.NDArray[np.bool_] = column.to_numpy(zero_copy_only=False)
    return bools


def _isn_acked(isn: Any, ack: Any) -> npt.NDArray[np.bool_]:
    """Return whether the peer's first acknowledgement covers an initial sequence number, and little more."""
    known: npt.NDArray[np.bool_] = _bools(pc.and_(pc.is_valid(isn), pc.is_valid(ack)))
    behind = pc.fill_null(ack, 0).to_numpy() - pc.fill_null(isn, 0).to_numpy() - np.uint32(1)  # modulo 2**32
    covered: npt.NDArray[np.bool_] = known & (behind < _ACK_WINDOW)
    return covered


@lru_cache(maxsize=4096)
def _story_of(packed: int) -> Story:
    codes = []
    for place in range(_MOST_EVENTS):
        code = packed >> (4 * place) & 0xF
        if not code:
            break
        codes.append((code >> 3, _LETTERS[code & 7]))

    def bit(place: int) -> bool:
        return bool(packed >> place & 1)

    return track(
        Signature(
            connection=bit(_CONNECTION),
            events=tuple(codes),
            first=int(bit(_FIRST_FROM_B)),
            isn_acked=(bit(_ISN_ACKED_A), bit(_ISN_ACKED_B)),
            ack_moved=(bit(_ACK_MOVED_A), bit(_ACK_MOVED_B)),
        )
    )
