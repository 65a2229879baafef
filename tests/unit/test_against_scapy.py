"""Header decoding against scapy's: what each end sent to the other, packets and IP bytes.

Compared is the outermost IP packet: tunnels stay closed. A packet of a flow is a TCP or UDP packet (by
protocol number) whose headers are there and make sense. Captures with fragments are left to `tests/cases`:
scapy has no ports for the later ones.
"""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scapy.config import conf
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    IPv6ExtHdrSegmentRouting,
)
from scapy.layers.l2 import CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether, Loopback
from scapy.packet import Packet as ScapyPacket
from scapy.utils import RawPcapReader
from support.places import CAPTURES, NO_SHARED, SAMPLES

import classifier
from classifier.errors import CaptureError

#: proto, source, source port, target, target port.
Way = tuple[str, str, int, str, int]
#: Packets and IP bytes of each way.
Sent = dict[Way, tuple[int, int]]

#: By link type; None: IP of the version in the first four bits.
LINKS = {
    0: Loopback,
    1: Ether,
    101: None,
    108: Loopback,
    113: CookedLinux,
    228: IP,
    229: IPv6,
    276: CookedLinuxV2,
}
#: Bytes of each header that may stand before IP.
LINK_BYTES = {Ether: 14, Dot1Q: 4, Dot1AD: 4, CookedLinux: 16, CookedLinuxV2: 20, Loopback: 4}
#: Nothing behind the transport is dissected: that takes most of scapy's time, and is not compared.
LAYERS = [
    *(Ether, Dot1Q, Dot1AD, CookedLinux, CookedLinuxV2, Loopback, IP, IPv6, TCP, UDP),
    *(IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt, IPv6ExtHdrRouting, IPv6ExtHdrSegmentRouting, IPv6ExtHdrFragment),
]
IPV6_EXTENSIONS = tuple(LAYERS[-5:])
#: IPv6 extension headers that the program knows and scapy isn't asked for.
NOT_DISSECTED = {51, 135, 139, 140}
#: EtherTypes that the program looks through and scapy isn't asked to.
SHIMS = {0x8847, 0x8848, 0x8864, 0x8903, 0x8909, 0x8926, 0x892F, 0x893F}
#: Of a capture of other projects; the larger ones take too long.
PACKETS_AT_MOST = 250


class CannotCompareError(Exception):
    """A capture has something that scapy doesn't dissect."""


def scapy_says(path: Path, packets_at_most: int | None = None) -> Sent:
    """What each end sent to each other end, by scapy."""
    packets: Counter[Way] = Counter()
    ip_bytes: Counter[Way] = Counter()
    with RawPcapReader(str(path)) as reader:
        about: Any  # another class for pcapng than for pcap
        for number, (data, about) in enumerate(reader):
            if number == packets_at_most:
                raise CannotCompareError("too many packets")
            link_type = about.linktype if hasattr(about, "linktype") else reader.linktype
            wire_bytes = about.wirelen
            if found := _way(_dissected(link_type, data), wire_bytes):
                packets[found[0]] += 1
                ip_bytes[found[0]] += found[1]
    return {way: (packets[way], ip_bytes[way]) for way in packets}


def _dissected(link_type: int, data: bytes) -> ScapyPacket:
    if link_type not in LINKS:
        raise CannotCompareError(f"link type {link_type}")
    if LINKS[link_type] is Loopback and data[4:5] and data[4] >> 4 == 6:
        raise CannotCompareError("scapy knows IPv6's address family only of its own system")
    layer = LINKS[link_type] or (IPv6 if data[:1] and data[0] >> 4 == 6 else IP)
    return layer(data)


