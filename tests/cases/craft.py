"""Makes the captures of the cases that have one of their own: `python tests/cases/craft.py`.

The same bytes each time. A function's name is its case's (with - for _); it returns frames and, if
they aren't Ethernet, their link type.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP
from scapy.layers.l2 import LLC, STP, Dot1Q, Dot3, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet as ScapyPacket
from scapy.packet import Raw

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from support import frames  # noqa: E402
from support.frames import ETHERNET, START_NS, End, Packet  # noqa: E402

MILLISECOND_NS, SECOND_NS = 1_000_000, 1_000_000_000
CLIENT, SERVER = "10.5.0.1", "10.5.0.2"
USER0 = 147  # a link type for private use

Made = tuple[list[Packet], int]


def _frame(packet: ScapyPacket, vlan: int | None = None) -> bytes:
    ether = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    return bytes(ether / Dot1Q(vlan=vlan) / packet if vlan else ether / packet)


def _spaced(packets: Iterable[ScapyPacket], start_ns: int = START_NS) -> list[Packet]:
    """One packet each millisecond."""
    return [Packet(start_ns + n * MILLISECOND_NS, _frame(packet)) for n, packet in enumerate(packets)]


def _internet(source: str, target: str) -> ScapyPacket:
    return IPv6(src=source, dst=target) if ":" in source else IP(src=source, dst=target, id=1)


def _udp(source: End, target: End, payload: bytes | ScapyPacket = b"hello") -> ScapyPacket:
    return _internet(source.ip, target.ip) / UDP(sport=source.port, dport=target.port) / payload


def _tcp(source: End, target: End, flags: str, seq: int, ack: int = 0, payload: bytes = b"") -> ScapyPacket:
    segment = TCP(sport=source.port, dport=target.port, flags=flags, seq=seq, ack=ack, window=501)
    return _internet(source.ip, target.ip) / segment / payload


def _conversation(
    client: End, server: End, question: bytes, answer: bytes, isns: tuple[int, int] = (100, 500)
) -> list[ScapyPacket]:
    """Handshake, question, answer, FIN by both: nine packets."""
    first, other = isns[0] + 1, isns[1] + 1
    mine, theirs = first + len(question), other + len(answer)
    return [
        _tcp(client, server, "S", isns[0]),
        _tcp(server, client, "SA", isns[1], first),
        _tcp(client, server, "A", first, other),
        _tcp(client, server, "PA", first, other, question),
        _tcp(server, client, "PA", other, mine, answer),
        _tcp(client, server, "A", mine, theirs),
        _tcp(client, server, "FA", mine, theirs),
        _tcp(server, client, "FA", theirs, mine + 1),
        _tcp(client, server, "A", mine + 1, theirs + 1),
    ]


def idle_timeout() -> Made:
    """Idle for exactly the idle timeout, and for a microsecond more; over UDP (120 s) and TCP (300 s)."""
    packets: list[Packet] = []
    for port, seconds, more_ns in ((41_001, 120, 0), (41_002, 120, 1000)):
        packet = _frame(_udp(End(CLIENT, port), End(SERVER, 514)))
        packets += [Packet(START_NS, packet), Packet(START_NS + seconds * SECOND_NS + more_ns, packet)]
    for port, seconds, more_ns in ((42_001, 300, 0), (42_002, 300, 1000)):
        client, server = End(CLIENT, port), End(SERVER, 22)
        for n, time_ns in enumerate((START_NS, START_NS + seconds * SECOND_NS + more_ns)):
            # Numbers that don't go on: else the connection would be known again however long it was idle.
            packets.append(Packet(time_ns, _frame(_tcp(client, server, "PA", 7 + n * 2**30, 9, b"x"))))
    return sorted(packets), ETHERNET


def active_ftp() -> Made:
    """The server opens data connections from port 20: once with its SYN, once without."""
    control = _conversation(End(CLIENT, 40_001), End(SERVER, 21), b"LIST\r\n", b"150 Here it comes\r\n")
    data, late = (End(CLIENT, 40_002), End(SERVER, 20)), (End(CLIENT, 40_003), End(SERVER, 20))
    opened = _conversation(data[1], data[0], b"a list of files", b"")
    midstream = [
        _tcp(late[1], late[0], "PA", 700, 900, b"a list of files"),
        _tcp(late[0], late[1], "A", 900, 715),
    ]
    return _spaced([*control, *opened, *midstream]), ETHERNET


def same_address() -> Made:
    """A host talks to itself: from port to port, and from a port to that very port."""
    client, server = End("127.0.0.1", 45_000), End("127.0.0.1", 5432)
    selfish = End("127.0.0.1", 5000)
    talk = _conversation(client, server, b"select", b"rows")
    return _spaced([*talk, _udp(selfish, selfish), _udp(selfish, selfish)]), ETHERNET


def vlan_per_direction() -> Made:
    """Asymmetric tagging: the request comes with VLAN 10, the answer with VLAN 20."""
    client, server = End(CLIENT, 40_001), End(SERVER, 53)
    packets = _spaced([_udp(client, server, b"question"), _udp(server, client, b"answer")])
    tags = (10, 20)
    frames_ = [
        Packet(packet.time_ns, packet.data[:12] + b"\x81\x00" + tag.to_bytes(2, "big") + packet.data[12:])
        for packet, tag in zip(packets, tags, strict=True)
    ]
    return frames_, ETHERNET


def time_runs_back() -> Made:
    """Two capturing queues: the client's packets come late into the file, with the right times."""
    packets = _spaced(_conversation(End(CLIENT, 40_001), End(SERVER, 80), b"GET /", b"200 OK"))
    mine = [packet for n, packet in enumerate(packets) if n not in (1, 4, 7)]
    theirs = [packet for n, packet in enumerate(packets) if n in (1, 4, 7)]
    return theirs + mine, ETHERNET


