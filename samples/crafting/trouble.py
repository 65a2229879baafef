"""Packets that readers stumble over: options, extension headers, fragments, padding, cuts and damage.

Where a conversation is needed it is the one between 10.4.0.1 and 10.4.0.2, so that two files can be compared.
"""

from collections.abc import Iterable
from dataclasses import replace

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, IP, TCP, IPOption, IPOption_NOP, IPOption_RR, fragment
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrSegmentRouting,
    PadN,
    RouterAlert,
    fragment6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from crafting import formats
from crafting.conversation import (
    MILLISECOND_NS,
    START_NS,
    Clock,
    End,
    Sent,
    Tcp,
    dns,
    ethernet,
    http,
    mac,
    udp,
)
from crafting.formats import Frame

CLIENT, SERVER = "10.4.0.1", "10.4.0.2"
CLIENT6, SERVER6 = "fd04::1", "fd04::2"
ROUTER_ALERT = IPOption(b"\x94\x04\x00\x00")  # RFC 2113
ETHERNET_MOST = 1500
ETHERNET_MINIMUM = 60  # IEEE 802.3 §3.2.8: 64 with the check sequence, which captures leave out


def files() -> dict[str, bytes]:
    """The captures by name, in the folder `trouble`."""
    page = [ethernet(sent) for sent in _page()]
    made = {
        "ipv4-options.pcap": _pcap(_ipv4_options()),
        "ipv6-extensions.pcap": _pcap(_ipv6_extensions()),
        "ipv4-fragments.pcap": _pcap(_ipv4_fragments()),
        "ipv6-fragments.pcap": _pcap(_ipv6_fragments()),
        "padding.pcap": formats.pcap(_padded(frame) for frame in page),
        "snap-in-payload.pcap": formats.pcap(page, snap_length=70),
        "snap-in-tcp.pcap": formats.pcap(page, snap_length=40),
        "snap-in-ip.pcap": formats.pcap(page, snap_length=30),
        "arp.pcap": formats.pcap(_arp()),
        "icmp.pcap": _pcap(_icmp()),
        "total-length-zero.pcap": _pcap(_total_length_zero()),
        "ipv4-ihl-3.pcap": formats.pcap(_header_length_3(page)),
        "cut-inside-packet.pcap": formats.pcap(page)[:-20],
    }
    return {f"trouble/{name}": data for name, data in made.items()}


def _page() -> list[Sent]:
    tcp = Tcp(Clock(), End(CLIENT, 40_001), End(SERVER, 80), host="www.trouble.example")
    tcp.handshake()
    tcp.page()
    tcp.close()
    return tcp.sent


def _pcap(told: Iterable[Sent]) -> bytes:
    return formats.pcap(ethernet(sent) for sent in told)


def _ipv4_options() -> list[Sent]:
    """A page with Record Route in every packet; a name with Router Alert."""
    told = _page()
    for sent in told:
        sent.packet.options = [IPOption_RR(pointer=8, routers=["10.4.0.254", "0.0.0.0"]), IPOption_NOP()]
    clock = Clock(told[-1].time_ns + MILLISECOND_NS)
    client, names = End(CLIENT, 40_053), End(SERVER, 53)
    question, answer = dns(0x0401, "www.trouble.example", SERVER)
    asked = [udp(clock, client, names, question), udp(clock, names, client, answer)]
    for sent in asked:
        sent.packet.options = [ROUTER_ALERT]
    return told + asked


def _ipv6_extensions() -> list[Sent]:
    """A page and a name by IPv6; all packets carry hop-by-hop options, a routing and a destination header."""
    question, answer = dns(0x0402, "www.trouble.example", SERVER)
    clock = Clock(START_NS)
    client, names = End(CLIENT6, 40_053), End(SERVER6, 53)
    told = [udp(clock, client, names, question), udp(clock, names, client, answer)]
    for sent in _page():
        ends = {CLIENT: CLIENT6, SERVER: SERVER6}
        header = IPv6(src=ends[sent.packet.src], dst=ends[sent.packet.dst], hlim=64)
        told.append(Sent(sent.time_ns + MILLISECOND_NS, header / sent.packet[TCP]))
    return [Sent(sent.time_ns, _extended(sent.packet)) for sent in told]


def _extended(packet: Packet) -> Packet:
    hops = IPv6ExtHdrHopByHop(options=[RouterAlert(), PadN(optdata=b"")])
    route = IPv6ExtHdrSegmentRouting(addresses=[packet.dst], segleft=0, lastentry=0)
    last = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])
    return IPv6(src=packet.src, dst=packet.dst, hlim=64) / hops / route / last / packet.payload


def _long_answer(identifier: int) -> tuple[Packet, Packet]:
    asked = DNSQR(qname="long.trouble.example", qtype="TXT")
    text = [bytes([65 + number]) * 250 for number in range(12)]
    answer = DNSRR(rrname="long.trouble.example", type="TXT", ttl=300, rdata=text)
    question = DNS(id=identifier, rd=1, qd=[asked])
    return question, DNS(id=identifier, qr=1, rd=1, ra=1, qd=[asked], an=[answer])