def _way(packet: ScapyPacket, wire_bytes: int) -> tuple[Way, int] | None:
    """Who sent a packet to whom, and its IP bytes; None if it is in no flow."""
    before_ip = 0
    while type(packet) in LINK_BYTES:
        before_ip += LINK_BYTES[type(packet)]
        if getattr(packet, "type", None) in SHIMS:
            raise CannotCompareError("a header between Ethernet and IP")
        packet = packet.payload
    left_to_the_card = wire_bytes - before_ip
    if isinstance(packet, IP):
        size = packet.len or left_to_the_card
        header = packet.ihl * 4
        if packet.version != 4 or packet.ihl < 5 or size < header:
            return None
        if packet.frag or packet.flags.MF:
            raise CannotCompareError("a fragment")
        protocol, transport = packet.proto, packet.payload
    elif isinstance(packet, IPv6):
        if packet.version != 6:
            return None
        size = packet.plen + 40 if packet.plen else left_to_the_card
        protocol, transport, header = packet.nh, packet.payload, 40
        while isinstance(transport, IPV6_EXTENSIONS):
            if isinstance(transport, IPv6ExtHdrFragment) and (transport.offset or transport.m):
                raise CannotCompareError("a fragment")
            header += len(transport) - len(transport.payload)
            protocol, transport = transport.nh, transport.payload
        if protocol in NOT_DISSECTED:
            raise CannotCompareError(f"next header {protocol}")
    else:
        return None
    if protocol not in (6, 17):
        return None
    if not isinstance(transport, TCP | UDP):
        if len(transport) >= 4:  # the ports are there
            raise CannotCompareError("a transport header cut short")
        return None
    shortest = transport.dataofs * 4 if protocol == 6 else 8
    if shortest < 8 or (protocol == 6 and transport.dataofs < 5) or header + shortest > size:
        return None
    ends = _text(packet.src), transport.sport, _text(packet.dst), transport.dport
    return ("tcp" if protocol == 6 else "udp", *ends), size


def _text(address: str) -> str:
    return str(ipaddress.ip_address(address))


def classifier_says(path: Path) -> Sent:
    """The same from the flow table."""
    packets: Counter[Way] = Counter()
    ip_bytes: Counter[Way] = Counter()
    for row in classifier.read(path, decapsulate=False).to_arrow().to_pylist():
        if row["proto"] not in ("tcp", "udp"):
            continue
        for one, other in (("client", "server"), ("server", "client")):
            ends = [row[f"{side}_{what}"] for side in (one, other) for what in ("ip", "port")]
            way = (row["proto"], *ends)
            packets[way] += row[f"{one}_packets"]
            ip_bytes[way] += row[f"{one}_bytes"]
    return {way: (packets[way], ip_bytes[way]) for way in packets if packets[way]}


@pytest.fixture(autouse=True)
def few_layers() -> Iterator[None]:
    conf.layers.filter(LAYERS)
    yield
    conf.layers.unfilter()


#: zst and lz4 scapy doesn't unpack, a cut file it reads differently; cut headers and fragments see above.
COMPARED_SAMPLES = sorted(
    path
    for path in SAMPLES.rglob("*")
    if path.suffix in (".pcap", ".pcapng", ".gz")
    and path.name
    not in ("cut-inside-packet.pcap", "snap-in-tcp.pcap", "ipv4-fragments.pcap", "ipv6-fragments.pcap")
)


@pytest.mark.parametrize("path", COMPARED_SAMPLES, ids=lambda path: path.name)
def test_samples(path: Path) -> None:
    assert classifier_says(path) == scapy_says(path)


def _captures() -> list[Path]:
    if not CAPTURES.is_dir():
        pytest.skip(NO_SHARED)
    return sorted(path for path in CAPTURES.rglob("*") if path.suffix in (".pcap", ".pcapng", ".cap"))


def test_captures_of_other_projects() -> None:
    compared, different = 0, []
    for path in _captures():
        try:
            expected = scapy_says(path, PACKETS_AT_MOST)
            found = classifier_says(path)
        except (CannotCompareError, CaptureError):
            continue
        compared += 1
        if found != expected:
            different.append(path.name)
    assert not different
    assert compared >= 200


def test_packets_are_those_that_capinfos_counts() -> None:
    program = shutil.which("capinfos")
    if not program:
        pytest.skip("capinfos is not installed")
    paths = {str(path): path for path in _captures()}
    told = subprocess.run(
        [program, "-T", "-r", "-c", "-M", *paths], capture_output=True, text=True, timeout=60
    )
    compared, different = 0, []
    for line in told.stdout.splitlines():
        name, _, count = line.partition("\t")
        try:
            found = classifier.read(paths[name]).accounting["packets"]
        except CaptureError:
            continue
        compared += 1
        if str(found) != count:
            different.append((paths[name].name, found, count))
    assert not different
    assert compared >= 400
