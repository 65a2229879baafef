"""Makes a small capture for each link type, shim, tunnel and transport that the core reads.

In each a TCP connection (handshake, a request, an answer, the end) and a UDP exchange, over IPv4 and over
IPv6. scapy builds the headers; those it has no layer for are written out here. Nothing depends on the day
or on chance. `python -m formats.craft FOLDER`, started in `tests`, writes all captures.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from scapy.contrib.avs import AVSWLANHeader
from scapy.contrib.chdlc import CHDLC
from scapy.contrib.erspan import ERSPAN_I, ERSPAN_II, ERSPAN_III, ERSPAN_PlatformSpecific
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS, EoMCW
from scapy.layers.dot11 import PrismHeader, RadioTap
from scapy.layers.inet import UDP
from scapy.layers.ipsec import AH
from scapy.layers.l2 import (
    GRE,
    GRE_PPTP,
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
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from .conversations import OUTER, START_S, TRANSPORTS, conversation, ip
from .headers import (
    ETHER,
    FOUR,
    MACS,
    PLAIN,
    QOS,
    Wrap,
    before,
    erf,
    ethertype,
    gtp,
    high_throughput,
    macsec,
    nflog,
    over_gre,
    over_ip,
    over_udp,
    padded,
    ppp,
    snap,
    typed,
)
from .wrappers import (
    ADDRESSES,
    PEEK,
    Q922,
    RAW_IP,
    aggregate,
    ethernet,
    family,
    framed,
    in_gre,
    in_ip,
    in_udp,
    junos,
    nlpid,
    nsh,
    pktap,
    plain_ppp,
    shim,
    swapped,
    tagged,
)

RAW = 101


@dataclass(frozen=True)
class Format:
    """An encapsulation of IP packets: LINKTYPE_ number, function, expected path, options for tshark."""

    link_type: int
    wrap: Wrap
    tunnel: str | None = None
    tshark: tuple[str, ...] = ()
    versions: tuple[int, ...] = (4, 6)
    byte_order: str = "<"
    #: tshark reads it, too.
    same: bool = True


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
    # Seldom link types
    "slip": Format(8, lambda packet: bytes(16) + bytes(packet), same=False),
    "atm-rfc1483": Format(100, snap(Raw())),
    "atm-clip": Format(106, RAW_IP),
    "sunatm": Format(123, snap(Raw(b"\x02\0\0\x21"))),
    "enc": Format(109, family(lambda number: struct.pack("<III", number, 7, 0), 24)),
    "pflog": Format(117, family(lambda number: bytes([61, number]) + bytes(62), 24)),
    "ip-over-fc": Format(122, snap(Raw(bytes(16)))),
    "tzsp-link": Format(128, framed(b"\1\0\0\1\x0a\1\0\1")),
    "firewire": Format(138, typed(bytes(16))),
    "ppp-pppd": Format(166, ppp(b"\x01\x03"), same=False),
    "cisco-hdlc-direction": Format(205, typed(b"\1\x0f\0"), same=False),
    "frame-relay-direction": Format(206, nlpid(b"\1" + Q922), same=False),
    "mpls-link": Format(219, lambda packet: b"\0\1\x01\x40" + bytes(packet), "mpls", same=False),
    "netanalyzer": Format(240, lambda packet: bytes([0, 4, 0, 0]) + bytes(ETHER / packet) + bytes(4)),
    "ipoib": Format(242, typed(bytes(40), bytes(2))),
    "pktap": Format(258, pktap(1, framed(b""))),
    "pktap-raw": Format(258, pktap(12, RAW_IP)),
    "pktap-null": Format(258, pktap(0, family(lambda number: struct.pack("<I", number)))),
    "epon": Format(259, framed(b"\x55\x55\xd5\x55\x55\0\1\0"), same=False),
    "mpacket": Format(
        274, lambda packet: b"\x55" * 7 + b"\xd5" + bytes(ETHER / packet) + bytes(4), same=False
    ),
    "dsa-broadcom": Format(281, typed(ADDRESSES + bytes(4)), same=False),
    "dsa-broadcom-prepended": Format(282, framed(bytes(4)), same=False),
    "dsa-marvell": Format(284, typed(ADDRESSES + b"\xc0\x08\0\0"), same=False),
    "edsa-marvell": Format(285, typed(ADDRESSES + b"\xda\xda\0\0\xc0\x08\0\0"), same=False),
    "juniper-ethernet": Format(178, junos(framed(b""))),
    "juniper-no-link-header": Format(178, lambda packet: b"MGC\3\0\0\0\2" + bytes(packet), same=False),
    "juniper-pppoe": Format(167, junos(framed(b""))),
    "juniper-ppp": Format(179, junos(ppp(b"\xff\x03"))),
    "juniper-frame-relay": Format(180, junos(nlpid(Q922))),
    "juniper-cisco-hdlc": Format(181, junos(typed(b"\x0f\0"))),
    "juniper-atm1": Format(137, junos(snap(Raw()), bytes(4))),
    "juniper-atm2": Format(135, junos(snap(Raw()), bytes(8))),
    "juniper-mlppp": Format(130, junos(plain_ppp, bytes(2))),
    "juniper-services": Format(136, junos(RAW_IP, bytes(8)), same=False),
    "juniper-ggsn": Format(
        133, junos(family(lambda n: bytes([0, 0, n if n == 2 else 6]) + bytes(5))), same=False
    ),
    "linux-sll-radiotap": Format(113, snap(Raw(struct.pack("!HH", 0, 803) + bytes(12)) / RadioTap() / PLAIN)),
    "wifi-aggregate": Format(105, aggregate),
    # Tags of switches
    "vn-tag": Format(1, tagged(0x8926, bytes([0, 0, 0, 0x14]))),
    "e-tag": Format(1, tagged(0x893F, bytes([0, 0, 0, 5, 0, 0]))),
    "hsr": Format(1, tagged(0x892F, bytes([0, 0x3A, 0, 1]))),
    "r-tag": Format(1, tagged(0xF1C1, bytes([0, 0, 0, 1]))),
    "cn-tag": Format(1, tagged(0x22E9, bytes([0, 7])), same=False),
    "cisco-metadata": Format(1, tagged(0x8909, bytes([1, 1, 0, 1, 0, 17]))),
    "cisco-ttag": Format(1, tagged(0x8988, bytes(6)), tshark=("-d", "ethertype==0x8988,ttag")),
    "arista-64": Format(1, tagged(0xD28B, bytes([0, 1, 0, 0x10]) + bytes(8)), same=False),
    "arista-48": Format(1, tagged(0xD28B, bytes([0, 1, 1, 0x20]) + bytes(6)), same=False),
    "broadcom-tag": Format(1, tagged(0x8874, bytes(4)), same=False),
    "marvell-ethertype-tag": Format(1, tagged(0xDADA, b"\0\0\xc0\x08\0\0"), same=False),
    "realtek-rtl8366": Format(1, tagged(0x8899, b"\xa0\2"), same=False),
    "realtek-rtl8365": Format(1, tagged(0x8899, b"\4\0\0\0\0\2"), same=False),
    "a5psw": Format(1, tagged(0xE001, bytes(6)), same=False),
    "jumbo-llc": Format(1, snap(Ether(**MACS, type=0x8870))),
    "prp": Format(1, lambda packet: bytes(ETHER / packet) + b"\0\1\xa0\x34\x88\xfb"),
    # Fabrics and service chains
    "fabricpath": Format(1, shim(0x8903, b"\0\x60"), "fabricpath/eth", ("--enable-heuristic", "fp_eth")),
    "trill": Format(1, shim(0x22F3, bytes([0, 0x10, 0, 1, 0, 2])), "trill/eth"),
    "batman-unicast": Format(1, shim(0x4305, b"\x40\x0f\x32\1" + bytes(6)), "batman/eth"),
    "batman-unicast-4": Format(1, shim(0x4305, b"\x42\x0f\x32\1" + bytes(12) + b"\1\0"), "batman/eth"),
    "batman-broadcast": Format(1, shim(0x4305, b"\1\x0f\x32\0" + bytes(10)), "batman/eth"),
    "nsh": Format(1, ethernet(0x894F, nsh(None)), "nsh"),
    "nsh-ethernet": Format(1, ethernet(0x894F, nsh(3, framed(b""))), "nsh/eth"),
    "ppp-bridging": Format(9, framed(b"\0\x31\0\1"), "eth"),
    "multilink-ppp": Format(9, lambda packet: b"\0\x3d\xc0\0\0\1" + plain_ppp(packet)),
    # More tunnels
    "etherip": Format(RAW, in_ip(97, framed(b"\x30\0")), "etherip/eth/ip"),
    "ethernet-in-ip": Format(RAW, in_ip(143, framed(b"")), "eth/ip"),
    "pim-register": Format(
        RAW, in_ip(103, lambda packet: b"\x21\0\xde\xff\0\0\0\0" + bytes(packet)), "pim/ip"
    ),
    "aruba-gre": Format(RAW, in_gre(0x8200, snap(QOS)), "gre/wifi/ip"),
    "aruba-gre-8370": Format(RAW, in_gre(0x8370, snap(PLAIN)), "gre/wifi/ip"),
    "wccp": Format(RAW, in_gre(0x883E, RAW_IP), "gre/ip", versions=(4,)),
    "wccp2": Format(RAW, in_gre(0x883E, RAW_IP, bytes(4)), "gre/ip", versions=(4,)),
    "mikrotik-eoip": Format(
        RAW,
        lambda packet: in_ip(47, framed(b"\x20\1\x64\0" + struct.pack("<HH", 60, 7)))(packet),
        "gre/eth/ip",
    ),
    "gre-frame-relay": Format(RAW, in_gre(0x6559, nlpid(Q922)), "gre/frame-relay/ip"),
    "gre-nsh": Format(RAW, in_gre(0x894F, nsh(None)), "gre/nsh/ip"),
    "gre-cisco-metadata": Format(
        RAW, in_gre(0x8909, typed(bytes([1, 1, 0, 1, 0, 17]))), "gre/ip", same=False
    ),
    "gre-udp": Format(RAW, in_udp(4754, typed(b"\0\0")), "gre/ip"),
    "mpls-udp": Format(RAW, in_udp(6635, lambda packet: b"\0\1\x01\x40" + bytes(packet)), "mpls/ip"),
    "lisp": Format(RAW, in_udp(4341, lambda packet: b"\xc0\1\2\3\0\0\0\1" + bytes(packet)), "lisp/ip"),
    "gue": Format(
        RAW,
        in_udp(6080, lambda packet: bytes([0, 4 if packet.version == 4 else 41, 0, 0]) + bytes(packet)),
        "gue/ip",
        same=False,
    ),
    "gue-direct": Format(RAW, in_udp(6080, RAW_IP), "gue/ip", versions=(4,), same=False),
    "vxlan-gpe-nsh": Format(
        RAW, in_udp(4790, lambda packet: b"\x0c\0\0\4\0\0\7\0" + nsh(None)(packet)), "vxlan-gpe/nsh/ip"
    ),
    "tzsp": Format(RAW, in_udp(37008, framed(b"\1\0\0\1\x0a\1\0\1")), "tzsp/eth/ip"),
    "tzsp-wifi": Format(RAW, in_udp(37008, snap(Raw(b"\1\0\0\x12\x29\2\0\7\1") / PLAIN)), "tzsp/wifi/ip"),
    "hp-erm": Format(RAW, in_udp(7932, framed(bytes(12))), "erm/eth/ip", ("-d", "udp.port==7932,hp_erm")),
    "capwap": Format(
        RAW, in_udp(5247, lambda packet: b"\0\x10\3\0\0\0\0\0" + swapped(packet)), "capwap/wifi/ip"
    ),
    "capwap-802.3": Format(RAW, in_udp(5247, framed(b"\0\x10\2\0\0\0\0\0")), "capwap/eth/ip"),
    "jmirror": Format(RAW, in_udp(30030, lambda packet: b"\0\0\0\1\0\0\0\2" + bytes(packet)), "jmirror/ip"),
    "ayiya": Format(
        RAW,
        in_udp(
            5072,
            lambda packet: (
                bytes([0x41, 0x52, 0x11, 4 if packet.version == 4 else 41]) + bytes(40) + bytes(packet)
            ),
        ),
        "ayiya/ip",
    ),
    "peekremote": Format(RAW, in_udp(5000, snap(Raw(PEEK) / PLAIN)), "peekremote/wifi/ip"),
    "peekremote-old": Format(
        RAW,
        in_udp(
            5000,
            lambda packet: (
                struct.pack("!BBHH", 200, 160, len(snap(PLAIN)(packet)), 0) + bytes(14) + snap(PLAIN)(packet)
            ),
        ),
        "peekremote/wifi/ip",
        ("-d", "udp.port==5000,peekremote"),
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
