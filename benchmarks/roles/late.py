"""Captures that come late: who is the server in a capture, and what is left when its handshakes go.

The truth comes from what nobody disputes: a SYN answered by a SYN+ACK, or a UDP exchange that says
which message asks and which replies. Then the proof is taken out of the capture, in several ways.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scapy.utils import RawPcapReader, RawPcapWriter

#: What is taken away: nothing; each SYN; also the first half of each TCP flow; also all before the
#: first packet of the server.
MODES = ("intact", "nosyn", "midstream", "reversed-first")
ETHERNET, RAW, SLL, LOOP = 1, 101, 113, 0
TCP, UDP = 6, 17

End = tuple[bytes, int]
Key = tuple[int, End, End]


@dataclass(frozen=True)
class Packet:
    """A packet with ports."""

    proto: int
    source: End
    target: End
    syn: bool
    ack: bool
    payload: bytes

    @property
    def key(self) -> Key:
        """Which flow it belongs to, whatever its direction."""
        first, second = sorted((self.source, self.target))
        return (self.proto, first, second)


@dataclass(frozen=True)
class Capture:
    """The frames of a file, what was found in each, and the server of each flow where it is known."""

    path: Path
    link_type: int
    frames: list[tuple[bytes, int, int]]  # data, microseconds, bytes on the wire
    packets: list[Packet | None]
    servers: dict[Key, End]


def read(path: Path) -> Capture | None:
    """Read a capture; None where it is none, or one of several link types."""
    try:
        with RawPcapReader(str(path)) as reader:
            frames: list[tuple[bytes, int, int]] = []
            links: set[int] = set()
            for data, meta in reader:
                links.add(getattr(meta, "linktype", 0) or getattr(reader, "linktype", ETHERNET))
                frames.append((data, *_time_and_size(meta, data)))
    except Exception:  # scapy raises many kinds; a capture that can't be read teaches nothing
        return None
    if len(links) != 1:
        return None
    link_type = links.pop()
    packets = [decode(link_type, data) for data, _, _ in frames]
    return Capture(path, link_type, frames, packets, dict(_servers(packets)))


def _time_and_size(meta: Any, data: bytes) -> tuple[int, int]:
    if hasattr(meta, "tshigh"):
        micros = ((meta.tshigh or 0) << 32 | (meta.tslow or 0)) * 1_000_000 // (meta.tsresol or 1_000_000)
    else:
        micros = meta.sec * 1_000_000 + meta.usec
    return micros, max(meta.wirelen or 0, len(data))


def stripped(capture: Capture, mode: str, target: Path) -> set[Key]:
    """Write what a mode leaves of a capture; return the known flows that are still there."""
    gone, present = set(), set()
    if mode != "intact":
        gone = {place for place, packet in enumerate(capture.packets) if packet and packet.syn}
    flows = _flows(capture.packets)
    for key, server in capture.servers.items():
        left = [place for place in flows[key] if place not in gone]
        cut = 0
        if mode == "midstream" and key[0] == TCP:
            cut = max(min(len(left) // 2, len(left) - 2), 0)
        elif mode == "reversed-first":
            senders = (packet.source for place in left if (packet := capture.packets[place]))
            spoke = (n for n, sender in enumerate(senders) if sender == server)
            cut = next(spoke, len(left))
            if len(left) - cut < (2 if key[0] == TCP else 1):
                cut = len(left)
        gone |= set(left[:cut])
        if left[cut:]:
            present.add(key)
    with RawPcapWriter(str(target), linktype=capture.link_type) as writer:
        writer.write_header(None)
        for place, (data, micros, size) in enumerate(capture.frames):
            if place not in gone:
                writer.write_packet(data, sec=micros // 1_000_000, usec=micros % 1_000_000, wirelen=size)
    return present


def _flows(packets: Iterable[Packet | None]) -> dict[Key, list[int]]:
    flows = defaultdict(list)
    for place, packet in enumerate(packets):
        if packet and packet.source != packet.target:
            flows[packet.key].append(place)
    return flows


def _servers(packets: list[Packet | None]) -> Iterator[tuple[Key, End]]:
    for key, places in _flows(packets).items():
        flow = [packet for place in places if (packet := packets[place])]
        client = _caller(flow) if key[0] == TCP else _asker(flow)
        if client:
            yield key, key[2] if client == key[1] else key[1]


def _caller(flow: list[Packet]) -> End | None:
    """Return who sent the SYN, if it was answered and nothing in the flow contradicts it."""
    callers = {packet.source for packet in flow if packet.syn and not packet.ack}
    called = {packet.source for packet in flow if packet.syn and packet.ack}
    after = sum(not packet.syn for packet in flow)
    return callers.pop() if len(callers) == len(called) == 1 and callers != called and after >= 2 else None


def _asker(flow: list[Packet]) -> End | None:
    """Who asked, if the first message asks and every other agrees."""
    said = [(packet, message) for packet in flow if (message := _message(packet))]
    if not said or said[0][0] is not flow[0]:
        return None
    clients = {packet.source if asks else packet.target for packet, (asks, _) in said}
    asked = {token for _, (asks, token) in said if asks}
    replied = {token for _, (asks, token) in said if not asks}
    return clients.pop() if len(clients) == 1 and asked & replied else None


def _message(packet: Packet) -> tuple[bool, bytes] | None:
    """Return whether a datagram is a request, and what its reply repeats; None if unknown."""
    data, ports = packet.payload, {packet.source[1], packet.target[1]}
    if data[4:8] == b"\x21\x12\xa4\x42" and len(data) >= 20 and data[0] < 2:  # STUN, RFC 8489 §5
        return (data[0] == 0 and data[1] == 1, data[8:20])
    if 123 in ports and len(data) >= 48 and data[0] & 7 in (3, 4):  # NTP, RFC 5905 §7.3
        return (data[0] & 7 == 3, b"")
    if len(data) > 25 and data[0] == 22 and data[1] == 0xFE and data[13] in (1, 2, 3):  # DTLS, RFC 9147 §5
        return (data[13] == 1, b"")
    if len(data) >= 17 and not ports & {137, 5353, 5355}:  # DNS, RFC 1035 §4.1.1
        flags, questions, answers = struct.unpack_from("!HHH", data, 2)
        if questions == 1 and flags >> 11 & 15 == 0 and not flags & 0x40 and (flags & 0x8000 or not answers):
            return (not flags & 0x8000, data[:2])
    return None


def decode(link_type: int, data: bytes) -> Packet | None:
    """Find the packet with ports directly above the link; None where there is none."""
    try:
        internet = _internet(link_type, data)
        version = internet[0] >> 4
        if version == 4:
            header, proto = (internet[0] & 15) * 4, internet[9]
            if struct.unpack_from("!H", internet, 6)[0] & 0x1FFF:
                return None
            addresses = internet[12:16], internet[16:20]
        elif version == 6:
            header, proto, addresses = 40, internet[6], (internet[8:24], internet[24:40])
        else:
            return None
        body = internet[header:]
        ports = struct.unpack_from("!HH", body)
        source, target = zip(addresses, ports, strict=True)
        if proto == UDP:
            return Packet(UDP, source, target, False, False, body[8:])
        if proto == TCP:
            return Packet(TCP, source, target, bool(body[13] & 2), bool(body[13] & 16), b"")
    except (struct.error, IndexError):
        pass
    return None


def _internet(link_type: int, data: bytes) -> bytes:
    """The bytes from the IP header on."""
    if link_type in (ETHERNET, SLL):
        at = 12 if link_type == ETHERNET else 14
        while data[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
            at += 4
        return data[at + 2 :] if data[at : at + 2] in (b"\x08\x00", b"\x86\xdd") else b""
    return data[4:] if link_type in (LOOP, 108) else data if link_type in (RAW, 12, 14, 228, 229) else b""
