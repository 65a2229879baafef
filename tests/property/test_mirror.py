"""Nothing depends on which address is the lower: a capture with all sources and destinations swapped tells
the same story about the other side."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import given
from support import frames
from support.frames import Packet
from support.rows import row_dicts
from support.stories import IDLE, captures

import classifier

ENDS = ("client_ip", "client_port", "server_ip", "server_port")
TOLD = (
    *("proto", "role", "role_confidence", "outcome", "conn_state", "history", "first_seen", "last_seen"),
    *("client_packets", "server_packets", "client_bytes", "server_bytes"),
    *("client_payload_bytes", "server_payload_bytes"),
)


def swapped(packet: Packet) -> Packet:
    """The packet with source and destination exchanged, addresses and ports."""
    data = packet.data
    at, size = (12, 4) if data[0] >> 4 == 4 else (8, 16)
    source, target, ports = data[at : at + size], data[at + size : at + 2 * size], at + 2 * size
    turned = target + source + data[ports + 2 : ports + 4] + data[ports : ports + 2]
    return Packet(packet.time_ns, data[:at] + turned + data[ports + 4 :])


def confirmed(packets: list[Packet], ends: tuple[str, ...]) -> list[tuple[Any, ...]]:
    rows = row_dicts(classifier.read(io.BytesIO(frames.pcap(packets)), **IDLE))
    return sorted(tuple(row[name] for name in (*ends, *TOLD)) for row in rows if row["role"] == "confirmed")


@given(captures())
def test_confirmed_flows_are_mirrored(packets: list[Packet]) -> None:
    turned = [swapped(packet) for packet in packets]
    assert [swapped(packet) for packet in turned] == packets
    mirrored = ("server_ip", "server_port", "client_ip", "client_port")
    assert confirmed(turned, mirrored) == confirmed(packets, ENDS)
