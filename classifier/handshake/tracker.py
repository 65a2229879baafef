"""The handshake tracker: from a flow's events to its initiator, outcome and connection state.

All knowledge of connections is in this file, as tables. A flow's events are letters in the order of their
first occurrence, as in Zeek's history: S a SYN, H a SYN+ACK, A a pure acknowledgement, D data, F a FIN, R a
RST; upper case from the initiator, lower case from the responder. U is an ICMP error that reports the
endpoint unreachable; Zeek has no letter for it, so it isn't in `history`.

States are Zeek's `conn_state` codes by their published definitions, and a few intermediate ones. Sequence
numbers were matched earlier: a SYN+ACK in a flow acknowledges the flow's SYN, or it would have begun a new
flow.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """The state of a conversation."""

    NEW = "new"
    S0 = "S0"  # a SYN, no reply
    CROSSED = "crossed"  # a SYN from both endpoints: simultaneous open (RFC 9293, figure 7)
    SYN_ACK = "syn_ack"  # a SYN+ACK, its SYN not seen
    S1 = "S1"  # established
    S2 = "S2"  # established, the initiator has closed its side
    S3 = "S3"  # established, the responder has closed its side
    SF = "SF"  # established and closed by both
    REJ = "REJ"  # the SYN was answered by a RST
    RSTO = "RSTO"  # established, then reset by the initiator
    RSTR = "RSTR"  # established, then reset by the responder
    RSTOS0 = "RSTOS0"  # SYN, then RST from the same endpoint
    RSTRH = "RSTRH"  # SYN+ACK, then RST from the same endpoint, the SYN not seen
    SH = "SH"  # SYN, then FIN from the same endpoint, no SYN+ACK
    SHR = "SHR"  # SYN+ACK, then FIN from the same endpoint, the SYN not seen
    OTH = "OTH"  # midstream


#: TCP, SCTP, DCCP: the next state by letter. Letters not listed don't change the state.
CONNECTIONS: dict[State, dict[str, State]] = {
    State.NEW: {"S": State.S0, "h": State.SYN_ACK}
    | dict.fromkeys(["A", "a", "D", "d", "F", "f", "R", "r"], State.OTH),
    State.S0: {
        "h": State.S1,
        "s": State.CROSSED,
        # The responder sends within the connection: the capture missed its SYN+ACK.
        **dict.fromkeys(["a", "d"], State.S1),
        "f": State.S3,
        "r": State.REJ,
        "R": State.RSTOS0,
        "F": State.SH,
    },
    State.CROSSED: dict.fromkeys(["H", "h", "A", "a", "D", "d"], State.S1),
    # An acknowledgement by the initiator completes the handshake whose SYN was missed.
    State.SYN_ACK: {"A": State.S1, "D": State.S1, "F": State.S2, "f": State.SHR, "r": State.RSTRH},
    State.SHR: {"A": State.S3, "D": State.S3, "F": State.SF, "r": State.RSTRH},
    State.SH: {"h": State.S2, "f": State.SF, "r": State.REJ},
    State.REJ: dict.fromkeys(["h", "a", "d"], State.S1),  # the SYN was repeated and accepted
    State.S1: {"F": State.S2, "f": State.S3, "R": State.RSTO, "r": State.RSTR},
    State.S2: {"f": State.SF, "R": State.RSTO, "r": State.RSTR},
    State.S3: {"F": State.SF, "R": State.RSTO, "r": State.RSTR},
}

#: Transports without connections, in Zeek's notation: S0 only the initiator sent, SHR only the responder, SF
#: both.
DATAGRAMS: dict[State, dict[str, State]] = {
    State.NEW: {"D": State.S0, "d": State.SHR},
    State.S0: {"d": State.SF},
    State.SHR: {"D": State.SF},
}

#: Codes of intermediate states, for flows that end in one.
CONN_STATE = {State.NEW: State.OTH, State.CROSSED: State.S0, State.SYN_ACK: State.OTH}


class Outcome(StrEnum):
    """The outcome of a conversation: the first that fits."""

    REFUSED = "refused"
    UNANSWERED = "unanswered"
    UNSOLICITED = "unsolicited"
    RESET = "reset"
    MIDSTREAM = "midstream"
    ONE_WAY = "one_way"
    ANSWERED = "answered"


#: Outcomes of failed connection attempts, which prove no server and aren't traffic of a service.
ATTEMPTED = (Outcome.REFUSED, Outcome.UNANSWERED, Outcome.UNSOLICITED)


class Signature(NamedTuple):
    """The tracker's input for a flow. Index 0 is endpoint a, 1 is endpoint b."""

    #: The transport has a handshake: TCP, SCTP, DCCP.
    connection: bool
    #: The events in time order: endpoint, upper case letter.
    events: tuple[tuple[int, str], ...]
    #: The endpoint that sent the earliest packet.
    first: int
    #: The peer acknowledged this endpoint's initial sequence number.
    isn_acked: tuple[bool, bool] = (False, False)
    #: This endpoint's acknowledgements advanced: the peer sent something in between.
    ack_moved: tuple[bool, bool] = (False, False)

    def sent(self, end: int) -> str:
        """Return the letters of the packets that an endpoint sent, in time order."""
        return "".join(letter for sender, letter in self.events if sender == end and letter != "U")


