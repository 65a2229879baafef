"""Makes a small capture for each link type, shim, tunnel and transport that the core reads.

In each a TCP connection (handshake, a request, an answer, the end) and a UDP exchange, over IPv4 and over
IPv6. scapy builds the headers; those it has no layer for are written out here. Nothing depends on the day
or on chance. `python tests/formats/craft.py FOLDER` writes all captures.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scapy.contrib.avs import AVSWLANHeader
from scapy.contrib.chdlc import CHDLC
from scapy.contrib.erspan import ERSPAN_I, ERSPAN_II, ERSPAN_III, ERSPAN_PlatformSpecific
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.macsec import MACsec
from scapy.contrib.mpls import MPLS, EoMCW
from scapy.layers.dot11 import Dot11, Dot11QoS, PrismHeader, RadioTap
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.ipsec import AH
from scapy.layers.l2 import (
    GRE,
    GRE_PPTP,
    LLC,
    SNAP,
    CookedLinux,
    CookedLinuxV2,
    Dot1AD,
    Dot1AH,
    Dot1Q,
    Dot3,
    Ether,
    GRErouting,
    Loopback,
)
from scapy.layers.l2tp import L2TP
from scapy.layers.ppi import PPI, PPI_Hdr
from scapy.layers.ppp import HDLC, PPP, PPPoE
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
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

START_S = 1_767_603_600  # 2026-01-05T09:00:00Z
MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
ENDS = {4: ("10.1.0.1", "10.1.0.2"), 6: ("fd00::1", "fd00::2")}
OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}

#: An IP packet to the bytes of a frame.
Wrap = Callable[[Packet], bytes]


@dataclass(frozen=True)
class Format:
    """A way to carry IP packets: LINKTYPE_ number, how, the path to expect, what tshark must be told."""

    link_type: int
    wrap: Wrap
    tunnel: str | None = None
    tshark: tuple[str, ...] = ()
    versions: tuple[int, ...] = (4, 6)
    byte_order: str = "<"


def ip(version: int, back: bool = False, ends: dict[int, tuple[str, str]] = ENDS, **fields: object) -> Packet:
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
        ports = {"sport": 80, "dport": 40000} if back else {"sport": 40000, "dport": 80}
        acknowledged = sequence[1 - back] if "A" in flags else 0
        segment = TCP(seq=sequence[back], ack=acknowledged, flags=flags, **ports) / payload
        yield ip(version, bool(back)) / segment
        sequence[back] += len(payload) + ("S" in flags) + ("F" in flags)
    yield ip(version) / UDP(sport=40001, dport=7) / b"Is anybody there?"
    yield ip(version, back=True) / UDP(sport=7, dport=40001) / b"Is anybody there?"


def ethertype(packet: Packet) -> int:
    """The EtherType of an IP packet."""
    return 0x0800 if packet.version == 4 else 0x86DD


def before(header: Packet | bytes) -> Wrap:
    """The header, then the packet; scapy says what follows."""
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


def over_ip(header: Packet | None, version: int = 4, **fields: object) -> Wrap:
    """Raw IP of this version, the header, then the packet."""
    outer = ip(version, ends=OUTER, **fields)
    return lambda packet: bytes(outer / header / packet if header else outer / packet)


def over_gre(inner: Packet | None = None, **fields: object) -> Wrap:
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


def sctp(version: int) -> Iterator[Packet]:
    """An association: opened, a message, its acknowledgement, closed."""
    there = {"sport": 40002, "dport": 2905, "tag": 9}
    back = {"sport": 2905, "dport": 40002, "tag": 7}
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
        yield ip(version, back, **{"proto" if version == 4 else "nh": 33}) / Raw(body)


def udplite(version: int) -> Iterator[Packet]:
    """A message and its answer. scapy has no layer for UDP-Lite: RFC 3828 §3."""
    for back, ports in [(False, (40004, 5004)), (True, (5004, 40004))]:
        header = struct.pack("!HHHH", *ports, 8, 0)
        yield ip(version, back, **{"proto" if version == 4 else "nh": 136}) / Raw(header + b"beep")


def fragments(version: int) -> Iterator[Packet]:
    """A datagram in three fragments, the last first; and its answer in two."""
    for back, ports, size in [(False, (40005, 7), 60), (True, (7, 40005), 40)]:
        datagram = UDP(sport=ports[0], dport=ports[1]) / Raw(bytes(size))
        if version == 4:
            yield from reversed(fragment(ip(4, back, id=7) / datagram, fragsize=24))
        else:
            whole = ip(6, back) / IPv6ExtHdrFragment(id=7) / datagram
            yield from reversed(fragment6(whole, 88))


def icmp_errors(version: int) -> Iterator[Packet]:
    """A datagram to a closed port, and the error that says so."""
    asked = ip(version) / UDP(sport=40006, dport=9) / b"Hello?"
    yield asked
    error = bytes([3, 3] if version == 4 else [1, 4]) + bytes(6) + bytes(asked)
    yield ip(version, back=True, **{"proto": 1} if version == 4 else {"nh": 58}) / Raw(error)


RAW = 101
ETHERNET = 1
ETHER = Ether(**MACS)
WIFI = {"addr1": MACS["dst"], "addr2": MACS["src"], "addr3": MACS["dst"]}
PLAIN = Dot11(type=2, subtype=0, FCfield=1, **WIFI)
QOS = Dot11(type=2, subtype=8, FCfield=2, **WIFI) / Dot11QoS()
FOUR = Dot11(type=2, subtype=0, FCfield=3, addr4=MACS["src"], **WIFI)
HT = Dot11(type=2, subtype=8, FCfield=0x82, **WIFI) / Dot11QoS()


def padded(radio: Packet) -> Wrap:
    """A QoS frame whose header the driver padded to four bytes, as radiotap's flags say."""

    def wrap(packet: Packet) -> bytes:
        body = LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=ethertype(packet)) / packet
        return bytes(radio) + bytes(QOS) + bytes(2) + bytes(body)

    return wrap


