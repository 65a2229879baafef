"""What is odd, legal, and seen every day: copies, wrong checksums, clocks that jump, packets too large."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet as ScapyPacket
from support.frames import ETHERNET, RAW, START_NS, Packet, ip, pcap
from support.rows import row_dicts
from support.talk import CLIENT, MILLISECOND_NS, SERVER, Talk

import classifier

SECOND_NS = 1_000_000_000
YEAR_NS = 365 * 86_400 * SECOND_NS
PORTS: dict[str, Any] = {"sport": 40_000, "dport": 80}


def read(packets: list[Packet], link_type: int = RAW, **options: Any) -> classifier.Traffic:
    return classifier.read(io.BytesIO(pcap(packets, link_type)), **options)


def segment(identification: int, *, ttl: int = 64, **fields: Any) -> ScapyPacket:
    return IP(src="10.0.0.1", dst="10.0.0.2", id=identification, ttl=ttl) / TCP(**PORTS, **fields)


class TestDuplicates:
    """A mirror port hands over packets twice."""

    def mirrored(self, **options: Any) -> classifier.Traffic:
        talk = Talk().handshake().exchange().client("FA").server("FA").client("A")
        packets = []
        for number, packet in enumerate(talk.packets):
            copied = IP(packet.data)
            copied.id = 100 + number
            routed = copied.copy()
            routed.ttl -= 1
            packets += [
                Packet(packet.time_ns, bytes(copied)),
                Packet(packet.time_ns + 3_000, bytes(routed)),
            ]
        return read(packets, **options)

    def test_are_counted(self) -> None:
        (flow,) = row_dicts(self.mirrored())
        assert (flow["duplicate_packets"], flow["client_packets"], flow["server_packets"]) == (10, 12, 8)
        assert self.mirrored().metered.counters.duplicates == 10

    def test_are_left_out_where_asked(self) -> None:
        traffic = self.mirrored(dedup=True)
        (flow,) = row_dicts(traffic)
        assert (flow["duplicate_packets"], flow["client_packets"], flow["server_packets"]) == (0, 6, 4)
        accounting = traffic.accounting
        assert (accounting["packets"], accounting["in_flows"], accounting["duplicate"]) == (20, 10, 10)

    def test_say_nothing_new_of_the_connection(self) -> None:
        told = ["server_port", "role", "role_confidence", "outcome", "conn_state", "history"]
        (both,), (one,) = row_dicts(self.mirrored()), row_dicts(self.mirrored(dedup=True))
        assert {name: both[name] for name in told} == {name: one[name] for name in told}

    def test_retransmissions_and_repetitions_are_none(self) -> None:
        data: dict[str, Any] = {"flags": "PA", "seq": 1, "ack": 1}
        udp6 = IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=4000, dport=8125) / b"hits:1|c"
        acks = [IPv6(src="fd00::1", dst="fd00::2") / TCP(flags="A", seq=1, ack=9, **PORTS)] * 3
        sent = [
            (0, segment(7, **data) / b"lost"),
            (200, segment(8, **data) / b"lost"),
            (201, IP(src="10.0.0.1", dst="10.0.0.2", id=9) / UDP(sport=4000, dport=8125) / b"hits:1|c"),
            (201, IP(src="10.0.0.1", dst="10.0.0.2", id=10) / UDP(sport=4000, dport=8125) / b"hits:1|c"),
            (202, udp6),
            (202, udp6),
            *((203, ack) for ack in acks),
        ]
        packets = [Packet(START_NS + ms * MILLISECOND_NS, bytes(packet)) for ms, packet in sent]
        assert read(packets).metered.counters.duplicates == 0


class TestChecksums:
    """Wrong ones are counted where asked, and nothing is dropped."""

    def wrong(self, **options: Any) -> classifier.Traffic:
        good = segment(1, flags="S") / b"fast"
        datagram = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=4000, dport=53) / b"question"
        over6 = IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=4000, dport=53) / b"odd"
        without = datagram.copy()
        without[UDP].chksum = 0
        packets = [bytes(packet) for packet in (good, datagram, over6, without)]
        bad_header = bytes(good)[:10] + b"\x12\x34" + bytes(good)[12:]
        packets += [data[:-1] + b"!" for data in packets] + [bad_header]
        return read([Packet(START_NS + n * SECOND_NS, data) for n, data in enumerate(packets)], **options)

    def test_are_counted_where_asked(self) -> None:
        assert self.wrong(verify_checksums=True).metered.counters.bad_checksums == {
            "ipv4_header": 1,
            "transport": 3,
        }
        assert self.wrong().metered.counters.bad_checksums == {}

    def test_drop_nothing(self) -> None:
        plain, verified = self.wrong(), self.wrong(verify_checksums=True)
        assert row_dicts(plain) == row_dicts(verified)
        assert dict(plain.accounting) == dict(verified.accounting)
        assert verified.accounting["in_flows"] == 9


class TestClocks:
    """Clocks are set while a capture runs."""

    def connections(self, count: int = 300) -> list[Packet]:
        talks = [Talk(client=CLIENT._replace(port=20_000 + n)).handshake().exchange() for n in range(count)]
        return sorted(
            (packet for talk in talks for packet in talk.packets), key=lambda packet: packet.time_ns
        )

    @pytest.mark.parametrize("years", [-50, 70])
    def test_one_wrong_time_ends_nothing(self, years: int) -> None:
        packets = self.connections()
        stray = Packet(
            START_NS + years * YEAR_NS, ip("10.9.9.9", "10.0.0.2", 17, struct.pack(">4H", 9, 9, 8, 0))
        )
        middle = len(packets) // 2
        rows = row_dicts(read([*packets[:middle], stray, *packets[middle:]]))
        assert [row for row in rows if row["proto"] == "tcp"] == row_dicts(read(packets))
        assert len(rows) == 301

    def test_a_step_back_within_the_idle_time_ends_nothing(self) -> None:
        packets = self.connections()
        middle = len(packets) // 2
        back = [Packet(packet.time_ns - 60 * SECOND_NS, packet.data) for packet in packets[middle:]]
        rows = row_dicts(read(packets[:middle] + back))
        assert len(rows) == 300
        assert sum(row["client_packets"] + row["server_packets"] for row in rows) == len(packets)

    def test_a_jump_of_years_begins_new_flows_and_loses_nothing(self) -> None:
        packets = self.connections()
        middle = len(packets) // 2
        for years in (-50, 70):
            jumped = [Packet(packet.time_ns + years * YEAR_NS, packet.data) for packet in packets[middle:]]
            traffic = read(packets[:middle] + jumped)
            assert traffic.accounting["in_flows"] == len(packets)
            assert 300 <= len(row_dicts(traffic)) <= 600

    def test_a_clock_that_goes_to_and_fro_makes_two_flows_of_each(self) -> None:
        packets = self.connections(20)
        jumping = [
            Packet(packet.time_ns + n % 2 * 70 * YEAR_NS, packet.data) for n, packet in enumerate(packets)
        ]
        traffic = read(jumping)
        assert traffic.accounting["in_flows"] == len(packets)
        assert len(row_dicts(traffic)) <= 40


class TestSegments:
    """TCP's rarer features."""

    def test_data_on_a_syn_counts(self) -> None:
        talk = Talk().client("S", b"GET / HTTP/1.0\r\n\r\n").server("SA").server("PA", b"200 OK").client("A")
        flow = talk.flow()
        assert (flow["role"], flow["server_port"], flow["outcome"]) == ("confirmed", 80, "answered")
        assert (flow["client_payload_bytes"], flow["server_payload_bytes"]) == (18, 6)
        assert flow["conn_state"] == "S1"

    def test_data_on_a_syn_that_nobody_answers_is_an_attempt(self) -> None:
        flow = Talk().client("S", b"GET / HTTP/1.0\r\n\r\n").flow()
        assert (flow["role"], flow["outcome"], flow["client_payload_bytes"]) == (
            "attempted",
            "unanswered",
            18,
        )

    def test_urgent_data_is_data(self) -> None:
        urgent = IP(src=CLIENT.ip, dst=SERVER.ip, id=1) / TCP(
            sport=CLIENT.port, dport=SERVER.port, flags="PAU", seq=1001, ack=5001, urgptr=3
        )
        flow = Talk().handshake().packet(urgent / b"\xff\xf4\xf2").flow()
        assert (flow["client_payload_bytes"], flow["history"]) == (3, "ShAD")


