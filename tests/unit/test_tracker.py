"""The handshake tracker by itself: from a flow's events to its result."""

from __future__ import annotations

from classifier.handshake import Outcome, Signature, Story, track
from classifier.handshake.tracker import CONN_STATE, CONNECTIONS, State


def tcp(
    letters: str,
    *,
    isn_acked: tuple[bool, bool] = (False, False),
    ack_moved: tuple[bool, bool] = (False, False),
) -> Story:
    """Return the result for letters: upper case from endpoint a (0), lower case from endpoint b (1)."""
    events = tuple((int(letter.islower()), letter.upper()) for letter in letters)
    return track(
        Signature(
            connection=True, events=events, first=events[0][0], isn_acked=isn_acked, ack_moved=ack_moved
        )
    )


def state(story: Story) -> str:
    """Return the state as seen by the initiator; by a if it is unknown."""
    return story.conn_state[story.initiator or 0]


def verdict(story: Story) -> tuple[int | None, bool, bool, Outcome]:
    return story.initiator, story.confirmed, story.accepted, story.outcome


BOTH = (True, True)


class TestWhoCalled:
    def test_a_syn_shows_its_sender(self) -> None:
        assert verdict(tcp("S")) == (0, True, False, Outcome.UNANSWERED)
        assert verdict(tcp("s")) == (1, True, False, Outcome.UNANSWERED)

    def test_an_accepted_syn_proves_the_server_too(self) -> None:
        assert verdict(tcp("ShA", isn_acked=BOTH)) == (0, True, True, Outcome.ANSWERED)
        assert verdict(tcp("sHa", isn_acked=BOTH)) == (1, True, True, Outcome.ANSWERED)

    def test_a_syn_ack_alone_proves_nothing(self) -> None:
        assert verdict(tcp("h")) == (0, False, False, Outcome.UNSOLICITED)
        assert verdict(tcp("hR")) == (0, False, False, Outcome.UNSOLICITED)
        assert verdict(tcp("hr")) == (0, False, False, Outcome.UNSOLICITED)

    def test_a_syn_ack_whose_number_is_acknowledged_proves_both(self) -> None:
        assert verdict(tcp("hA", isn_acked=(False, True))) == (0, True, True, Outcome.ANSWERED)

    def test_an_acknowledgement_of_something_else_does_not(self) -> None:
        assert tcp("hA", isn_acked=(True, False)).confirmed is False

    def test_acknowledgements_that_move_prove_what_was_not_captured(self) -> None:
        """One direction of a mirror: the peer sent something in between, so it was there."""
        responder = tcp("hadf", ack_moved=(False, True))
        assert verdict(responder) == (0, True, True, Outcome.ANSWERED)
        initiator = tcp("SADF", ack_moved=(True, False))
        assert verdict(initiator) == (0, True, True, Outcome.ANSWERED)

    def test_acknowledgements_of_the_wrong_end_do_not(self) -> None:
        """The SYN+ACK's receiver may have sent on an older connection."""
        assert tcp("hA", ack_moved=(True, False)).confirmed is False

    def test_a_simultaneous_open_shows_no_server(self) -> None:
        for letters in ("Ss", "SsHh", "SshH", "SsHhDd"):
            story = tcp(letters, isn_acked=BOTH)
            assert (story.confirmed, story.accepted) == (False, False), letters

    def test_midstream_shows_nobody(self) -> None:
        assert verdict(tcp("DaFf", ack_moved=BOTH)) == (None, False, False, Outcome.MIDSTREAM)


class TestHowItWent:
    def test_a_retransmitted_syn_is_one_event(self) -> None:
        """The core notes the first of each kind only, so the letters are those of one SYN."""
        assert state(tcp("ShA", isn_acked=BOTH)) == "S1"

    def test_refused(self) -> None:
        assert verdict(tcp("Sr")) == (0, True, False, Outcome.REFUSED)
        assert state(tcp("Sr")) == "REJ"

    def test_refused_though_the_reset_acknowledges_the_syn(self) -> None:
        assert tcp("Sr", isn_acked=(True, False)).accepted is False

    def test_refused_then_accepted(self) -> None:
        """The server was just being started: the repeated SYN has the same number."""
        story = tcp("SrhA", isn_acked=BOTH)
        assert verdict(story) == (0, True, True, Outcome.ANSWERED)
        assert state(story) == "S1"

    def test_half_open_scan(self) -> None:
        """SYN, SYN+ACK, RST: a server, though without data."""
        story = tcp("ShR", isn_acked=(True, False))
        assert verdict(story) == (0, True, True, Outcome.RESET)
        assert state(story) == "RSTO"

    def test_a_reset_to_nobody(self) -> None:
        assert verdict(tcp("R")) == (None, False, False, Outcome.UNSOLICITED)
        assert verdict(tcp("r")) == (None, False, False, Outcome.UNSOLICITED)

    def test_a_reset_midstream(self) -> None:
        assert tcp("DaR").outcome is Outcome.RESET

    def test_syn_then_reset_of_the_same_end(self) -> None:
        assert verdict(tcp("SR")) == (0, True, False, Outcome.UNANSWERED)

    def test_a_syn_followed_by_own_data_alone_is_one_way(self) -> None:
        """Outcome `unanswered`: "nothing acknowledged, no data follows"."""
        assert tcp("SD").outcome is Outcome.ONE_WAY
        assert tcp("S").outcome is Outcome.UNANSWERED

    def test_crossed_syns_without_an_answer(self) -> None:
        assert state(tcp("Ss")) == "S0"

    def test_simultaneous_open_establishes(self) -> None:
        assert state(tcp("SsHh")) == "S1"
        assert state(tcp("SsHhFfA")) == "SF"

    def test_a_missed_syn_ack(self) -> None:
        """The responder goes on within the connection: it must have accepted."""
        story = tcp("SADadFf", isn_acked=(True, False), ack_moved=BOTH)
        assert verdict(story) == (0, True, True, Outcome.ANSWERED)
        assert state(story) == "SF"

    def test_syn_and_fin_in_one_is_refused_by_a_reset(self) -> None:
        """DESIGN: "SYN, then RST": confirmed who called, `refused`."""
        assert tcp("SFr").outcome is Outcome.REFUSED


class TestBothOrientations:
    """A flow with an unknown initiator has a state for either endpoint."""

    def test_history_is_told_from_either_end(self) -> None:
        story = tcp("Dad")
        assert story.history == ("Dad", "^dAD")

    def test_state_is_told_from_either_end(self) -> None:
        assert tcp("h").conn_state[1] == "OTH"
        datagram = track(Signature(connection=False, events=((0, "D"),), first=0))
        assert datagram.conn_state == ("S0", "SHR")
        assert datagram.history == ("D", "^D".lower())
        assert datagram.initiator is None


class TestTheTable:
    """What no single story shows."""

    ZEEK = frozenset("S0 S1 SF REJ S2 S3 RSTO RSTR RSTOS0 RSTRH SH SHR OTH".split())

    def test_every_state_ends_as_one_of_zeeks(self) -> None:
        assert {str(CONN_STATE.get(state, state)) for state in State} == self.ZEEK

    def test_every_state_is_reached(self) -> None:
        reached = {State.NEW} | {target for targets in CONNECTIONS.values() for target in targets.values()}
        assert reached == set(State)

    def test_letters_are_history_letters(self) -> None:
        assert {letter for targets in CONNECTIONS.values() for letter in targets} <= set("SHADFRshadfr")
