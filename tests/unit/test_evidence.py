"""Evidence without a handshake: for each kind a flow that only this kind decides."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP, UDP
from support import frames
from support.frames import End, Packet
from support.rows import row_dicts
from support.talk import Talk

import classifier
from classifier.ports.rules import PORTS
from classifier.roles.evidence import KINDS, Evidence
from classifier.roles.explain import _SEEN
from classifier.roles.weights import weights

#: Unknown ports, which are no evidence against each other.
ONE, OTHER = 29_211, 29_513
SECOND_NS = 1_000_000_000


def read(*talks: Talk) -> list[dict[str, Any]]:
    """The rows of all talks as one capture, in the order of the talks."""
    packets = sorted((packet for talk in talks for packet in talk.packets), key=lambda packet: packet.time_ns)
    rows = row_dicts(classifier.read(io.BytesIO(frames.pcap(packets))))
    by_ends = {
        frozenset([(row["client_ip"], row["client_port"]), (row["server_ip"], row["server_port"])]): row
        for row in rows
    }
    return [by_ends[frozenset(talk.ends)] for talk in talks]


def late(client: End, server: End) -> Talk:
    """A connection whose beginning was not captured, and whose server speaks first."""
    return Talk(client, server).server("PA", b"some").client("A").client("PA", b"more").server("A")


def server(row: dict[str, Any]) -> End:
    return End(row["server_ip"], row["server_port"])


def test_every_kind_is_weighed_and_explained() -> None:
    assert set(Evidence) - {Evidence.HANDSHAKE} == set(KINDS) == set(_SEEN)


def test_every_port_has_one_place_in_the_rules() -> None:
    covered = np.zeros(PORTS, dtype=int)
    for entry in weights()["ports"]["range"]:
        covered[entry["first"] : entry["last"] + 1] += 1
        assert entry["reason"]
    assert covered.min() == 1


def test_bare_unregistered_numbers_never_speak_for_a_server() -> None:
    assert all(entry["weight"] <= 0 for entry in weights()["ports"]["range"] if entry["first"] >= 1000)


class TestFanIn:
    def test_many_client_ports_at_one_endpoint(self) -> None:
        called = End("10.0.0.9", ONE)
        rows = read(*(late(End(f"10.0.0.{n}", 21_000 + 900 * n), called) for n in range(1, 7)))
        assert {(row["role"], server(row)) for row in rows} == {("inferred", called)}
        assert all(row["role_evidence"][0] == "fan_in" for row in rows)

    def test_one_client_port_at_many_servers_is_no_fan_in(self) -> None:
        """A client that keeps its port: all its peers have the same one."""
        rows = read(*(late(End("10.0.0.1", ONE), End(f"10.0.0.{n}", OTHER)) for n in range(2, 8)))
        assert all("fan_in" not in row["role_evidence"] for row in rows)

    def test_a_second_port_of_the_server_makes_no_server_of_the_client(self) -> None:
        """TFTP, RFC 1350 §4: asked at 69, the server answers from another port."""
        asks = Talk(End("10.0.0.1", 50_001), End("10.0.0.2", 69)).datagram(0)
        answers = Talk(End("10.0.0.1", 50_001), End("10.0.0.2", 50_733)).datagram(1).datagram(0)
        for row in read(asks, answers):
            assert "fan_in" not in row["role_evidence"]

    def test_a_scan_that_nobody_answers_makes_no_server_of_the_scanner(self) -> None:
        scanner = End("10.0.0.1", 45_000)
        targets = [Talk(scanner, End("10.0.0.2", port)).datagram(0) for port in range(21_000, 21_400, 10)]
        assert all(server(row) != scanner for row in read(*targets))


class TestPortSequence:
    def test_neighbouring_ports_are_a_clients(self) -> None:
        """One host calls eight, each at a port of its own; its own ports count up."""
        talks = [late(End("10.0.0.1", 29_300 + n), End(f"10.0.1.{n}", OTHER)) for n in range(1, 9)]
        rows = read(*talks)
        assert [server(row) for row in rows] == [talk.ends[1] for talk in talks]
        assert {(row["role"], row["role_evidence"][0]) for row in rows} == {("inferred", "port_sequence")}

    def test_blocks_of_ports_have_no_borders(self) -> None:
        """29,471 and 29,472 lie in different blocks of 64 … and half blocks of 32."""
        rows = [
            read(
                late(End("10.0.0.1", first), End("10.0.0.2", OTHER)),
                late(End("10.0.0.1", first + 1), End("10.0.0.3", OTHER)),
            )
            for first in range(29_440, 29_505)
        ]
        assert all(row["role_evidence"][0] == "port_sequence" for pair in rows for row in pair)


class TestPorts:
    def test_an_even_port_in_the_range_of_linux(self) -> None:
        even, odd = End("10.0.0.1", 40_002), End("10.0.0.2", 40_003)
        (row,) = read(late(even, odd))
        assert server(row) == odd
        assert row["role"] == "ambiguous"

    @pytest.mark.parametrize(("client_port", "server_port"), [(703, 32_771), (1_023, 46_001)])
    def test_a_client_that_shows_privilege_is_no_server(self, client_port: int, server_port: int) -> None:
        """NFS's mount protocol: from below 1024 to the port given by the port mapper."""
        (row,) = read(late(End("10.0.0.1", client_port), End("10.0.0.2", server_port)))
        assert row["role"] == "ambiguous"

    @pytest.mark.parametrize("client_port", [40_001, 61_001, 2_000, 20_001, 1_023])
    def test_a_known_service_against_any_client(self, client_port: int) -> None:
        (row,) = read(late(End("10.0.0.1", client_port), End("10.0.0.2", 443)))
        assert (row["role"], server(row).port) == ("inferred", 443)

    def test_active_ftp_however_many_peers_port_20_has(self) -> None:
        """RFC 959 §3.2: the server of FTP calls from port 20."""
        calls = [late(End("10.0.0.2", 20), End("10.0.0.1", 40_001 + 2 * n)) for n in range(8)]
        assert all((server(row).port, row["role"]) != (20, "inferred") for row in read(*calls))

    def test_equal_ports_say_nothing(self) -> None:
        (row,) = read(Talk(End("10.0.0.1", 123), End("10.0.0.2", 123)).datagram(1).datagram(0))
        assert "ports" not in row["role_evidence"]
        assert (row["role"], row["service"]) == ("ambiguous", "ntp")


