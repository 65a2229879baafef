"""Craft conversations packet by packet, with correct sequence numbers even where packets get lost."""

import ipaddress
import random
from dataclasses import dataclass, field

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from crafting.formats import Frame

START_NS = 1_767_603_600_000_000_000  # 2026-01-05T09:00:00Z
MILLISECOND_NS = 1_000_000
STEP_MS = 0.25  # between two packets, unless somebody thinks
WINDOW = 501
SYN_OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("NOP", None), ("WScale", 7)]


@dataclass
class Sent:
    """An IP packet and when it passed."""

    time_ns: int
    packet: Packet


@dataclass
class Clock:
    """The time of the capture; it only advances explicitly."""

    now_ns: int = START_NS

    def wait(self, milliseconds: float) -> None:
        """Let time pass."""
        self.now_ns += int(milliseconds * MILLISECOND_NS)

    def stamp(self, packet: Packet) -> Sent:
        """The packet, sent now; the next one comes a step later."""
        sent = Sent(self.now_ns, packet)
        self.wait(STEP_MS)
        return sent


@dataclass
class End:
    """One end of a conversation, and what it will send next."""

    ip: str
    port: int
    sequence: int = 0
    packets: int = 0


@dataclass
class Tcp:
    """A TCP conversation between `client` and `server`, as a capture between them sees it."""

    clock: Clock
    client: End
    server: End
    host: str = "www.example"
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Choose the initial sequence numbers, for ever the same for the same ends."""
        chance = random.Random(f"{self.client}{self.server}")
        for end in (self.client, self.server):
            end.sequence = chance.randrange(2**31)

    def send(
        self,
        sender: End,
        flags: str,
        payload: bytes = b"",
        *,
        lost: bool = False,
        sequence: int | None = None,
        acknowledge: int | None = None,
        options: list[tuple[str, object]] | None = None,
    ) -> None:
        """One segment; `lost` ones count for both ends but not for the capture.

        A given `sequence` is sent as it is (a repetition), and moves nothing on.
        """
        receiver = self.server if sender is self.client else self.client
        if acknowledge is None:
            acknowledge = receiver.sequence if "A" in flags else 0
        segment = TCP(
            sport=sender.port,
            dport=receiver.port,
            seq=sender.sequence if sequence is None else sequence,
            ack=acknowledge,
            flags=flags,
            window=64240 if "S" in flags else WINDOW,
            options=options if options is not None else SYN_OPTIONS if "S" in flags else [],
        )
        if sequence is None:
            moved = len(payload) + ("S" in flags) + ("F" in flags)
            sender.sequence = (sender.sequence + moved) % 2**32
        sender.packets += 1
        if not lost:
            packet = IP(src=sender.ip, dst=receiver.ip, id=sender.packets, flags="DF") / segment / payload
            self.sent.append(self.clock.stamp(packet))
        else:
            self.clock.wait(STEP_MS)

    def handshake(self) -> None:
        """SYN, SYN+ACK, ACK."""
        self.send(self.client, "S")
        self.send(self.server, "SA")
        self.send(self.client, "A")

    def exchange(self, question: bytes, answer: bytes) -> None:
        """A question of the client, the answer, and the acknowledgements of both."""
        self.send(self.client, "PA", question)
        self.send(self.server, "A")
        self.clock.wait(2)
        self.send(self.server, "PA", answer)
        self.send(self.client, "A")

    def page(self) -> None:
        """A page asked for by HTTP, and sent."""
        self.exchange(*http(self.host))

    def close(self) -> None:
        """FIN by the client, FIN by the server, the last ACK."""
        self.send(self.client, "FA")
        self.send(self.server, "FA")
        self.send(self.client, "A")


def http(host: str) -> tuple[bytes, bytes]:
    """A small HTTP request and its answer."""
    body = b"<p>Good morning.</p>\n"
    question = f"GET / HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n".encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    return question, head.encode() + body


def dns(identifier: int, name: str, address: str) -> tuple[Packet, Packet]:
    """A DNS question for a name's IPv4 address, and its answer."""
    asked = DNSQR(qname=name, qtype="A")
    answer = DNSRR(rrname=name, type="A", ttl=300, rdata=address)
    return DNS(id=identifier, rd=1, qd=[asked]), DNS(id=identifier, qr=1, rd=1, ra=1, qd=[asked], an=[answer])


def udp(clock: Clock, sender: End, receiver: End, payload: Packet | bytes) -> Sent:
    """Add one datagram, over IPv4 or IPv6 by its addresses."""
    sender.packets += 1
    if ":" in sender.ip:
        header = IPv6(src=sender.ip, dst=receiver.ip, hlim=64)
    else:
        header = IP(src=sender.ip, dst=receiver.ip, id=sender.packets)
    return clock.stamp(header / UDP(sport=sender.port, dport=receiver.port) / payload)


def mac(ip: str) -> str:
    """A locally administered Ethernet address that shows the end of the IP address."""
    return ":".join(f"{byte:02x}" for byte in (2, 0, *ipaddress.ip_address(ip).packed[-4:]))


def ethernet(sent: Sent) -> Frame:
    """The packet in an Ethernet frame (not padded: captured where it was sent)."""
    packet = sent.packet
    version = 0x86DD if packet.version == 6 else 0x0800
    data = bytes(Ether(src=mac(packet.src), dst=mac(packet.dst), type=version) / packet)
    return Frame(sent.time_ns, data, len(data))
