"""DESIGN, "How the server is found: by handshake": a test for each row of the table.

"seen | role | makes a server (directory, inventory)?" The handshake "always beats everything else", so
the stories are told where ports say the opposite, or say nothing.
"""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.sctp import SCTP, SCTPChunkInit, SCTPChunkInitAck
from scapy.packet import Packet as ScapyPacket
from support.frames import End
from support.talk import Talk

#: By their ports alone the roles would be the other way round.
CALLER, LISTENER = End("10.0.0.1", 80), End("10.0.0.2", 61_001)
#: By their ports alone the second would surely be the server.
CLIENT, SERVER = End("10.0.0.1", 61_001), End("10.0.0.2", 80)


def contrary() -> Talk:
    return Talk(CALLER, LISTENER)


def plain() -> Talk:
    return Talk(CLIENT, SERVER)


def servers(talk: Talk) -> set[tuple[str, int]]:
    table = talk.read().totals.servers().to_pylist()
    return {(row["server_ip"], row["server_port"]) for row in table}


def confirmed(talk: Talk, role: str = "confirmed") -> dict[str, Any]:
    """The one row, once it is clear that the handshake confirmed who called."""
    row = talk.flow()
    assert (row["role"], row["role_confidence"]) == (role, 1.0)
    assert row["role_evidence"][0] == "handshake"
    client, server = talk.ends
    assert (row["client_ip"], row["client_port"]) == client
    assert (row["server_ip"], row["server_port"]) == server
    return row


def ambiguous(talk: Talk, role: str = "ambiguous") -> dict[str, Any]:
    row = talk.flow()
    assert row["role"] == role
    assert row["role_confidence"] < 0.9
    assert "handshake" not in row["role_evidence"]
    return row


class TestSynAndMatchingSynAck:
    """Confirmed; makes a server."""

    def test_full(self) -> None:
        talk = contrary().handshake().exchange()
        assert confirmed(talk)["outcome"] == "answered"
        assert servers(talk) == {LISTENER}

    def test_half_open(self) -> None:
        """The SYN+ACK is enough: whoever scans for open ports gets no further."""
        talk = contrary().client("S").server("SA").client("R")
        assert confirmed(talk)["outcome"] == "reset"
        assert servers(talk) == {LISTENER}

    def test_the_syn_was_repeated(self) -> None:
        talk = contrary().client("S").client("S", seq=1000).server("SA").client("A")
        assert confirmed(talk)["client_packets"] == 3
        assert servers(talk) == {LISTENER}

    def test_the_syn_was_captured_late(self) -> None:
        talk = contrary().handshake()
        syn, syn_ack, ack = talk.packets
        talk.packets = [syn_ack, ack, syn]
        assert confirmed(talk)["history"] == "ShA"

    def test_refused_first_and_then_accepted(self) -> None:
        talk = contrary().client("S").server("RA", seq=0).client("S", seq=1000).server("SA").client("A")
        assert confirmed(talk)["outcome"] == "answered"
        assert servers(talk) == {LISTENER}

    def test_numbers_wrap(self) -> None:
        talk = Talk(CALLER, LISTENER, isns=(2**32 - 1, 2**32 - 1)).handshake().exchange()
        assert confirmed(talk)["conn_state"] == "S1"

    def test_by_ipv6(self) -> None:
        talk = Talk(End("fd00::1", 80), End("fd00::2", 61_001)).handshake()
        assert confirmed(talk)["conn_state"] == "S1"
        assert servers(talk) == {("fd00::2", 61_001)}

    def test_a_reused_port_is_confirmed_anew(self) -> None:
        """Who called may change with the next connection of the same two ends."""
        first = contrary().handshake().exchange().client("FA").server("FA").client("A")
        back = Talk(LISTENER, CALLER, isns=(900_000, 700_000)).wait(first.now_ns - Talk().now_ns)
        first.packets += back.handshake().packets
        rows = first.flows()
        assert [row["server_port"] for row in rows] == [61_001, 80]
        assert {row["role"] for row in rows} == {"confirmed"}
        assert servers(first) == {LISTENER, CALLER}

    def test_sctp(self) -> None:
        def chunk(source: End, target: End, chunk: ScapyPacket, tag: int = 0) -> ScapyPacket:
            header = SCTP(sport=source.port, dport=target.port, tag=tag)
            return IP(src=source.ip, dst=target.ip) / header / chunk

        talk = contrary()
        talk.packet(chunk(CALLER, LISTENER, SCTPChunkInit(init_tag=7)))
        talk.packet(chunk(LISTENER, CALLER, SCTPChunkInitAck(init_tag=9), tag=7))
        confirmed(talk)