class TestLarge:
    """Packets longer than a network carries: the capturing machine joined them, or splits them later."""

    def test_a_packet_whose_length_is_left_to_the_network_card(self) -> None:
        for packet, at in [
            (segment(1, flags="PA") / bytes(70_000 - 40), 2),
            (IPv6(src="fd00::1", dst="fd00::2") / TCP(flags="PA", **PORTS) / bytes(70_000 - 60), 4),
        ]:
            packet.len = packet.plen = 0
            data = bytearray(bytes(packet))
            assert data[at : at + 2] == b"\0\0"
            (flow,) = row_dicts(read([Packet(START_NS, bytes(data))]))
            header_bytes = 40 if packet.version == 4 else 60
            assert (flow["client_bytes"] + flow["server_bytes"]) == 70_000
            assert flow["client_payload_bytes"] + flow["server_payload_bytes"] == 70_000 - header_bytes

    def test_a_jumbogram(self) -> None:
        body = struct.pack(">HHIIBBHHH", 40_000, 80, 1, 1, 5 << 4, 0x18, 501, 0, 0) + bytes(100_000)
        jumbo = struct.pack(">BBBBI", 6, 0, 0xC2, 4, 8 + len(body))  # RFC 2675 §2
        packet = bytearray(ip("fd00::1", "fd00::2", 0, b"")) + jumbo + body
        (flow,) = row_dicts(read([Packet(START_NS, bytes(packet))]))
        assert flow["client_bytes"] + flow["server_bytes"] == 40 + 8 + 20 + 100_000
        assert flow["client_payload_bytes"] + flow["server_payload_bytes"] == 100_000

    def test_a_segment_that_was_joined_of_many(self) -> None:
        packet = bytes(segment(1, flags="PA") / bytes(65_535 - 40))
        data = bytes(12) + b"\x08\0" + packet
        (flow,) = row_dicts(read([Packet(START_NS, data)], ETHERNET))
        assert flow["client_bytes"] + flow["server_bytes"] == 65_535