def link_type_unread() -> Made:
    """Frames of a link type for private use: nobody can read them."""
    return [Packet(START_NS + n, bytes(range(20))) for n in range(3)], USER0


def snap_length_40() -> Made:
    """Forty bytes of each frame: the ports of TCP over IPv4 and two bytes more, and no transport of IPv6."""
    client, server = End(CLIENT, 40_001), End(SERVER, 443)
    whole = _spaced(_conversation(client, server, b"question", b"answer"))
    whole += _spaced([_udp(End("2001:db8::1", 40_002), End("2001:db8::2", 53))], whole[-1].time_ns + 1)
    return [Packet(time_ns, data[:40], len(data) - 40) for time_ns, data, _ in whole], ETHERNET


def wrong_link_type() -> Made:
    """Raw IP in a file declared as Ethernet, as some converters write."""
    talk = _conversation(
        End(CLIENT, 40_001), End(SERVER, 80), b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"
    )
    query = _udp(End("2001:db8::1", 40_002), End("2001:db8::2", 53))
    return [Packet(START_NS + n, bytes(packet)) for n, packet in enumerate([*talk, query])], ETHERNET


def no_packets() -> Made:
    """A file header and nothing behind it."""
    return [], ETHERNET


def answer_first() -> Made:
    """A name server's answer; the question was before the capture."""
    answer = DNSRR(rrname="www.example", type="A", ttl=300, rdata="10.5.0.9")
    reply = DNS(id=7, qr=1, rd=1, ra=1, qd=[DNSQR(qname="www.example")], an=[answer])
    return _spaced([_udp(End(SERVER, 53), End(CLIENT, 40_001), reply)]), ETHERNET


def mapped_address() -> Made:
    """The same ports between 10.5.0.1 and 10.5.0.2 by IPv4, and between ::ffff:10.5.0.1 and …2 by IPv6."""
    packets = []
    for prefix in ("", "::ffff:"):
        client, server = End(prefix + CLIENT, 40_001), End(prefix + SERVER, 53)
        packets += [_udp(client, server, b"question"), _udp(server, client, b"answer")]
    return _spaced(packets), ETHERNET