class TestSynAckAloneThenAcknowledged:
    """Confirmed; makes a server."""

    def test_by_a_pure_acknowledgement(self) -> None:
        talk = contrary().client("S", lost=True).server("SA").client("A")
        assert confirmed(talk)["outcome"] == "answered"
        assert servers(talk) == {LISTENER}

    def test_by_the_first_data(self) -> None:
        talk = contrary().client("S", lost=True).server("SA").client("PA", b"question")
        confirmed(talk)
        assert servers(talk) == {LISTENER}

    def test_by_an_acknowledgement_that_already_covers_data(self) -> None:
        """The first one captured comes late."""
        talk = contrary().client("S", lost=True).server("SA").server("PA", bytes(50_000), lost=True)
        confirmed(talk.client("A"))
        assert servers(talk) == {LISTENER}

    def test_not_by_an_acknowledgement_of_something_else(self) -> None:
        talk = contrary().client("S", lost=True).server("SA").client("A", ack=10_000_000)
        assert talk.flow()["role"] != "confirmed"

    def test_by_what_the_other_direction_must_have_sent(self) -> None:
        """A mirror of the server's direction: its acknowledgements move on."""
        talk = contrary().handshake().exchange().client("FA").server("FA").client("A").only(1)
        row = confirmed(talk)
        assert (row["client_packets"], row["outcome"]) == (0, "answered")
        assert servers(talk) == {LISTENER}


class TestSynWithoutAnswer:
    """Attempted; who opened is certain; makes no server."""

    def test_refused(self) -> None:
        talk = contrary().client("S").server("RA", seq=0)
        assert confirmed(talk, "attempted")["outcome"] == "refused"
        assert servers(talk) == set()

    def test_syn_and_fin_in_one_segment_refused(self) -> None:
        talk = contrary().client("SF").server("RA", seq=0)
        assert confirmed(talk, "attempted")["outcome"] == "refused"

    def test_unanswered(self) -> None:
        talk = contrary().client("S").client("S", seq=1000)
        assert confirmed(talk, "attempted")["outcome"] == "unanswered"
        assert servers(talk) == set()

    def test_given_up(self) -> None:
        talk = contrary().client("S").client("R")
        assert confirmed(talk, "attempted")["outcome"] == "unanswered"
        assert servers(talk) == set()

    def test_even_where_the_port_is_well_known(self) -> None:
        assert servers(plain().client("S")) == set()
        assert servers(plain().client("S").server("RA", seq=0)) == set()

    def test_icmp_error_makes_no_server(self) -> None:
        assert servers(self.prohibited()) == set()

    def test_icmp_error_refuses(self) -> None:
        (row,) = self.prohibited().flows()
        assert row["outcome"] == "refused"

    @staticmethod
    def prohibited() -> Talk:
        talk = plain().client("S")
        quoted = talk.packets[-1].data[:28]
        return talk.packet(IP(src="10.9.0.1", dst=CLIENT.ip) / ICMP(type=3, code=13) / quoted)