def high_throughput(packet: Packet) -> bytes:
    """A QoS frame with an HT control field."""
    body = LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=ethertype(packet)) / packet
    return bytes(HT) + bytes(4) + bytes(body)


def macsec(**fields: object) -> Wrap:
    """MACsec without encryption, with its check value at the end."""

    def wrap(packet: Packet) -> bytes:
        tag = MACsec(E=0, C=0, AN=0, PN=1, type=ethertype(packet), **fields)
        outer = Ether(**MACS, type=0x88E5)
        return bytes(outer / tag / packet) + bytes(16)

    return wrap


def gtp(packet: Packet, **fields: object) -> bytes:
    """GTP-U with fields of its header, and what scapy puts behind them."""
    return bytes(ip(4, ends=OUTER) / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=1, **fields) / packet)


FORMATS: dict[str, Format] = {
    # Link types
    "ethernet": Format(1, before(ETHER)),
    "ethernet-snap": Format(1, snap(Dot3(**MACS))),
    "null": Format(0, lambda packet: bytes(Loopback(type=2 if packet.version == 4 else 30) / packet)),
    "loop": Format(108, lambda packet: bytes([0, 0, 0, 2 if packet.version == 4 else 24]) + bytes(packet)),
    "raw": Format(101, bytes),
    "raw-bsd": Format(12, bytes),
    "raw-openbsd": Format(14, bytes),
    "ipv4": Format(228, bytes, versions=(4,)),
    "ipv6": Format(229, bytes, versions=(6,)),
    "linux-sll": Format(113, lambda packet: bytes(CookedLinux(proto=ethertype(packet)) / packet)),
    "linux-sll-802.2": Format(113, snap(CookedLinux(proto=4))),
    "linux-sll2": Format(276, lambda packet: bytes(CookedLinuxV2(proto=ethertype(packet)) / packet)),
    "ppp": Format(9, before(PPP())),
    "ppp-compressed": Format(9, ppp(compressed=True)),
    "ppp-hdlc": Format(50, before(HDLC() / PPP())),
    "ppp-hdlc-cisco": Format(50, before(CHDLC())),
    "ppp-with-direction": Format(204, ppp(b"\x01\xff\x03")),
    "pppoe-link": Format(51, before(PPPoE() / PPP()), "pppoe"),
    "cisco-hdlc": Format(104, before(CHDLC())),
    "frame-relay-nlpid": Format(
        107, lambda packet: bytes([0x18, 0x41, 3, 0xCC if packet.version == 4 else 0x8E]) + bytes(packet)
    ),
    "frame-relay-snap": Format(107, typed(b"\x18\x41\x03\x00\x80\x00\x00\x00")),
    "frame-relay-cisco": Format(107, typed(b"\x18\x41"), tshark=("-o", "fr.encap:Cisco HDLC")),
    "nflog-little": Format(239, nflog("<")),
    "nflog-big": Format(239, nflog(">"), byte_order=">"),
    "erf-ethernet": Format(197, erf(2, b"\0\0" + bytes(ETHER)[:12])),
    "erf-extended": Format(197, erf(0x82, b"\3" + bytes(9) + bytes(ETHER)[:12])),
    "erf-hdlc": Format(197, erf(1, b"\x0f\0")),
    "fddi": Format(10, snap(Raw(b"\x50" + bytes(12)))),
    "token-ring": Format(6, snap(Raw(b"\x10\x40" + bytes(12)))),
    "token-ring-routed": Format(
        6, snap(Raw(b"\x10\x40" + bytes(6) + b"\x80" + bytes(5) + b"\x06\x30\0\x10\0\x20"))
    ),
    "ipnet": Format(
        226,
        lambda packet: (
            struct.pack("!BBHI4I", 1, 2 if packet.version == 4 else 26, 0, len(packet), 1, 0, 0, 0)
            + bytes(packet)
        ),
    ),
    "wifi": Format(105, snap(PLAIN)),
    "wifi-qos": Format(105, snap(QOS)),
    "wifi-4-addresses": Format(105, snap(FOUR)),
    "wifi-ht-control": Format(105, high_throughput),
    "radiotap": Format(127, snap(RadioTap() / PLAIN)),
    "radiotap-padded": Format(127, padded(RadioTap(present="Flags", Flags="pad"))),
    "radiotap-extended": Format(127, padded(Raw(struct.pack("<BxHIIxxxxQB", 0, 25, 0x80000003, 0, 0, 0x20)))),
    "prism": Format(119, snap(PrismHeader() / PLAIN)),
    "prism-avs": Format(119, snap(AVSWLANHeader(version=0x80211001) / PLAIN)),
    "avs": Format(163, snap(AVSWLANHeader(version=0x80211001) / PLAIN)),
    "ppi-wifi": Format(192, snap(PPI(dlt=105) / PLAIN)),
    "ppi-ethernet": Format(192, before(PPI(dlt=1, headers=[PPI_Hdr(pfh_type=1, pfh_length=0)]) / ETHER)),
    # Shims
    "vlan": Format(1, before(ETHER / Dot1Q(vlan=5))),
    "qinq": Format(1, before(ETHER / Dot1AD(vlan=6) / Dot1Q(vlan=5))),
    "qinq-9100": Format(
        1,
        lambda packet: bytes(
            Ether(**MACS, type=0x9100) / Dot1Q(vlan=6, type=0x8100) / Dot1Q(vlan=5) / packet
        ),
    ),
    "mpls": Format(1, before(ETHER / MPLS(label=16, s=0) / MPLS(label=17, s=1)), "mpls"),
    "mpls-pseudowire": Format(
        1,
        lambda packet: bytes(ETHER / MPLS(label=16, s=1)) + bytes(ETHER / packet),
        "mpls/eth",
        ("-d", "mpls.label==16,pwethnocw"),
    ),
    "mpls-pseudowire-control": Format(
        1,
        before(ETHER / MPLS(label=16, s=1) / EoMCW() / ETHER),
        "mpls/eth",
        ("-d", "mpls.label==16,pwethcw"),
    ),
    "pbb": Format(1, before(Ether(**MACS, type=0x88E7) / Dot1AH(isid=7) / ETHER), "pbb/eth"),
    "macsec": Format(1, macsec(SC=0), "macsec"),
    "macsec-sci": Format(1, macsec(SC=1, SCI=b"12345678"), "macsec"),
    "pppoe": Format(1, before(ETHER / PPPoE(sessionid=1) / PPP()), "pppoe"),
    # Tunnels over IP
    "gre": Format(RAW, over_gre(), "gre/ip"),
    "gre-checksum-key-sequence": Format(
        RAW, over_gre(chksum_present=1, key_present=1, seqnum_present=1, key=7, sequence_number=1), "gre/ip"
    ),
    "gre-key": Format(RAW, over_gre(key_present=1, key=7), "gre/ip"),
    "gre-sequence": Format(RAW, over_gre(seqnum_present=1, sequence_number=1), "gre/ip"),
    "gre-routing": Format(
        RAW,
        lambda packet: over_gre(
            GRErouting(address_family=0x800, SRE_offset=0, routing_info=bytes(4)) / GRErouting(),
            proto=ethertype(packet),
            routing_present=1,
        )(packet),
        "gre/ip",
    ),
    "gre-ethernet": Format(RAW, over_gre(ETHER, proto=0x6558), "gre/eth/ip"),
    "gre-mpls": Format(RAW, over_gre(MPLS(label=16, s=1), proto=0x8847), "gre/mpls/ip"),
    "nvgre": Format(RAW, over_gre(ETHER, proto=0x6558, key_present=1, key=0x70001), "nvgre/eth/ip"),
    "pptp": Format(
        RAW,
        over_ip(GRE_PPTP(seqnum_present=1, sequence_number=1, call_id=7) / HDLC() / PPP(), proto=47),
        "gre/ip",
    ),
    "pptp-acknowledging": Format(
        RAW,
        over_ip(
            GRE_PPTP(seqnum_present=1, acknum_present=1, sequence_number=1, ack_number=1, call_id=7)
            / HDLC()
            / PPP(),
            proto=47,
        ),
        "gre/ip",
    ),
    "erspan-1": Format(RAW, over_gre(ERSPAN_I() / ETHER, proto=0x88BE), "erspan/eth/ip"),
    "erspan-2": Format(RAW, over_gre(ERSPAN_II() / ETHER, proto=0x88BE, seqnum_present=1), "erspan/eth/ip"),
    "erspan-3": Format(
        RAW, over_gre(ERSPAN_III(o=0) / ETHER, proto=0x22EB, seqnum_present=1), "erspan/eth/ip"
    ),
    "erspan-3-subheader": Format(
        RAW,
        over_gre(ERSPAN_III(o=1) / ERSPAN_PlatformSpecific() / ETHER, proto=0x22EB, seqnum_present=1),
        "erspan/eth/ip",
    ),
    "ip-in-ip": Format(RAW, over_ip(None), "ip"),
    "ip-in-ipv6": Format(RAW, over_ip(None, 6), "ip"),
    "authenticated": Format(
        RAW,
        lambda packet: bytes(
            ip(4, ends=OUTER, proto=51)
            / AH(nh=4 if packet.version == 4 else 41, payloadlen=4, spi=1, seq=1, icv=bytes(12))
            / packet
        ),
        "ip",
    ),
    "mpls-in-ip": Format(RAW, over_ip(MPLS(label=16, s=1), proto=137), "mpls/ip"),
    # Tunnels over UDP
    "vxlan": Format(RAW, over_udp(4789, VXLAN(vni=7, flags=8) / ETHER), "vxlan/eth/ip"),
    "vxlan-linux": Format(
        RAW,
        over_udp(8472, VXLAN(vni=7, flags=8) / ETHER),
        "vxlan/eth/ip",
        ("-d", "udp.port==8472,vxlan"),
    ),
    "vxlan-group-policy": Format(
        RAW, over_udp(4789, VXLAN(vni=7, flags=0x88, gpid=9) / ETHER), "vxlan/eth/ip"
    ),
    "vxlan-gpe": Format(
        RAW,
        lambda packet: over_udp(4790, VXLAN(vni=7, flags=0x0C, NextProtocol=1 if packet.version == 4 else 2))(
            packet
        ),
        "vxlan-gpe/ip",
    ),
    "vxlan-gpe-ethernet": Format(
        RAW, over_udp(4790, VXLAN(vni=7, flags=0x0C, NextProtocol=3) / ETHER), "vxlan-gpe/eth/ip"
    ),
    "geneve": Format(RAW, over_udp(6081, GENEVE(vni=7, proto=0x6558) / ETHER), "geneve/eth/ip"),
    "geneve-options": Format(
        RAW,
        over_udp(
            6081,
            GENEVE(vni=7, proto=0x6558, options=[GeneveOptions(classid=0x102, type=1, data=b"12345678")])
            / ETHER,
        ),
        "geneve/eth/ip",
    ),
    "geneve-ip": Format(
        RAW, lambda packet: over_udp(6081, GENEVE(vni=7, proto=ethertype(packet)))(packet), "geneve/ip"
    ),
    "gtp": Format(RAW, gtp, "gtp/ip"),
    "gtp-sequence": Format(RAW, lambda packet: gtp(packet, S=1, seq=7), "gtp/ip"),
    "gtp-extension": Format(
        RAW,
        lambda packet: bytes(
            ip(4, ends=OUTER)
            / UDP(sport=2152, dport=2152)
            / GTP_U_Header(teid=1, E=1, next_ex=0x85)
            / GTPPDUSessionContainer(type=1, QFI=9)
            / packet
        ),
        "gtp/ip",
    ),
    "teredo": Format(RAW, over_udp(3544), "teredo/ip", versions=(6,)),
    "teredo-origin": Format(RAW, over_udp(3544, b"\0\0" + bytes(6)), "teredo/ip", versions=(6,)),
    "teredo-authentication": Format(
        RAW,
        over_udp(3544, b"\0\1\2\3id" + b"key" + bytes(9) + b"\0\0" + bytes(6)),
        "teredo/ip",
        versions=(6,),
    ),
    "l2tp": Format(
        RAW, over_udp(1701, L2TP(hdr=set(), tunnel_id=1, session_id=2) / HDLC() / PPP()), "l2tp/ip"
    ),
    "l2tp-length-sequence": Format(
        RAW,
        over_udp(1701, L2TP(hdr="length+sequence", tunnel_id=1, session_id=2, ns=1, nr=1) / HDLC() / PPP()),
        "l2tp/ip",
    ),
    "l2tp-offset": Format(
        RAW,
        lambda packet: over_udp(1701)(Raw(ppp(b"\x02\x02\0\1\0\2\0\3abc\xff\x03")(packet))),
        "l2tp/ip",
    ),
    # One in another
    "gre-in-vxlan": Format(
        RAW,
        lambda packet: over_udp(4789, VXLAN(vni=7, flags=8) / ETHER)(
            ip(4, ends={4: ("198.51.100.1", "198.51.100.2")}) / GRE(proto=ethertype(packet)) / packet
        ),
        "vxlan/eth/ip/gre/ip",
    ),
    "pppoe-in-vlan-in-mpls": Format(
        1,
        before(ETHER / MPLS(label=16, s=1) / EoMCW() / ETHER / Dot1Q(vlan=5) / PPPoE(sessionid=1) / PPP()),
        "mpls/eth/pppoe",
        ("-d", "mpls.label==16,pwethcw"),
    ),
}