def _ipv4_fragments() -> list[Sent]:
    """Answers in three fragments: in order (41001), backwards (41002), the first one lost (41003)."""
    clock = Clock()
    told: list[Sent] = []
    orders = ((0, 1, 2), (2, 1, 0), (1, 2))
    for number, order in enumerate(orders, start=1):
        client, names = End(CLIENT, 41_000 + number), End(SERVER, 53, packets=number)
        question, answer = _long_answer(number)
        told.append(udp(clock, client, names, question))
        pieces = fragment(udp(clock, names, client, answer).packet, fragsize=1480)
        for index in order:
            told.append(clock.stamp(pieces[index]))
    return told


def _ipv6_fragments() -> list[Sent]:
    """A name with an answer in three fragments (41001), and one in an atomic fragment (41002; RFC 6946)."""
    clock = Clock()
    client, names = End(CLIENT6, 41_001), End(SERVER6, 53)
    question, answer = _long_answer(1)
    told = [udp(clock, client, names, question)]
    whole = udp(clock, names, client, answer).packet
    ready = IPv6(src=SERVER6, dst=CLIENT6, hlim=64) / IPv6ExtHdrFragment(id=0xF1) / whole.payload
    for piece in fragment6(ready, 1280):
        told.append(clock.stamp(piece))
    client = End(CLIENT6, 41_002)
    question, answer = dns(2, "www.trouble.example", SERVER)
    told.append(udp(clock, client, names, question))
    whole = udp(clock, names, client, answer).packet
    atomic = IPv6(src=SERVER6, dst=CLIENT6, hlim=64) / IPv6ExtHdrFragment(id=0xF2) / whole.payload
    told.append(Sent(clock.now_ns, atomic))
    return told


def _padded(frame: Frame) -> Frame:
    """Filled up to Ethernet's minimum with bytes that are not zero: no payload, though it looks like some."""
    data = frame.data + b"GET /" * 12
    data = data[: max(len(frame.data), ETHERNET_MINIMUM)]
    return Frame(frame.time_ns, data, len(data))


def _arp() -> list[Frame]:
    """Who has the server's address? The server."""
    ask = ARP(op=1, hwsrc=mac(CLIENT), psrc=CLIENT, hwdst="00:00:00:00:00:00", pdst=SERVER)
    tell = ARP(op=2, hwsrc=mac(SERVER), psrc=SERVER, hwdst=mac(CLIENT), pdst=CLIENT)
    datas = [
        bytes(Ether(src=mac(CLIENT), dst="ff:ff:ff:ff:ff:ff") / ask),
        bytes(Ether(src=mac(SERVER), dst=mac(CLIENT)) / tell),
    ]
    return [Frame(START_NS + number * 250_000, data, len(data)) for number, data in enumerate(datas)]


def _icmp() -> list[Sent]:
    """Echoes, and unreachable ports: of a server, of a client that is gone, and of a datagram never seen."""
    clock = Clock()
    told: list[Sent] = []

    def say(packet: Packet) -> None:
        told.append(clock.stamp(packet))

    there, back = IP(src=CLIENT, dst=SERVER, id=1), IP(src=SERVER, dst=CLIENT, id=1)
    say(there / ICMP(type=8, id=7, seq=1) / b"echo")
    say(back / ICMP(type=0, id=7, seq=1) / b"echo")
    say(IPv6(src=CLIENT6, dst=SERVER6) / ICMPv6EchoRequest(id=7, seq=1, data=b"echo"))
    say(IPv6(src=SERVER6, dst=CLIENT6) / ICMPv6EchoReply(id=7, seq=1, data=b"echo"))

    question, answer = dns(0x0403, "www.trouble.example", SERVER)
    told.append(udp(clock, End(CLIENT, 42_001), End(SERVER, 53), question))
    say(back / ICMP(type=3, code=3) / bytes(told[-1].packet))  # no server there
    told.append(udp(clock, End(CLIENT6, 42_002), End(SERVER6, 53), question))
    say(IPv6(src=SERVER6, dst=CLIENT6) / ICMPv6DestUnreach(code=4) / bytes(told[-1].packet))

    client, names = End(CLIENT, 42_003), End("10.4.0.3", 53)
    told.append(udp(clock, client, names, question))
    clock.wait(4000)
    told.append(udp(clock, names, client, answer))
    say(IP(src=CLIENT, dst=names.ip, id=2) / ICMP(type=3, code=3) / bytes(told[-1].packet))  # too late

    unseen = udp(clock, End(CLIENT, 42_004), End(SERVER, 161), b"never captured").packet
    say(back / ICMP(type=3, code=3) / bytes(unseen))
    return told


def _total_length_zero() -> list[Sent]:
    """A page; its answer is captured before the network card cut it up, and IP's total length is 0."""
    tcp = Tcp(Clock(), End(CLIENT, 40_001), End(SERVER, 80))
    tcp.handshake()
    question, answer = http("www.trouble.example")
    tcp.exchange(question, answer.replace(b"Length: 21", b"Length: 6000") + b"." * (6000 - 21))
    tcp.close()
    for sent in tcp.sent:
        if len(sent.packet) > ETHERNET_MOST:
            sent.packet.len = 0
    return tcp.sent


def _header_length_3(page: list[Frame]) -> list[Frame]:
    """A page; the IPv4 header of its request claims 12 bytes, and 20 are the least (RFC 791 §3.1)."""
    request = page[3]
    damaged = bytearray(request.data)
    damaged[14] = 0x43
    return [*page[:3], replace(request, data=bytes(damaged)), *page[4:]]