class TestFirstPacket:
    def one(self, wait_s: int) -> dict[str, Any]:
        begin = Talk(End("10.0.0.8", 50_001), End("10.0.0.9", 53)).datagram(0)
        talk = (
            Talk(End("10.0.0.1", ONE), End("10.0.0.2", OTHER))
            .wait(wait_s * SECOND_NS)
            .datagram(0)
            .datagram(1)
        )
        return read(begin, talk)[1]

    def test_counts_more_where_the_flow_surely_began_inside(self) -> None:
        unsure, sure = self.one(1), self.one(121)
        assert server(unsure) == server(sure) == End("10.0.0.2", OTHER)
        assert 0.5 < unsure["role_confidence"] < sure["role_confidence"] < 0.9

    def test_does_not_beat_a_known_service(self) -> None:
        (row,) = read(Talk(End("10.0.0.1", 50_001), End("10.0.0.2", 53)).datagram(1))
        assert (row["role"], server(row).port) == ("inferred", 53)


class TestWindow:
    """Linux with its own window of 64240 bytes where it calls, and of 65160 where it accepts, scaled by 7."""

    CALLS, ACCEPTS = 502, 510

    def one(self, client: int, server: int, family: str = "10.0.0.") -> dict[str, Any]:
        talk = Talk(End(f"{family}1", ONE), End(f"{family}2", OTHER))
        return talk.server("PA", b"some", window=server).client("PA", b"more", window=client).flow()

    def test_two_ends_of_linux(self) -> None:
        row = self.one(self.CALLS, self.ACCEPTS)
        assert server(row) == End("10.0.0.2", OTHER)
        assert row["role_evidence"][0] == "window"
        assert row["role_confidence"] > self.one(8192, self.ACCEPTS)["role_confidence"]

    def test_whoever_accepts_a_caller_without_timestamps_looks_like_a_caller(self) -> None:
        assert self.one(1026, self.CALLS)["role"] == "ambiguous"

    def test_the_sums_are_others_over_ipv6(self) -> None:
        """64800 and 64260: there it accepts with what over IPv4 it calls."""
        row = self.one(507, self.CALLS, "fd00::")
        assert server(row) == End("fd00::2", OTHER)
        assert "window" in row["role_evidence"]
        assert "window" not in self.one(self.ACCEPTS, self.ACCEPTS, "fd00::")["role_evidence"]


