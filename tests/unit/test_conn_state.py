"""Zeek's `conn_state` and `history`, by the definitions that Zeek publishes for conn.log.

<https://docs.zeek.org/en/master/scripts/base/protocols/conn/main.zeek.html>, cited in each test. All
packets are made by scapy and come through the front door.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.talk import Talk

STATES = {
    "S0": "Connection attempt seen, no reply.",
    "S1": "Connection established, not terminated.",
    "SF": "Normal establishment and termination.",
    "REJ": "Connection attempt rejected.",
    "S2": "Connection established and close attempt by originator seen (but no reply from responder).",
    "S3": "Connection established and close attempt by responder seen (but no reply from originator).",
    "RSTO": "Connection established, originator aborted (sent a RST).",
    "RSTR": "Responder sent a RST.",
    "RSTOS0": "Originator sent a SYN followed by a RST, we never saw a SYN-ACK from the responder.",
    "RSTRH": "Responder sent a SYN ACK followed by a RST, we never saw a SYN from the originator.",
    "SH": "Originator sent a SYN followed by a FIN, we never saw a SYN ACK from the responder.",
    "SHR": "Responder sent a SYN ACK followed by a FIN, we never saw a SYN from the originator.",
    "OTH": "No SYN seen, just midstream traffic.",
}


def told(talk: Talk) -> tuple[str, str, str]:
    """State, history and outcome of the one flow."""
    row = talk.flow()
    return row["conn_state"], row["history"], row["outcome"]


def test_s0() -> None:
    assert told(Talk().client("S")) == ("S0", "S", "unanswered")


def test_s1() -> None:
    assert told(Talk().handshake()) == ("S1", "ShA", "answered")
    assert told(Talk().handshake().exchange()) == ("S1", "ShADad", "answered")


def test_sf() -> None:
    assert told(Talk().handshake().exchange().client("FA").server("FA").client("A")) == (
        *("SF", "ShADadFf"),
        "answered",
    )
    assert told(Talk().handshake().exchange().server("FA").client("FA").server("A")) == (
        *("SF", "ShADadfF"),
        "answered",
    )


def test_rej() -> None:
    assert told(Talk().client("S").server("RA", seq=0)) == ("REJ", "Sr", "refused")


def test_s2() -> None:
    assert told(Talk().handshake().client("FA").server("A")) == ("S2", "ShAFa", "answered")


def test_s3() -> None:
    assert told(Talk().handshake().server("FA").client("A")) == ("S3", "ShAf", "answered")


def test_rsto() -> None:
    assert told(Talk().handshake().client("RA")) == ("RSTO", "ShAR", "reset")


def test_rstr() -> None:
    assert told(Talk().handshake().exchange().server("RA")) == ("RSTR", "ShADadr", "reset")


def test_rstos0() -> None:
    assert told(Talk().client("S").client("R")) == ("RSTOS0", "SR", "unanswered")


def test_rstrh() -> None:
    assert told(Talk().client("S", lost=True).server("SA").server("RA")) == ("RSTRH", "^hr", "unsolicited")


def test_sh() -> None:
    assert told(Talk().client("S").client("F")) == ("SH", "SF", "unanswered")


def test_shr() -> None:
    state, history, _ = told(Talk().client("S", lost=True).server("SA").server("FA"))
    assert (state, history) == ("SHR", "^hf")


def test_oth() -> None:
    assert told(Talk().exchange()) == ("OTH", "DadA", "midstream")
    # "… one example of this is a partial connection that was not later closed": closing changes nothing.
    assert told(Talk().exchange().client("FA").server("FA")) == ("OTH", "DadAFf", "midstream")


def test_every_state_has_its_test() -> None:
    missing = [state for state in STATES if f"test_{state.lower()}" not in globals()]
    assert not missing


@pytest.mark.parametrize(
    ("talk", "state"),
    [
        (Talk().handshake().client("FA").client("RA"), "RSTO"),
        (Talk().handshake().client("FA").server("RA"), "RSTR"),
        (Talk().handshake().server("FA").client("RA"), "RSTO"),
        (Talk().handshake().client("FA").server("FA").client("A").client("R"), "SF"),
    ],
    ids=["FIN, RST by the same end", "FIN, RST by the other", "answered by a RST", "RST when all is over"],
)
def test_a_reset_while_closing(talk: Talk, state: str) -> None:
    assert talk.flow()["conn_state"] == state


def test_closing_where_the_syn_ack_was_missed() -> None:
    """The responder's FIN shows the connection as well as its data would."""
    missed = Talk().client("S").server("SA", lost=True).client("A").server("FA")
    assert told(missed) == ("S3", "SAf", "answered")
    assert told(missed.client("FA").server("A")) == ("SF", "SAfFa", "answered")


class TestHistory:
    """One letter for the first of each kind and end, in time order: capital from the originator."""

    def test_letters_are_not_repeated(self) -> None:
        assert Talk().handshake().exchange().exchange().flow()["history"] == "ShADad"

    def test_one_segment_may_give_several(self) -> None:
        assert Talk().handshake().client("FPA", b"last words").flow()["history"] == "ShADF"

    def test_a_fin_or_reset_is_no_pure_acknowledgement(self) -> None:
        assert Talk().client("S").server("SA").client("FA").flow()["history"] == "ShF"
        assert Talk().client("S").server("SA").client("RA").flow()["history"] == "ShR"

    def test_data_on_a_reset_is_no_data(self) -> None:
        assert Talk().handshake().server("RA", b"out of memory").flow()["history"] == "ShAr"

    def test_it_is_flipped_where_the_responder_was_seen_first(self) -> None:
        assert Talk().client("S", lost=True).server("SA").client("A").flow()["history"] == "^hA"
        assert Talk().exchange().flow()["history"].startswith("D")
        assert Talk().server("PA", b"news").client("A").flow()["history"] == "^dA"

    def test_it_follows_time_not_the_file(self) -> None:
        talk = Talk().handshake().exchange()
        syn, syn_ack, *rest = talk.packets
        talk.packets = [syn_ack, *rest, syn]
        assert talk.flow()["history"] == "ShADad"


class TestUdp:
    """Zeek: S0 where only the originator spoke, SHR where only the responder did, SF both."""

    @staticmethod
    def row(*senders: int) -> dict[str, Any]:
        talk = Talk(server=Talk().ends[1]._replace(port=53))
        for sender in senders:
            talk.datagram(sender)
        return talk.flow()

    @pytest.mark.parametrize(
        ("senders", "state", "history", "outcome"),
        [
            ([0], "S0", "D", "one_way"),
            ([0, 0], "S0", "D", "one_way"),
            ([0, 1], "SF", "Dd", "answered"),
            ([1], "SHR", "^d", "one_way"),
            ([1, 0], "SF", "^dD", "answered"),
        ],
    )
    def test_states(self, senders: list[int], state: str, history: str, outcome: str) -> None:
        row = self.row(*senders)
        assert row["server_port"] == 53
        assert (row["conn_state"], row["history"], row["outcome"]) == (state, history, outcome)