def seen_twice() -> Made:
    """A mirror port that copies each packet on its way in and on its way out."""
    packets = _spaced(_conversation(End(CLIENT, 40_001), End(SERVER, 80), b"GET /", b"200 OK"))
    return [again for packet in packets for again in (packet, packet)], ETHERNET


def in_no_flow() -> Made:
    """One packet of each kind that has no ports, or whose headers can't be right."""
    plain = _frame(_tcp(End(CLIENT, 40_001), End(SERVER, 80), "S", 100))
    length_19, offset_4 = bytearray(plain), bytearray(plain)
    length_19[16:18] = (19).to_bytes(2, "big")  # IPv4 total length: less than its header
    offset_4[46] = 0x40  # TCP data offset: 16 bytes, and 20 are the least
    no_room = bytearray(plain)
    no_room[16:18] = (33).to_bytes(2, "big")  # room for 13 bytes of TCP
    ospf = IP(src=CLIENT, dst="224.0.0.5", id=1, proto=89) / Raw(bytes(44))
    esp = _internet("fd05::1", "fd05::2") / ESP(spi=1, seq=1, data=bytes(32))
    fragment = IP(src=CLIENT, dst=SERVER, id=2, proto=17, frag=185) / Raw(bytes(80))
    datas = [
        _frame(ospf),
        _frame(esp),
        _frame(_internet(CLIENT, SERVER) / ICMP(id=1, seq=1)),
        bytes(Dot3(src="02:00:00:00:00:01", dst="01:80:c2:00:00:00") / LLC() / STP()),
        _frame(fragment),
        plain[:13],  # no room for an Ethernet header
        bytes(length_19),
        plain[:30],  # Ethernet and half an IPv4 header, not cut by the snap length
        bytes(offset_4),
        bytes(no_room),
        plain,
    ]
    return [Packet(START_NS + n * MILLISECOND_NS, data) for n, data in enumerate(datas)], ETHERNET


def _numbered(packets: Iterable[ScapyPacket]) -> list[ScapyPacket]:
    """Give each packet an IP identification of its own."""
    numbered = list(packets)
    for n, packet in enumerate(numbered, start=1):
        packet.id = n
    return numbered


def _vxlan(network_id: int, packet: ScapyPacket) -> ScapyPacket:
    outer = IP(src="172.16.0.1", dst="172.16.0.2", id=1) / UDP(sport=50_000, dport=4789)
    return outer / VXLAN(vni=network_id, flags=8) / Raw(_frame(packet))


def _interleaved(*talks: list[ScapyPacket], vlans: tuple[int | None, ...]) -> list[Packet]:
    """Packets of several conversations in turn, each conversation in its VLAN."""
    packets = [
        _frame(packet, vlan)
        for packets in zip(*talks, strict=True)
        for packet, vlan in zip(packets, vlans, strict=True)
    ]
    return [Packet(START_NS + n * MILLISECOND_NS, data) for n, data in enumerate(packets)]