class TestSynAckToNobody:
    """Attempted; the initiator is uncertain, whatever the ports; proves no server."""

    def test_backscatter(self) -> None:
        talk = plain().client("S", lost=True).server("SA").server("SA", seq=5000)
        assert ambiguous(talk, "attempted")["outcome"] == "unsolicited"
        assert servers(talk) == set()

    def test_denied_by_a_reset(self) -> None:
        talk = plain().client("S", lost=True).server("SA").client("R")
        assert ambiguous(talk, "attempted")["outcome"] == "unsolicited"
        assert servers(talk) == set()

    def test_taken_back(self) -> None:
        talk = plain().client("S", lost=True).server("SA").server("RA")
        assert ambiguous(talk, "attempted")["outcome"] == "unsolicited"
        assert servers(talk) == set()

    def test_acknowledging_another_syn(self) -> None:
        """RFC 9293 §3.5.2: an old SYN's answer is reset; it opens nothing."""
        talk = plain().client("S").server("SA", ack=777).client("R", seq=777)
        roles = {row["history"]: row["role"] for row in talk.flows()}
        assert roles == {"S": "attempted", "^hR": "attempted"}
        assert servers(talk) == set()

    def test_names_no_service_though_a_port_has_one(self) -> None:
        """The service of a flow without a certain server only "if both orientations give the same one"."""
        row = plain().client("S", lost=True).server("SA").flow()
        assert (row["service"], row["service_candidates"]) == (None, ["http"])


class TestSimultaneousOpen:
    """Ambiguous, whatever the ports; proves no server."""

    @staticmethod
    def opened() -> Talk:
        talk = plain().client("S").server("S")
        return talk.client("SA", seq=1000).server("SA", seq=5000)

    def test_established(self) -> None:
        talk = self.opened().client("PA", b"one").server("PA", b"other")
        assert ambiguous(talk)["conn_state"] == "S1"
        assert servers(talk) == set()

    def test_crossed_only(self) -> None:
        talk = plain().client("S").server("S")
        assert ambiguous(talk, "attempted")["outcome"] == "unanswered"
        assert servers(talk) == set()

    def test_acknowledged_by_plain_acks(self) -> None:
        talk = plain().client("S").server("S").client("A").server("A")
        ambiguous(talk)
        assert servers(talk) == set()


class TestNoHandshake:
    """Other evidence decides; it never confirms."""

    def test_midstream_is_at_most_inferred(self) -> None:
        row = plain().exchange().flow()
        assert (row["role"], row["server_port"]) == ("inferred", 80)
        assert 0.9 <= row["role_confidence"] < 1
        assert servers(plain().exchange()) == {SERVER}

    def test_a_reset_to_nobody_makes_no_server(self) -> None:
        talk = plain().server("RA")
        assert talk.flow()["outcome"] == "unsolicited"
        assert servers(talk) == set()

    def test_udp_is_at_most_inferred(self) -> None:
        talk = Talk(End("10.0.0.1", 61_001), End("10.0.0.2", 53)).datagram(0).datagram(1)
        row = talk.flow()
        assert (row["role"], row["server_port"]) == ("inferred", 53)
        assert row["role_confidence"] < 1
        assert servers(talk) == {("10.0.0.2", 53)}

    @pytest.mark.parametrize(
        "group",
        [
            End("224.0.0.251", 5353),
            End("239.255.255.250", 1900),
            End("255.255.255.255", 514),
            End("ff02::fb", 53),
        ],
    )
    def test_groups_are_no_servers(self, group: End) -> None:
        """Multicast and broadcast addresses never enter the inventory."""
        source = End("fd00::1" if ":" in group.ip else "10.0.0.1", 61_001)
        talk = Talk(source, group).datagram(0).datagram(0)
        row = talk.flow()
        assert (row["role"], row["server_ip"]) == ("inferred", group.ip)
        assert servers(talk) == set()

    def test_a_flow_of_another_kind_does_not_confirm(self) -> None:
        """Flags that make no sense: neither SYN, ACK, FIN nor RST."""
        segment = TCP(sport=CALLER.port, dport=LISTENER.port, flags=0, seq=1)
        talk = contrary().packet(IP(src=CALLER.ip, dst=LISTENER.ip) / segment / b"null scan")
        assert talk.flow()["role"] != "confirmed"
