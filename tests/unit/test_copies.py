"""Packets that two interfaces of a capture have: two sensors, whose clocks differ."""

from __future__ import annotations

import io
import struct

import pytest
from support.frames import Packet
from support.rows import row_dicts
from support.talk import Talk

import classifier

MILLISECOND_NS = 1_000_000


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))


def _of_sensors(packets: list[Packet], apart_ns: int) -> io.BytesIO:
    """Make a pcapng file in which two interfaces have the same packets, the second so much later."""
    interface = struct.pack("<HHI", 101, 0, 0) + struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
    blocks = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))] + 2 * [_block(1, interface)]
    seen = [
        (packet.time_ns + number * apart_ns, number, packet.data) for packet in packets for number in (0, 1)
    ]
    for time_ns, number, data in sorted(seen):
        head = struct.pack("<IIIII", number, time_ns >> 32, time_ns & 0xFFFF_FFFF, len(data), len(data))
        blocks.append(_block(6, head + data))
    file = io.BytesIO(b"".join(blocks))
    file.name = "sensors.pcapng"
    return file


@pytest.mark.parametrize(
    ("apart_ns", "apart", "found"),
    [
        (180 * MILLISECOND_NS, "180 ms", True),
        (1_900 * MILLISECOND_NS, "1.9 s", True),
        (7_000 * MILLISECOND_NS, "7.0 s", False),
    ],
)
def test_the_offset_of_two_sensors_is_estimated(apart_ns: int, apart: str, found: bool) -> None:
    packets = Talk().handshake().exchange().client("FA").server("FA").client("A").packets
    plain = classifier.read(_of_sensors(packets, apart_ns))
    (remark,) = plain.remarks
    both = f"sensors.pcapng: {len(packets)} packets captured by two interfaces, {apart} apart on average"
    assert remark.startswith(f"{both}, and counted twice; --dedup ignores")
    (row,) = row_dicts(plain)
    assert row["client_packets"] + row["server_packets"] == 2 * len(packets)
    without = classifier.read(_of_sensors(packets, apart_ns), dedup=True)
    (row,) = row_dicts(without)
    assert row["client_packets"] + row["server_packets"] == len(packets) * (1 if found else 2)
    assert (without.remarks == []) is found


def test_two_packets_are_no_reason_for_a_warning() -> None:
    packets = Talk().handshake().exchange().packets
    assert classifier.read(_of_sensors(packets[:2], 180 * MILLISECOND_NS)).remarks == []


def test_the_packets_of_a_long_connection_are_distinguished() -> None:
    """While the second sensor's packets are awaited, many of the first one's are remembered."""
    talk = Talk().handshake()
    for _ in range(30):
        talk.exchange()
    packets = talk.packets
    (row,) = row_dicts(classifier.read(_of_sensors(packets, 1_000 * MILLISECOND_NS), dedup=True))
    assert row["client_packets"] + row["server_packets"] == len(packets)