def network_per_direction() -> Made:
    """Asymmetric routing between overlays, each direction with its VNI: TCP, UDP, a refusal."""
    client, server = End(CLIENT, 40_001), End(SERVER, 80)
    talk = _conversation(client, server, b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n")
    question = _udp(End(CLIENT, 40_002), End(SERVER, 514))
    answer = _udp(End(SERVER, 514), End(CLIENT, 40_002))
    refused = [
        _tcp(End(CLIENT, 40_003), End(SERVER, 22), "S", 700),
        _tcp(End(SERVER, 22), End(CLIENT, 40_003), "RA", 0, 701),
    ]
    packets = _numbered([*talk, question, answer, *refused])
    return _spaced(_vxlan(20 if packet.src == CLIENT else 10, packet) for packet in packets), ETHERNET


def network_per_tenant() -> Made:
    """Two tenants use the same addresses and ports at the same time, one by one in TCP and UDP."""
    client, server = End(CLIENT, 40_001), End(SERVER, 80)
    packets = []
    for network_id in (10, 20):
        talk = _conversation(client, server, b"GET /", b"200 OK", (network_id * 7_919, network_id * 104_729))
        pair = [_udp(End(CLIENT, 40_002), End(SERVER, 514)), _udp(End(SERVER, 514), End(CLIENT, 40_002))]
        for n, packet in enumerate([*talk, *pair]):
            packet.id = network_id * 100 + n
            packets.append(
                Packet(START_NS + n * MILLISECOND_NS + network_id, _frame(_vxlan(network_id, packet)))
            )
    return sorted(packets), ETHERNET


def vlan_per_customer() -> Made:
    """Two customers use the same addresses and ports at the same time, each in a VLAN."""
    client, server = End(CLIENT, 40_001), End(SERVER, 80)
    talks = [
        _numbered(_conversation(client, server, b"GET /", b"200 OK", isns))
        for isns in ((1_000, 5_000), (2_000, 9_000))
    ]
    return _interleaved(*talks, vlans=(10, 20)), ETHERNET


def both_sides_of_a_firewall() -> Made:
    """A firewall rewrites the client's initial sequence number, and both of its sides are captured."""
    client, server = End(CLIENT, 40_001), End(SERVER, 80)
    talks = [
        _conversation(client, server, b"GET /", b"200 OK", (isn, 3_000_000_000))
        for isn in (1_000_000_000, 2_000_000_000)
    ]
    inside, outside = (_numbered(talk) for talk in talks)
    return _interleaved(inside, outside, vlans=(None, None)), ETHERNET


def reset_of_another_connection() -> Made:
    """A client reuses its port: a challenge acknowledgement (RFC 5961 §4), a late RST of the old one."""
    packets: list[Packet] = []
    for port, numbers in ((40_001, (1_000_000_000, 2_000_000_000)), (40_002, (5_000, 9_000))):
        client, server = End(CLIENT, port), End(SERVER, 80)
        old = _conversation(client, server, b"GET /", b"200 OK", (100, 500))[:6]
        new = _conversation(client, server, b"GET /", b"200 OK", numbers)
        challenge = [
            new[0],
            _tcp(server, client, "A", 507, 106),
            _tcp(client, server, "R", 106),
            _tcp(client, server, "S", numbers[0]),
        ]
        late = _tcp(client, server, "R", 106)
        packets += _spaced(old, START_NS + port * SECOND_NS)
        begin_ns = START_NS + port * SECOND_NS + 20 * SECOND_NS
        packets += _spaced([*challenge, *new[1:5], late, *new[5:]], begin_ns)
    return packets, ETHERNET


def idle_connection() -> Made:
    """A connection is idle for eleven minutes, three times; its FINs come after another six."""
    client, server = End(CLIENT, 40_001), End(SERVER, 22)
    talk = _conversation(client, server, b"question", b"answer")
    packets = _spaced(talk[:6])
    for n in range(3):
        alive = [_tcp(client, server, "A", 108, 507), _tcp(server, client, "A", 507, 109)]
        packets += _spaced(alive, START_NS + (n + 1) * 660 * SECOND_NS)
    return packets + _spaced(talk[6:], START_NS + 2_340 * SECOND_NS), ETHERNET


def seen_in_an_overlay() -> Made:
    """All interfaces of a node: each packet plain, routed, in VXLAN; IPv4 without identification, IPv6."""
    packets: list[Packet] = []
    for n, (client, server) in enumerate(((CLIENT, SERVER), ("fd05::1", "fd05::2"))):
        talk = _conversation(End(client, 40_001), End(server, 80), b"GET /", b"200 OK")
        for m, packet in enumerate(talk):
            if n == 0:
                packet.id = 0
            time_ns = START_NS + (100 * n + m) * MILLISECOND_NS
            plain = Packet(time_ns, _frame(packet))
            packets += [plain, plain._replace(time_ns=time_ns + 5_000)]
            packets.append(Packet(time_ns + 9_000, _frame(_vxlan(7, packet))))
    return packets, ETHERNET


def neighbouring_servers() -> Made:
    """Ten ports of one host in use before the capture began, in no order of time, each by another client."""
    packets = []
    for n, port in enumerate(
        (32_774, 32_769, 32_777, 32_771, 32_778, 32_770, 32_776, 32_772, 32_775, 32_773)
    ):
        client, server = End(f"10.5.1.{n + 1}", 34_000 + n * 2_711 % 26_000), End(SERVER, port)
        packets += [
            _tcp(server, client, "PA", 700, 900, b"news"),
            _tcp(client, server, "A", 900, 704),
            _tcp(client, server, "PA", 900, 704, b"more"),
            _tcp(server, client, "A", 704, 904),
        ]
    return _spaced(packets), ETHERNET


def asked_in_vain() -> Made:
    """Traceroute by UDP from one port; the target refuses the last probes, and answers at port 53."""
    asker, target = End(CLIENT, 3060), SERVER
    packets: list[ScapyPacket] = []
    for port in range(33_434, 33_446):
        probe = _udp(asker, End(target, port), bytes(12))
        packets.append(probe)
        if port >= 33_444:
            packets.append(_internet(target, asker.ip) / ICMP(type=3, code=3) / probe)
    question = [_udp(asker, End(target, 53), b"\0" * 12), _udp(End(target, 53), asker, b"\0" * 40)]
    return _spaced([*packets, *question]), ETHERNET


def told_to_groups() -> Made:
    """DHCP by broadcast, NTP's mode 5, and a question to a group, answered from ports of the hosts' own."""
    everybody, client, server = "255.255.255.255", End("0.0.0.0", 68), End(SERVER, 67)
    number = b"abcd" + bytes(228) + b"\x63\x82\x53\x63\x35\x01"
    discover, offer = (bytes((op, 1, 6, 0)) + number + bytes((kind, 255)) for op, kind in ((1, 1), (2, 2)))
    time = bytes((0x25, 2, 6, 0xEC)) + bytes(44)
    asker = End(CLIENT, 41_516)
    answers = [_udp(End(f"10.5.0.{n}", 33_000 + 7 * n), asker, b"here") for n in range(10, 20)]
    return _spaced(
        [
            _udp(client, End(everybody, 67), discover),
            _udp(server, End(everybody, 68), offer),
            _udp(End(SERVER, 123), End("224.0.1.1", 123), time),
            _udp(asker, End("239.255.255.250", 3702), b"who is there?"),
            *answers,
        ]
    ), ETHERNET


def call_home() -> Made:
    """NETCONF call home (RFC 8071): the device has opened the connection, the manager is TLS's client."""
    manager, device = End(SERVER, 4335), End(CLIENT, 49_800)
    hello = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" + bytes(39)
    return _spaced(
        [
            _tcp(manager, device, "PA", 700, 900, hello),
            _tcp(device, manager, "A", 900, 750),
            _tcp(
                device, manager, "PA", 900, 750, b"\x16\x03\x03\x00\x2c\x02\x00\x00\x28\x03\x03" + bytes(38)
            ),
            _tcp(manager, device, "A", 750, 949),
        ]
    ), ETHERNET


CASES: tuple[Callable[[], Made], ...] = (
    idle_timeout,
    active_ftp,
    same_address,
    vlan_per_direction,
    time_runs_back,
    link_type_unread,
    no_packets,
    answer_first,
    mapped_address,
    seen_twice,
    in_no_flow,
    network_per_direction,
    network_per_tenant,
    vlan_per_customer,
    both_sides_of_a_firewall,
    reset_of_another_connection,
    idle_connection,
    seen_in_an_overlay,
    neighbouring_servers,
    asked_in_vain,
    told_to_groups,
    call_home,
    snap_length_40,
    wrong_link_type,
)


def captures() -> dict[Path, bytes]:
    """All captures by their paths."""
    return {HERE / make.__name__.replace("_", "-") / "capture.pcap": frames.pcap(*make()) for make in CASES}


if __name__ == "__main__":
    for path, data in captures().items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
