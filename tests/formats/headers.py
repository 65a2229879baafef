"""What is put before an IP packet: headers of links, shims and tunnels."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from scapy.contrib.gtp import GTP_U_Header
from scapy.contrib.macsec import MACsec
from scapy.layers.dot11 import Dot11, Dot11QoS
from scapy.layers.inet import UDP
from scapy.layers.l2 import (
    GRE,
    LLC,
    SNAP,
    Ether,
)
from scapy.packet import Packet, Raw

from .conversations import OUTER, START_S, ip

MACS: dict[str, Any] = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
ETHER = Ether(**MACS)
WIFI: dict[str, Any] = {"addr1": MACS["dst"], "addr2": MACS["src"], "addr3": MACS["dst"]}
PLAIN = Dot11(type=2, subtype=0, FCfield=1, **WIFI)
QOS = Dot11(type=2, subtype=8, FCfield=2, **WIFI) / Dot11QoS()
FOUR = Dot11(type=2, subtype=0, FCfield=3, addr4=MACS["src"], **WIFI)
HT = Dot11(type=2, subtype=8, FCfield=0x82, **WIFI) / Dot11QoS()

#: An IP packet to the bytes of a frame.
Wrap = Callable[[Packet], bytes]


def ethertype(packet: Packet) -> int:
    """The EtherType of an IP packet."""
    return 0x0800 if packet.version == 4 else 0x86DD


def before(header: Packet | bytes) -> Wrap:
    """Return the header with the packet; scapy gives the type of what follows."""
    if isinstance(header, bytes):
        return lambda packet: header + bytes(packet)
    return lambda packet: bytes(header / packet)


def typed(head: bytes, tail: bytes = b"") -> Wrap:
    """The header's bytes with the EtherType between them, then the packet."""
    return lambda packet: head + struct.pack("!H", ethertype(packet)) + tail + bytes(packet)


def snap(head: Packet) -> Wrap:
    """The header, LLC and SNAP, then the packet."""
    return lambda packet: bytes(
        head / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=ethertype(packet)) / packet
    )


def ppp(head: bytes = b"", compressed: bool = False) -> Wrap:
    """The header's bytes, PPP's protocol field, then the packet."""

    def wrap(packet: Packet) -> bytes:
        protocol = bytes([0x00, 0x21 if packet.version == 4 else 0x57])
        return head + protocol[compressed:] + bytes(packet)

    return wrap


def over_ip(header: Packet | None, version: int = 4, **fields: Any) -> Wrap:
    """Raw IP of this version, the header, then the packet."""
    outer = ip(version, ends=OUTER, **fields)
    return lambda packet: bytes(outer / header / packet if header else outer / packet)


def over_gre(inner: Packet | None = None, **fields: Any) -> Wrap:
    """GRE in IPv4, what it carries, then the packet."""

    def wrap(packet: Packet) -> bytes:
        known = {} if inner is not None else {"proto": ethertype(packet)}
        header = GRE(**{**known, **fields})
        return bytes(ip(4, ends=OUTER, proto=47) / header / (inner / packet if inner is not None else packet))

    return wrap


def over_udp(port: int, header: Packet | bytes = b"", source: int = 50000) -> Wrap:
    """A datagram to the port, the header, then the packet."""

    def wrap(packet: Packet) -> bytes:
        payload = header + bytes(packet) if isinstance(header, bytes) else bytes(header / packet)
        return bytes(ip(4, ends=OUTER) / UDP(sport=source, dport=port) / Raw(payload))

    return wrap


def erf(kind: int, head: bytes) -> Wrap:
    """Endace's record of this kind: its header, the link's header up to the EtherType, the packet."""

    def wrap(packet: Packet) -> bytes:
        body = head + struct.pack("!H", ethertype(packet)) + bytes(packet)
        return (
            struct.pack("<QBB", START_S << 32, kind, 4)
            + struct.pack("!HHH", 16 + len(body), 0, len(body))
            + body
        )

    return wrap


def nflog(order: str) -> Wrap:
    """Linux's netfilter log in a byte order. scapy has no layer for it."""

    def wrap(packet: Packet) -> bytes:
        family = 2 if packet.version == 4 else 10
        body = bytes(packet)
        head = struct.pack("!BBH", family, 0, 3)
        header = struct.pack(f"{order}HH", 8, 1) + struct.pack("!HBB", ethertype(packet), 1, 0)
        prefix = struct.pack(f"{order}HH", 5, 10) + bytes(4)
        return head + header + prefix + struct.pack(f"{order}HH", 4 + len(body), 9) + body

    return wrap


def padded(radio: Packet) -> Wrap:
    """A QoS frame whose header the driver padded to four bytes, as radiotap's flags show."""

    def wrap(packet: Packet) -> bytes:
        body = LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=ethertype(packet)) / packet
        return bytes(radio) + bytes(QOS) + bytes(2) + bytes(body)

    return wrap


def high_throughput(packet: Packet) -> bytes:
    """A QoS frame with an HT control field."""
    body = LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=ethertype(packet)) / packet
    return bytes(HT) + bytes(4) + bytes(body)


def macsec(**fields: Any) -> Wrap:
    """MACsec without encryption, with its check value at the end."""

    def wrap(packet: Packet) -> bytes:
        tag = MACsec(E=0, C=0, AN=0, PN=1, type=ethertype(packet), **fields)
        outer = Ether(**MACS, type=0x88E5)
        return bytes(outer / tag / packet) + bytes(16)

    return wrap


def gtp(packet: Packet, **fields: Any) -> bytes:
    """GTP-U with fields of its header, and what scapy puts behind them."""
    return bytes(ip(4, ends=OUTER) / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=1, **fields) / packet)
