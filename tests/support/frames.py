"""Packets and captures as bytes, made with `struct` alone: quick enough for thousands of examples.

A packet is raw IPv4 or IPv6 (link type 101), checksums left at zero.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from typing import NamedTuple

#: https://www.tcpdump.org/linktypes.html
ETHERNET, RAW = 1, 101
FLAGS = {"F": 0x01, "S": 0x02, "R": 0x04, "P": 0x08, "A": 0x10}
START_NS = 1_767_603_600_000_000_000  # 2026-01-05T09:00:00Z

#: Lengths of the file header and of a packet's header in a pcap file.
PCAP_HEADER, PCAP_RECORD = 24, 16


class End(NamedTuple):
    """Address and port."""

    ip: str
    port: int


class Packet(NamedTuple):
    """What a capture holds of one packet."""

    time_ns: int
    data: bytes
    #: Bytes that the snap length left out.
    cut_bytes: int = 0


def tcp(source: End, target: End, flags: str, seq: int = 0, ack: int = 0, payload: bytes = b"") -> bytes:
    """A segment without options. RFC 9293 §3.1."""
    bits = sum(FLAGS[letter] for letter in flags)
    header = struct.pack(
        ">HHIIBBHHH", source.port, target.port, seq % 2**32, ack % 2**32, 5 << 4, bits, 501, 0, 0
    )
    return ip(source.ip, target.ip, 6, header + payload)


def udp(source: End, target: End, payload: bytes = b"") -> bytes:
    """A datagram. RFC 768."""
    header = struct.pack(">HHHH", source.port, target.port, 8 + len(payload), 0)
    return ip(source.ip, target.ip, 17, header + payload)


def ip(source: str, target: str, protocol: int, body: bytes) -> bytes:
    """Return an IPv4 (RFC 791 §3.1) or IPv6 (RFC 8200 §3) packet, by its addresses."""
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    if len(ends) == 8:
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0) + ends + body
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + ends + body


def pcap(packets: Iterable[Packet], link_type: int = RAW) -> bytes:
    """A pcap file, little-endian, nanoseconds."""
    parts = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, link_type)]
    for packet in packets:
        seconds, rest_ns = divmod(packet.time_ns, 1_000_000_000)
        parts += [
            struct.pack("<IIII", seconds, rest_ns, len(packet.data), len(packet.data) + packet.cut_bytes),
            packet.data,
        ]
    return b"".join(parts)


def pcapng(packets: Iterable[Packet], link_type: int = RAW) -> bytes:
    """A pcapng file, little-endian, one interface that counts nanoseconds."""
    nanoseconds = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)  # if_tsresol, opt_endofopt
    parts = [
        block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(1, struct.pack("<HHI", link_type, 0, 262_144) + nanoseconds),
    ]
    for packet in packets:
        time = packet.time_ns >> 32, packet.time_ns & 0xFFFF_FFFF
        lengths = len(packet.data), len(packet.data) + packet.cut_bytes
        parts.append(block(6, struct.pack("<IIIII", 0, *time, *lengths) + packet.data))
    return b"".join(parts)


def block(kind: int, body: bytes) -> bytes:
    """A pcapng block, padded to four bytes."""
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
