"""Tags and mirrors of switches, fabrics, tunnels over UDP, and link types that few people meet.

scapy has no layer for most of them: their headers are written out as the standards have them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from scapy.layers.l2 import GRE, LLC, SNAP, Ether
from scapy.packet import Packet, Raw

from .conversations import OUTER, ip
from .headers import ETHER, MACS, PLAIN, QOS, Wrap, ethertype, over_udp, snap, typed

ADDRESSES = bytes(ETHER / Raw())[:12]
#: Header of a frame of frame relay, up to the control field.
Q922 = b"\x18\x41\x03"


def tagged(tag: int, content: bytes) -> Wrap:
    """An Ethernet frame with a tag before its EtherType."""
    return typed(ADDRESSES + struct.pack("!H", tag) + content)


def framed(head: bytes) -> Wrap:
    """The header's bytes, then the packet in an Ethernet frame."""
    return lambda packet: head + bytes(ETHER / packet)


def nlpid(head: bytes) -> Wrap:
    """The header's bytes and the network layer protocol id, then the packet."""
    return lambda packet: head + bytes([0xCC if packet.version == 4 else 0x8E]) + bytes(packet)


def family(head: Callable[[int], bytes], v6: int = 30) -> Wrap:
    """The header for an address family, then the packet."""
    return lambda packet: head(2 if packet.version == 4 else v6) + bytes(packet)


def shim(number: int, content: bytes) -> Wrap:
    """An Ethernet header with this EtherType, the content, then the packet in an Ethernet frame."""
    return framed(bytes(Ether(**MACS, type=number)) + content)


def in_gre(kind: int, wrap: Wrap, head: bytes = b"", **fields: object) -> Wrap:
    """GRE in IPv4 with this protocol type, and what another way to carry packets makes."""
    outer = ip(4, ends=OUTER, proto=47) / GRE(proto=kind, **fields)
    return lambda packet: bytes(outer / Raw(head + wrap(packet)))


def in_udp(port: int, wrap: Wrap) -> Wrap:
    """A datagram to the port, with what another way to carry packets makes."""
    return lambda packet: over_udp(port)(Raw(wrap(packet)))


def in_ip(protocol: int, wrap: Wrap) -> Wrap:
    """IPv4 with this protocol, and what another way to carry packets makes."""
    return lambda packet: bytes(ip(4, ends=OUTER, proto=protocol) / Raw(wrap(packet)))


def nsh(number: int | None, wrap: Wrap = bytes) -> Wrap:
    """Network service header with metadata of fixed length, then what another way to carry packets makes."""

    def headed(packet: Packet) -> bytes:
        following = number or (1 if packet.version == 4 else 2)
        return struct.pack("!HBBI", 0x0FC6, 1, following, 0x1FF) + bytes(16) + wrap(packet)

    return headed


def ethernet(number: int, wrap: Wrap) -> Wrap:
    """An Ethernet header with this EtherType, and what another way to carry packets makes."""
    return lambda packet: bytes(Ether(**MACS, type=number)) + wrap(packet)


def aggregate(packet: Packet) -> bytes:
    """An A-MSDU of one subframe."""
    body = bytes(LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=ethertype(packet)) / packet)
    return bytes(QOS)[:-2] + b"\x80\0" + ADDRESSES + struct.pack("!H", len(body)) + body


def swapped(packet: Packet) -> bytes:
    """An 802.11 frame whose frame control bytes changed places, as access points send it."""
    frame = snap(PLAIN)(packet)
    return frame[1::-1] + frame[2:]


def junos(wrap: Wrap, cookie: bytes = b"") -> Wrap:
    """What Junos puts before a frame: magic number, flags, extensions."""
    head = b"MGC\x81" + bytes([0, 14, 1, 2, 0x81, 0, 3, 1, 4, 5, 2, 0, 0x46, 7]) + b"\x01\x0e"
    return lambda packet: head + cookie + wrap(packet)


def pktap(link_type: int, wrap: Wrap) -> Wrap:
    """Apple's metadata with a link type."""
    return lambda packet: struct.pack("<III", 108, 1, link_type) + bytes(96) + wrap(packet)


def plain_ppp(packet: Packet) -> bytes:
    """PPP's protocol field, then the packet."""
    return bytes([0, 0x21 if packet.version == 4 else 0x57]) + bytes(packet)


RAW_IP: Wrap = bytes
#: Header of `peekremote`, the newer one, for signal and noise of nothing.
PEEK = b"\x00\xff\xab\xcd\x02" + struct.pack("!IIHHI", 55, 6, 0, 36, 5180) + bytes(34)