class TestLastData:
    def test_the_answer_comes_last(self) -> None:
        talk = Talk(End("10.0.0.1", ONE), End("10.0.0.2", OTHER))
        row = talk.server("PA", b"some").client("PA", b"more").server("PA", b"this").client("FA").flow()
        assert server(row) == End("10.0.0.2", OTHER)
        assert (row["role"], row["role_evidence"]) == ("ambiguous", ["last_data"])

    def test_peers_that_both_ask(self) -> None:
        query = b"d1:ad2:id20:" + b"a" * 20 + b"e1:q4:ping1:t2:aa1:y1:qe"
        row = Talk(End("10.0.0.1", ONE), End("10.0.0.2", OTHER)).datagram(0, query).datagram(1, query).flow()
        assert row["payload"] == "bittorrent-dht"
        assert "last_data" not in row["role_evidence"]


class TestAnswersOverUdp:
    """A server that answers enters the directory, and is evidence in flows without any of their own."""

    SERVER = End("10.0.0.9", OTHER)
    #: RFC 1035 §4.1: a query for the address of a.test, and its response.
    ASKS = bytes.fromhex("1234 0100 0001 0000 0000 0000 0161 0474657374 00 0001 0001")
    ANSWERS = bytes.fromhex(
        "1234 8180 0001 0001 0000 0000 0161 0474657374 00 0001 0001 c00c 0001 0001 0000003c 0004 0a000001"
    )

    def about(self, *others: Talk) -> dict[str, Any]:
        return read(*others, Talk(End("10.0.0.1", ONE), self.SERVER).datagram(1).datagram(0))[-1]

    def test_a_question_with_its_answer(self) -> None:
        other = Talk(End("10.0.0.2", 29_711), self.SERVER).datagram(0, self.ASKS).datagram(1, self.ANSWERS)
        row = self.about(other)
        assert (row["role"], row["role_evidence"][0]) == ("inferred", "directory")
        assert server(row) == self.SERVER

    @pytest.mark.parametrize("sender", [0, 1], ids=["question", "answer"])
    def test_half_of_it_proves_nothing(self, sender: int) -> None:
        other = Talk(End("10.0.0.2", 29_711), self.SERVER)
        row = self.about(other.datagram(sender, (self.ASKS, self.ANSWERS)[sender]))
        assert "directory" not in row["role_evidence"]

    def test_peers_that_ask_each_other(self) -> None:
        other = Talk(End("10.0.0.2", 29_711), self.SERVER)
        for asks in (0, 1):
            other.datagram(asks, self.ASKS).datagram(1 - asks, self.ANSWERS)
        assert "directory" not in self.about(other)["role_evidence"]


def test_a_group_is_called_by_whoever_sends() -> None:
    (row,) = read(Talk(End("10.0.0.1", OTHER), End("239.1.2.3", ONE)).datagram(0))
    assert (row["role"], row["role_evidence"][0], server(row).ip) == (
        "inferred",
        "group_address",
        "239.1.2.3",
    )


def test_a_closed_port_was_called() -> None:
    talk = Talk(End("10.0.0.1", ONE), End("10.0.0.2", OTHER)).datagram(0)
    quoted = IP(talk.packets[0].data)
    assert UDP in quoted
    talk.packet(IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(type=3, code=3) / quoted)
    (row,) = read(talk)
    assert row["role_evidence"][0] == "icmp_unreachable"
    assert (server(row), row["outcome"]) == (End("10.0.0.2", OTHER), "refused")