class Story(NamedTuple):
    """The tracker's result for a signature."""

    #: The initiator, as shown by a SYN or SYN+ACK; None if unknown.
    initiator: int | None
    #: The handshake proves the initiator.
    confirmed: bool
    #: The endpoint that is unreachable and never sent anything: a closed server port.
    closed: int | None
    #: The endpoint that is unreachable after it had sent something: a client that is gone.
    gone: int | None
    #: The handshake also proves that the responder accepts connections, which makes it a proven server.
    accepted: bool
    #: Each endpoint took part: it sent something other than a RST, or its peer sends or acknowledges data,
    #: which only connected peers do. An endpoint that only resets, or only receives a SYN, didn't.
    took_part: tuple[bool, bool]
    outcome: Outcome
    #: `conn_state` and `history` with a as the initiator, and with b.
    conn_state: tuple[str, str]
    history: tuple[str, str]

    @property
    def disputed(self) -> bool:
        """True for an incomplete handshake that is not conclusive."""
        return self.initiator is not None and not self.confirmed


def track(signature: Signature) -> Story:
    """Return the result for a flow's events. Pure: the same signature gives the same result."""
    initiator = _initiator(signature) if signature.connection else None
    closed, gone = _unreachable(signature)
    confirmed = accepted = False
    if initiator is not None:
        confirmed, accepted = _proof(signature, initiator)
    return Story(
        initiator=initiator,
        confirmed=confirmed,
        accepted=accepted,
        took_part=(_took_part(signature, 0), _took_part(signature, 1)),
        closed=closed,
        gone=gone,
        outcome=Outcome.REFUSED
        if closed is not None
        else _outcome(signature, initiator, confirmed, accepted),
        conn_state=(_conn_state(signature, 0), _conn_state(signature, 1)),
        history=(_history(signature, 0), _history(signature, 1)),
    )


def letters(signature: Signature, initiator: int) -> str:
    """Return the events as history letters, given the initiator."""
    sent = (event for event in signature.events if event[1] != "U")
    return "".join(x if end == initiator else x.lower() for end, x in sent)


def final_state(signature: Signature, initiator: int) -> State:
    """Run the transition table over the events."""
    table = CONNECTIONS if signature.connection else DATAGRAMS
    state = State.NEW
    for letter in letters(signature, initiator):
        state = table.get(state, {}).get(letter, state)
    return state


def _initiator(signature: Signature) -> int | None:
    """Return the endpoint that first sent a SYN or received a SYN+ACK."""
    for end, letter in signature.events:
        if letter == "S":
            return end
        if letter == "H":
            return 1 - end
    return None


def _unreachable(signature: Signature) -> tuple[int | None, int | None]:
    """Return the endpoints that ICMP reports unreachable: the closed one, and the one that is gone."""
    sent: set[int] = set()
    closed = gone = None
    for end, letter in signature.events:
        if letter != "U":
            sent.add(end)
        elif end in sent:
            gone = end
        elif 1 - end in sent:
            closed = end
    # An endpoint that answers later was not closed.
    return (None if closed in sent else closed), gone


def _took_part(signature: Signature, end: int) -> bool:
    """Return whether an endpoint sent something other than a RST, or its peer shows that it did."""
    if signature.sent(end).strip("R"):
        return True
    peer = 1 - end
    return signature.connection and (signature.ack_moved[peer] or "D" in signature.sent(peer))


def _proof(signature: Signature, initiator: int) -> tuple[bool, bool]:
    """Return whether the handshake confirms the initiator, and whether the responder accepted."""
    responder = 1 - initiator
    sent, answered = signature.sent(initiator), signature.sent(responder)
    if "S" in sent and "S" in answered:
        return False, False  # simultaneous open: both sent a SYN
    # Advancing acknowledgements show data of the other direction, even if it wasn't captured.
    proven = signature.isn_acked[responder] or signature.ack_moved[responder]
    if "S" not in sent:
        return proven, proven
    accepted = "H" in answered or signature.isn_acked[initiator] or signature.ack_moved[initiator]
    return True, accepted and not _refused(signature, initiator)


def _refused(signature: Signature, initiator: int) -> bool:
    return final_state(signature, initiator) is State.REJ


def _outcome(signature: Signature, initiator: int | None, confirmed: bool, accepted: bool) -> Outcome:
    both = bool(signature.sent(0)) and bool(signature.sent(1))
    one_way_or_answered = Outcome.ANSWERED if both or any(signature.ack_moved) else Outcome.ONE_WAY
    if not signature.connection:
        return one_way_or_answered
    if initiator is None:
        if {letter for _, letter in signature.events} == {"R"}:
            return Outcome.UNSOLICITED
        if "R" in signature.sent(0) + signature.sent(1):
            return Outcome.RESET
        return Outcome.MIDSTREAM
    state, sent = final_state(signature, initiator), signature.sent(initiator)
    if state is State.REJ:
        return Outcome.REFUSED
    if "S" in sent and not accepted and state in _NO_REPLY and not set(sent) & {"A", "D"}:
        return Outcome.UNANSWERED
    if "S" not in sent and not confirmed:
        return Outcome.UNSOLICITED
    if state in _RESET:
        return Outcome.RESET
    return one_way_or_answered


_NO_REPLY = {State.S0, State.CROSSED, State.RSTOS0, State.SH}
_RESET = {State.RSTO, State.RSTR, State.RSTRH, State.RSTOS0}


def _conn_state(signature: Signature, initiator: int) -> str:
    state = final_state(signature, initiator)
    return CONN_STATE.get(state, state).value


def _history(signature: Signature, initiator: int) -> str:
    """Return Zeek's history, with a leading ^ if the first packet seen is the responder's."""
    flipped = "^" if signature.first != initiator else ""
    return flipped + letters(signature, initiator)
