"""Leave out events that are another connection's, by their sequence numbers (RFC 5961).

A late RST of the connection before, or one that somebody guessed, ends no connection; the acknowledgement
that challenges a SYN (RFC 5961 §4) doesn't answer it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

#: A RST may be so far ahead of what was captured: segments before it were lost.
_AHEAD = 1 << 20
_HALF = 1 << 31
_ACK, _RST = 3, 6
_FROM_B = 8
_Numbers = npt.NDArray[np.int64]


def believed(facts: pa.RecordBatch) -> npt.NDArray[np.uint64]:
    """Return the packed events of n flows, without those that don't belong to the connection."""
    packed: npt.NDArray[np.uint64] = facts["events"].to_numpy().copy()
    for end, peer, from_b in (("a", "b", 0), ("b", "a", _FROM_B)):
        _leave_out(packed, np.flatnonzero(_is_foreign_reset(facts, end)), from_b | _RST)
        _leave_out(packed, np.flatnonzero(_is_challenge(facts, end, peer)), from_b | _ACK)
    return packed


def _is_foreign_reset(facts: pa.RecordBatch, end: str) -> npt.NDArray[np.bool_]:
    """Return whether an endpoint's RST is outside its numbers, or came after the next connection began."""
    number, first, following = (_numbers(facts[f"{name}_seq_{end}"]) for name in ("reset", "first", "next"))
    length = (following - first) % (1 << 32)
    inside = (number - first + 1) % (1 << 32) <= length + 1 + _AHEAD
    late: npt.NDArray[np.bool_] = facts[f"reset_late_{end}"].to_numpy(zero_copy_only=False)
    known = _known(facts[f"reset_seq_{end}"]) & _known(facts[f"first_seq_{end}"])
    return known & ~inside | late


def _is_challenge(facts: pa.RecordBatch, end: str, peer: str) -> npt.NDArray[np.bool_]:
    """Return whether an endpoint's first acknowledgement is older than the SYN that its peer has sent."""
    ahead = (_numbers(facts[f"first_ack_{end}"]) - _numbers(facts[f"isn_{peer}"]) - 1) % (1 << 32)
    return _known(facts[f"first_ack_{end}"]) & _known(facts[f"isn_{peer}"]) & (ahead >= _HALF)


def _leave_out(packed: npt.NDArray[np.uint64], rows: npt.NDArray[np.intp], code: int) -> None:
    """Remove an event from some rows' packed events."""
    for row in rows.tolist():
        codes = [event for event in _codes(int(packed[row])) if event != code]
        packed[row] = sum(event << (4 * place) for place, event in enumerate(codes))


def _codes(packed: int) -> list[int]:
    codes = []
    while packed:
        codes.append(packed & 0xF)
        packed >>= 4
    return codes


def _numbers(column: pa.Array) -> _Numbers:
    numbers: _Numbers = pc.fill_null(column, 0).to_numpy().astype(np.int64)
    return numbers


def _known(column: pa.Array) -> npt.NDArray[np.bool_]:
    known: npt.NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    return known
