"""Conversations as IP packets: TCP and UDP, and what else there is in IP."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.sctp import (
    SCTP,
    SCTPChunkCookieAck,
    SCTPChunkCookieEcho,
    SCTPChunkData,
    SCTPChunkInit,
    SCTPChunkInitAck,
    SCTPChunkSACK,
    SCTPChunkShutdown,
    SCTPChunkShutdownAck,
    SCTPChunkShutdownComplete,
)
from scapy.packet import Packet, Raw

START_S = 1_767_603_600  # 2026-01-05T09:00:00Z
ENDS = {4: ("10.1.0.1", "10.1.0.2"), 6: ("fd00::1", "fd00::2")}
OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}


def ip(version: int, back: bool = False, ends: dict[int, tuple[str, str]] = ENDS, **fields: Any) -> Packet:
    """An IP header between the ends, or back."""
    source, destination = reversed(ends[version]) if back else ends[version]
    return (IP if version == 4 else IPv6)(src=source, dst=destination, **fields)


def conversation(version: int) -> Iterator[Packet]:
    """A TCP connection to port 80, then a UDP exchange with port 5353."""
    sequence = [1000, 9000]
    request, answer = b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"
    for back, flags, payload in [
        (0, "S", b""),
        (1, "SA", b""),
        (0, "A", b""),
        (0, "PA", request),
        (1, "PA", answer),
        (0, "FA", b""),
        (1, "FA", b""),
        (0, "A", b""),
    ]:
        ports: dict[str, Any] = {"sport": 80, "dport": 40000} if back else {"sport": 40000, "dport": 80}
        acknowledged = sequence[1 - back] if "A" in flags else 0
        segment = TCP(seq=sequence[back], ack=acknowledged, flags=flags, **ports) / payload
        yield ip(version, bool(back)) / segment
        sequence[back] += len(payload) + ("S" in flags) + ("F" in flags)
    yield ip(version) / UDP(sport=40001, dport=7) / b"Is anybody there?"
    yield ip(version, back=True) / UDP(sport=7, dport=40001) / b"Is anybody there?"


def sctp(version: int) -> Iterator[Packet]:
    """An association: opened, a message, its acknowledgement, closed."""
    there: dict[str, Any] = {"sport": 40002, "dport": 2905, "tag": 9}
    back: dict[str, Any] = {"sport": 2905, "dport": 40002, "tag": 7}
    for returns, chunk in [
        (False, SCTPChunkInit(init_tag=7, init_tsn=1)),
        (True, SCTPChunkInitAck(init_tag=9, init_tsn=1)),
        (False, SCTPChunkCookieEcho(cookie=b"cook")),
        (True, SCTPChunkCookieAck()),
        (False, SCTPChunkData(tsn=1, beginning=1, ending=1, data=b"beep")),
        (True, SCTPChunkSACK(cumul_tsn_ack=1)),
        (False, SCTPChunkShutdown(cumul_tsn_ack=1)),
        (True, SCTPChunkShutdownAck()),
        (False, SCTPChunkShutdownComplete()),
    ]:
        ends = back if returns else {**there, "tag": 0} if isinstance(chunk, SCTPChunkInit) else there
        yield ip(version, returns) / SCTP(**ends) / chunk


def dccp(version: int) -> Iterator[Packet]:
    """A connection. scapy has no layer for DCCP: RFC 4340 §5."""
    for back, kind, extended, sequence, acknowledged, data in [
        (False, 0, True, 100, None, b""),  # Request
        (True, 1, True, 500, 100, b""),  # Response
        (False, 3, True, 101, 500, b""),  # Ack
        (False, 4, False, 102, 500, b"beep"),  # DataAck with short numbers
        (False, 2, False, 103, None, b"beep"),  # Data with short numbers
        (True, 6, True, 501, 102, b""),  # Close
        (False, 7, True, 104, 501, b""),  # Reset
    ]:
        ports = (5001, 40003) if back else (40003, 5001)
        numbers = struct.pack("!xHI", 0, sequence) if extended else sequence.to_bytes(3)
        if acknowledged is not None:
            numbers += (
                struct.pack("!HHI", 0, 0, acknowledged) if extended else bytes(1) + acknowledged.to_bytes(3)
            )
        special = bytes(4) if kind in (0, 1, 7) else b""  # service code, or the reset's code
        words = (9 + len(numbers) + len(special)) // 4
        head = struct.pack("!HHBBHB", *ports, words, 0, 0, kind << 1 | extended)
        body = head + numbers + special + data
        yield ip(version, back, ENDS, **{"proto" if version == 4 else "nh": 33}) / Raw(body)


def udplite(version: int) -> Iterator[Packet]:
    """A message and its answer. scapy has no layer for UDP-Lite: RFC 3828 §3."""
    for back, ports in [(False, (40004, 5004)), (True, (5004, 40004))]:
        header = struct.pack("!HHHH", *ports, 8, 0)
        yield ip(version, back, ENDS, **{"proto" if version == 4 else "nh": 136}) / Raw(header + b"beep")


def fragments(version: int) -> Iterator[Packet]:
    """A datagram in three fragments, the last first; and its answer in two."""
    for back, ports, size in [(False, (40005, 7), 60), (True, (7, 40005), 40)]:
        datagram = UDP(sport=ports[0], dport=ports[1]) / Raw(bytes(size))
        if version == 4:
            yield from reversed(fragment(ip(4, back, id=7) / datagram, fragsize=24))  # type: ignore[no-untyped-call]
        else:
            whole = ip(6, back) / IPv6ExtHdrFragment(id=7) / datagram
            yield from reversed(fragment6(whole, 88))  # type: ignore[no-untyped-call]


def icmp_errors(version: int) -> Iterator[Packet]:
    """A datagram to a closed port, and the ICMP error."""
    asked = ip(version) / UDP(sport=40006, dport=9) / b"Hello?"
    yield asked
    error = bytes([3, 3] if version == 4 else [1, 4]) + bytes(6) + bytes(asked)
    yield ip(version, True, ENDS, **{"proto": 1} if version == 4 else {"nh": 58}) / Raw(error)


#: What else there is in IP, as raw IP.
TRANSPORTS: dict[str, Callable[[int], Iterator[Packet]]] = {
    "sctp": sctp,
    "dccp": dccp,
    "udplite": udplite,
    "fragments": fragments,
    "icmp-errors": icmp_errors,
}
