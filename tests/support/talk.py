"""Craft conversations packet by packet with scapy, with correct sequence numbers even for lost packets."""

from __future__ import annotations

import io
from typing import Any

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet as ScapyPacket

import classifier
from support import frames
from support.frames import START_NS, End, Packet
from support.rows import row_dicts

CLIENT, SERVER = End("10.0.0.1", 40_000), End("10.0.0.2", 80)
MILLISECOND_NS = 1_000_000


class Talk:
    """A conversation as a capture between its ends sees it; each packet a millisecond after the last."""

    def __init__(
        self, client: End = CLIENT, server: End = SERVER, isns: tuple[int, int] = (1000, 5000)
    ) -> None:
        """`isns` are the initial sequence numbers of client and server."""
        self.ends = client, server
        self.next = list(isns)
        self.now_ns = START_NS
        self.packets: list[Packet] = []

    def client(self, flags: str, payload: bytes = b"", **more: Any) -> Talk:
        """The client sends a segment; `more` as for `segment`."""
        return self.segment(0, flags, payload, **more)

    def server(self, flags: str, payload: bytes = b"", **more: Any) -> Talk:
        """The server sends a segment; `more` as for `segment`."""
        return self.segment(1, flags, payload, **more)

    def segment(
        self,
        sender: int,
        flags: str,
        payload: bytes = b"",
        *,
        lost: bool = False,
        seq: int | None = None,
        ack: int | None = None,
        window: int = 8192,
    ) -> Talk:
        """One segment; a lost one counts for its ends, not in the capture; with `seq` nothing moves on."""
        source, target = self.ends[sender], self.ends[1 - sender]
        if ack is None:
            ack = self.next[1 - sender] if "A" in flags else 0
        number = self.next[sender] if seq is None else seq
        if seq is None:
            self.next[sender] += len(payload) + ("S" in flags) + ("F" in flags)
        numbers: dict[str, Any] = {"seq": number % 2**32, "ack": ack % 2**32}
        segment = TCP(sport=source.port, dport=target.port, flags=flags, window=window, **numbers)
        return self.packet(_internet(source, target) / segment / payload, lost=lost)

    def datagram(self, sender: int, payload: bytes = b"some data") -> Talk:
        """One UDP datagram; the client is sender 0."""
        source, target = self.ends[sender], self.ends[1 - sender]
        return self.packet(_internet(source, target) / UDP(sport=source.port, dport=target.port) / payload)

    def packet(self, packet: ScapyPacket, *, lost: bool = False) -> Talk:
        """Any packet."""
        if not lost:
            self.packets.append(Packet(self.now_ns, bytes(packet)))
        return self.wait(MILLISECOND_NS)

    def wait(self, nanoseconds: int) -> Talk:
        """Let time pass."""
        self.now_ns += nanoseconds
        return self

    def handshake(self) -> Talk:
        """SYN, SYN+ACK, ACK."""
        return self.client("S").server("SA").client("A")

    def exchange(self) -> Talk:
        """A request and an answer, both acknowledged."""
        return self.client("PA", b"question").server("A").server("PA", b"the answer").client("A")

    def only(self, sender: int) -> Talk:
        """What a mirror of one direction has of it so far."""
        source = self.ends[sender].ip
        self.packets = [kept for kept in self.packets if _source(kept.data) == source]
        return self

    def read(self) -> classifier.Traffic:
        """What the program makes of it."""
        return classifier.read(io.BytesIO(frames.pcap(self.packets)))

    def flows(self) -> list[dict[str, Any]]:
        """All rows, in the order of their first packets."""
        return row_dicts(self.read())

    def flow(self) -> dict[str, Any]:
        """The one row."""
        (row,) = self.flows()
        return row


def _internet(source: End, target: End) -> ScapyPacket:
    if ":" in source.ip:
        return IPv6(src=source.ip, dst=target.ip)
    return IP(src=source.ip, dst=target.ip, id=1)


def _source(data: bytes) -> str:
    packet = IPv6(data) if data[0] >> 4 == 6 else IP(data)
    return str(packet.src)