#: What else there is in IP, as raw IP.
TRANSPORTS: dict[str, Callable[[int], Iterator[Packet]]] = {
    "sctp": sctp,
    "dccp": dccp,
    "udplite": udplite,
    "fragments": fragments,
    "icmp-errors": icmp_errors,
}


def pcap(link_type: int, frames: list[bytes], byte_order: str = "<") -> bytes:
    """A pcap file, a millisecond from frame to frame."""
    parts = [struct.pack(f"{byte_order}IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, link_type)]
    for number, frame in enumerate(frames):
        parts += [struct.pack(f"{byte_order}IIII", START_S, 1000 * number, len(frame), len(frame)), frame]
    return b"".join(parts)


def captures() -> dict[str, bytes]:
    """Every capture by name."""
    made = {}
    for name, shape in FORMATS.items():
        packets = [packet for version in shape.versions for packet in conversation(version)]
        made[name] = pcap(shape.link_type, [shape.wrap(packet) for packet in packets], shape.byte_order)
    for name, packets_of in TRANSPORTS.items():
        made[name] = pcap(RAW, [bytes(packet) for version in (4, 6) for packet in packets_of(version)])
    return made


if __name__ == "__main__":
    for name, data in captures().items():
        Path(sys.argv[1], f"{name}.pcap").write_bytes(data)