class TestHandshakesOfOthers:
    """What one connection proves helps with others, those before it too; floods and scans prove nothing."""

    SERVER = End("10.0.0.9", OTHER)

    def about(self, *before: Packet) -> dict[str, Any]:
        """A midstream flow of the server's, among other packets."""
        talk = late(End("10.0.0.1", ONE), self.SERVER)
        rows = row_dicts(classifier.read(io.BytesIO(frames.pcap([*before, *talk.packets]))))
        (row,) = (row for row in rows if "10.0.0.1" in (row["client_ip"], row["server_ip"]))
        return row

    def test_one_accepted_connection(self) -> None:
        row = self.about(*Talk(End("10.0.0.2", 29_711), self.SERVER).handshake().packets)
        assert (row["role"], row["role_evidence"][0]) == ("inferred", "directory")
        assert server(row) == self.SERVER

    def test_an_endpoint_that_also_calls(self) -> None:
        accepted = Talk(End("10.0.0.2", 29_711), self.SERVER).handshake().packets
        called = [
            packet
            for n in range(3)
            for packet in Talk(self.SERVER, End(f"10.0.1.{n}", 29_711)).handshake().packets
        ]
        proven, doubtful = self.about(*accepted), self.about(*accepted, *called)
        assert doubtful["role"] == "ambiguous"
        assert doubtful["role_confidence"] < 0.95 < proven["role_confidence"]

    def test_in_any_order(self) -> None:
        talks = [
            late(End("10.0.0.1", ONE), self.SERVER),
            Talk(End("10.0.0.2", 29_711), self.SERVER).handshake(),
        ]
        pieces = [frames.pcap(talk.packets) for talk in talks]
        found = [
            sorted(
                (row["client_ip"], row["role"], row["role_confidence"])
                for row in row_dicts(classifier.read([io.BytesIO(p) for p in order]))
            )
            for order in (pieces, pieces[::-1])
        ]
        assert found[0] == found[1]

    @pytest.mark.parametrize(
        "vain",
        [
            pytest.param(lambda talk: talk.client("S"), id="SYN flood"),
            pytest.param(lambda talk: talk.client("S").server("RA"), id="refused"),
            pytest.param(lambda talk: talk.server("SA", ack=77), id="SYN+ACK to nobody"),
            pytest.param(lambda talk: talk.server("SA", ack=77).client("R"), id="backscatter"),
            pytest.param(lambda talk: talk.server("RA"), id="RST to nobody"),
        ],
    )
    def test_what_came_to_nothing_counts_for_nothing(self, vain: Any) -> None:
        alone = self.about()
        packets = [
            packet
            for n in range(50)
            for packet in vain(Talk(End(f"10.9.0.{n}", 29_711 + 101 * n), self.SERVER)).packets
        ]
        row = self.about(*packets)
        assert (row["role_confidence"], row["role_evidence"]) == (
            alone["role_confidence"],
            alone["role_evidence"],
        )
        traffic = classifier.read(io.BytesIO(frames.pcap(packets)))
        assert traffic.totals.servers().num_rows == 0
        assert not len(traffic.judge.context.directory.entries)  # type: ignore[attr-defined]

    def test_a_handshake_beats_them_all(self) -> None:
        """Against a known service's port, and an endpoint that has served before."""
        served = [Talk(End(f"10.0.1.{n}", 40_000 + 2 * n), End("10.0.0.1", 53)).handshake() for n in range(9)]
        talk = Talk(End("10.0.0.1", 53), End("10.0.0.2", 61_001)).handshake().exchange()
        row = read(*served, talk)[-1]
        assert (row["role"], row["role_confidence"], server(row)) == (
            "confirmed",
            1.0,
            End("10.0.0.2", 61_001),
        )


def test_evidence_is_listed_strongest_first() -> None:
    """Confidence grows with each piece of evidence, and the first listed is the strongest."""
    called = End("10.0.0.9", 443)
    counts = [
        read(*(late(End(f"10.0.0.{n}", 50_001), called) for n in range(1, 1 + many)))[0] for many in (1, 3)
    ]
    assert [row["role_evidence"][0] for row in counts] == ["ports", "ports"]
    assert all(one["role_confidence"] <= more["role_confidence"] for one, more in pairwise(counts))
