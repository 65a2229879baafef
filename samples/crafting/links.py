"""The same two conversations under every link layer and in every file format."""

import struct
from collections.abc import Callable
from dataclasses import replace

from scapy.layers.l2 import CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet

from crafting import formats
from crafting.conversation import Clock, End, Sent, Tcp, dns, ethernet, mac, udp
from crafting.formats import ETHERNET, LINUX_SLL, LINUX_SLL2, LOOP, NULL, RAW, Frame, Interface

CLIENT, WEB, NAMES = "10.3.0.1", "10.3.0.2", "10.3.0.3"
IPV4 = 0x0800
AF_INET = 2
TO_US, FROM_US = 0, 4  # Linux packet types; "us" is the web server


def conversations() -> list[Sent]:
    """A name is asked for (UDP 53), then a page (TCP 80)."""
    clock = Clock()
    client, names = End(CLIENT, 40_053), End(NAMES, 53)
    question, answer = dns(0x1234, "www.links.example", WEB)
    asked = [udp(clock, client, names, question), udp(clock, names, client, answer)]
    tcp = Tcp(clock, End(CLIENT, 40_001), End(WEB, 80), host="www.links.example")
    tcp.handshake()
    tcp.page()
    tcp.close()
    return asked + tcp.sent


def files() -> dict[str, bytes]:
    """The captures by name, in the folder `links`."""
    told = conversations()
    plain = [ethernet(sent) for sent in told]
    finer = [replace(frame, time_ns=frame.time_ns + 7) for frame in plain]
    made = {
        "ethernet.pcap": formats.pcap(plain),
        "vlan.pcap": _wrapped(told, _vlan, ETHERNET),
        "qinq.pcap": _wrapped(told, _qinq, ETHERNET),
        "raw-ip.pcap": _wrapped(told, bytes, RAW),
        "null.pcap": _wrapped(told, _null, NULL),
        "loop.pcap": _wrapped(told, _loop, LOOP),
        "linux-sll.pcap": _wrapped(told, _sll, LINUX_SLL),
        "linux-sll2.pcap": _wrapped(told, _sll2, LINUX_SLL2),
        "nanoseconds-big-endian.pcap": formats.pcap(finer, byte_order=">", nanoseconds=True),
        "two-interfaces.pcapng": _two_interfaces(told),
    }
    made |= {
        "ethernet.pcap.gz": formats.gzipped(made["ethernet.pcap"]),
        "ethernet.pcap.zst": formats.zstandard_compressed(made["ethernet.pcap"]),
        "ethernet.pcap.lz4": formats.lz4_compressed(made["ethernet.pcap"]),
    }
    return {f"links/{name}": data for name, data in made.items()}


def _wrapped(told: list[Sent], wrap: Callable[[Packet], bytes], link_type: int) -> bytes:
    datas = [(sent.time_ns, wrap(sent.packet)) for sent in told]
    return formats.pcap((Frame(time_ns, data, len(data)) for time_ns, data in datas), link_type)


def _two_interfaces(told: list[Sent]) -> bytes:
    """Names on an Ethernet in microseconds, the page on raw IP in nanoseconds."""
    frames: list[tuple[int, Frame]] = []
    for sent in told:
        if sent.packet.proto == 17:
            frames.append((0, ethernet(sent)))
        else:
            data = bytes(sent.packet)
            frames.append((1, Frame(sent.time_ns + 7, data, len(data))))
    return formats.pcapng([Interface(ETHERNET, 6), Interface(RAW, 9)], frames)


def _ether(packet: Packet) -> Packet:
    return Ether(src=mac(packet.src), dst=mac(packet.dst))


def _vlan(packet: Packet) -> bytes:
    return bytes(_ether(packet) / Dot1Q(vlan=100, type=IPV4) / packet)


def _qinq(packet: Packet) -> bytes:
    return bytes(_ether(packet) / Dot1AD(vlan=100) / Dot1Q(vlan=200, type=IPV4) / packet)


def _null(packet: Packet) -> bytes:
    """The address family in the byte order of the capturing host."""
    return struct.pack("<I", AF_INET) + bytes(packet)


def _loop(packet: Packet) -> bytes:
    """As `_null`, but always in network byte order."""
    return struct.pack(">I", AF_INET) + bytes(packet)


def _sll(packet: Packet) -> bytes:
    direction, source = _direction(packet), _hardware(packet)
    header = CookedLinux(pkttype=direction, lladdrtype=1, lladdrlen=6, src=source, proto=IPV4)
    return bytes(header / packet)


def _sll2(packet: Packet) -> bytes:
    direction, source = _direction(packet), _hardware(packet)
    header = CookedLinuxV2(proto=IPV4, ifindex=2, lladdrtype=1, pkttype=direction, lladdrlen=6, src=source)
    return bytes(header / packet)


def _direction(packet: Packet) -> int:
    return TO_US if packet.src == CLIENT else FROM_US


def _hardware(packet: Packet) -> bytes:
    return bytes.fromhex(mac(packet.src).replace(":", "")) + bytes(2)
