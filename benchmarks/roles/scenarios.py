"""Networks in which the server is hard to find: each scenario draws its parameters from a random generator.

A scenario returns packets (raw IPv4) and the truth. Ranges of ports are those that systems and programs
publish (rules/client_ports.toml, and the documentation of each program); hosts, ports, numbers of peers and
flows, times, losses and how late the capture begins are drawn.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tests"))

from support.frames import START_NS, End, ip, tcp, udp

SECOND_NS = 1_000_000_000
Key = tuple[str, frozenset[End]]
ANYBODY, BROADCAST = "0.0.0.0", "255.255.255.255"


@dataclass
class Topology:
    """The packets of a capture, and who is the server in its flows."""

    rng: Random
    packets: list[tuple[float, bytes]] = field(default_factory=list)
    servers: dict[Key, End] = field(default_factory=dict)
    #: UDP questions that nobody answers.
    vain: set[Key] = field(default_factory=set)
    _peers: dict[tuple[str, End], set[End]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        """Draw what holds for the whole capture."""
        rng = self.rng
        #: Share of the packets that the capture has lost.
        self.loss = rng.choice([0, 0, 0.01, rng.uniform(0, 0.1)])
        #: Payloads are cut off: a short snap length.
        self.headers = rng.random() < 0.3
        #: Seconds of the capture, and how long flows had been going on before it.
        self.length, self.before = rng.uniform(5, 600), rng.uniform(0, 3600)
        #: Handshakes are missing also of the flows that begin inside the capture.
        self.no_handshakes = rng.random() < 0.6
        self._hosts = iter(rng.sample(range(1 << 16), 4000))
        self._net = f"10.{rng.randrange(1, 255)}"
        self._clients: dict[str, Iterator[int]] = {}

    @property
    def clients(self) -> dict[tuple[str, End], int]:
        """How many hosts and ports each server port has as clients."""
        return {server: len(peers) for server, peers in self._peers.items()}

    def host(self) -> str:
        """Return the address of a host of its own."""
        number = next(self._hosts)
        last = number % 256
        return f"{self._net}.{number // 256}.{min(max(last, 1), 254)}"

    def hosts(self, fewest: int, most: int) -> list[str]:
        """Return the addresses of some hosts."""
        return list(dict.fromkeys(self.host() for _ in range(self.rng.randint(fewest, most))))

    def port_of(self, host: str) -> End:
        """Return the next client's endpoint of a host, as its system takes them."""
        if host not in self._clients:
            self._clients[host] = self.rng.choice(SYSTEMS)(self.rng)
        return End(host, next(self._clients[host]))

    def counts_up(self, host: str, system: Callable[[Random], Iterator[int]] | None = None) -> None:
        """Make a host one whose client ports count up."""
        self._clients[host] = (system or self.rng.choice(COUNTING))(self.rng)

    def emit(self, time: float, packet: bytes) -> None:
        """Put a packet in, unless it is before or after the capture, or lost."""
        if 0 <= time <= self.length and self.rng.random() >= self.loss:
            self.packets.append((START_NS + time * SECOND_NS, packet))

    def truth(self, proto: str, client: End, server: End, *, vain: bool = False) -> None:
        """Record the server of a flow."""
        key = (proto, frozenset((client, server)))
        self.servers[key] = server
        self._peers[proto, server].add(client)
        if vain:
            self.vain.add(key)

    def noise(self, size: int) -> bytes:
        """Return a payload that means nothing, or as much of it as the snap length leaves."""
        return self.rng.randbytes(size)

    def start(self, *, late: bool | None = None) -> float:
        """Draw when a flow begins: before the capture, or inside."""
        early = self.rng.random() < 0.5 if late is None else late
        return -self.rng.uniform(0, self.before) if early else self.rng.uniform(0, self.length)

    def connection(self, client: End, server: End, start: float | None = None) -> None:
        """Add a TCP connection: some questions and answers, at a pace that is drawn."""
        rng = self.rng
        self.truth("tcp", client, server)
        time = self.start() if start is None else start
        mine, theirs = rng.getrandbits(32), rng.getrandbits(32)
        delay = rng.uniform(0.0002, 0.1)
        hidden = self.no_handshakes
        if time >= 0 and not hidden:
            self.emit(time, tcp(client, server, "S", mine))
            self.emit(time + delay, tcp(server, client, "SA", theirs, mine + 1))
            self.emit(time + 1.1 * delay, tcp(client, server, "A", mine + 1, theirs + 1))
        pause = rng.expovariate(1 / rng.choice([0.2, 2, 20]))
        turns = rng.randint(2, 12)
        if time < 0:  # it goes on into the capture
            time, turns = rng.uniform(0, min(self.length, 10)), turns
        speaker = rng.random() < (0.9 if time >= 0 and not hidden else 0.5)
        for _ in range(turns):
            ends = (client, server) if speaker else (server, client)
            payload = self.noise(rng.choice([20, 90, 300, 1400]))
            ours = mine if speaker else theirs
            other = theirs if speaker else mine
            self.emit(time, tcp(*ends, "PA", ours, other, payload))
            if speaker:
                mine += len(payload)
            else:
                theirs += len(payload)
            self.emit(time + delay, tcp(*ends[::-1], "A", other, ours + len(payload)))
            time += delay + rng.expovariate(1 / max(pause, 0.01)) * 0.5
            speaker = not speaker

    def exchange(
        self,
        client: End,
        server: End,
        start: float | None = None,
        *,
        turns: int | None = None,
        pace: float | None = None,
    ) -> None:
        """Add a UDP flow that both ends send in, which the client began."""
        rng = self.rng
        self.truth("udp", client, server)
        time = self.start() if start is None else start
        pace = pace or rng.choice([0.02, 0.2, 1])
        turns = turns or rng.randint(1, 30)
        asks = True
        if time < 0:
            time, asks = rng.uniform(0, pace), rng.random() < 0.5
        for _ in range(2 * turns):
            ends = (client, server) if asks else (server, client)
            self.emit(time, udp(*ends, self.noise(rng.choice([16, 60, 200, 900]))))
            time += pace * rng.uniform(0.5, 1.5) / 2
            asks = not asks

    def port_unreachable(self, time: float, asker: End, target: End, size: int) -> None:
        """Add the ICMP error of the target's host: port unreachable (RFC 792)."""
        quoted = udp(asker, target, bytes(size))[:28]
        self.emit(time, ip(target.ip, asker.ip, 1, b"\x03\x03\0\0\0\0\0\0" + quoted))


# ---- client ports, as systems take them ------------------------------------------------------


def _linux(rng: Random) -> Iterator[int]:
    while True:
        yield rng.randrange(32768, 61000, 2) + (rng.random() < 0.1)


def _windows(rng: Random) -> Iterator[int]:
    port = rng.randrange(49152, 65535)
    while True:
        port = 49152 + (port - 49152 + rng.choice([1, 1, 1, 2, 3])) % 16384
        yield port


def _mac(rng: Random) -> Iterator[int]:
    while True:
        yield rng.randrange(49152, 65536)


def _old_windows(rng: Random) -> Iterator[int]:
    port = rng.randrange(1025, 4900)
    while True:
        port = 1025 + (port - 1025 + rng.choice([1, 1, 2])) % 3975
        yield port


def _translated(rng: Random) -> Iterator[int]:
    while True:
        yield rng.randrange(1024, 65536)


def _bsd(rng: Random) -> Iterator[int]:
    while True:
        yield rng.randrange(10000, 65536)


SYSTEMS = [_linux, _linux, _linux, _windows, _windows, _mac, _bsd, _translated, _old_windows]
COUNTING = [_windows, _windows, _old_windows]


def _own(rng: Random, *systems: Callable[[Random], Iterator[int]]) -> Callable[[Random], Iterator[int]]:
    return rng.choice(systems)


# ---- D: servers on neighbouring ports --------------------------------------------------------


def _served(rng: Random, ports: list[int], hosts: tuple[int, int], clients: tuple[int, int]) -> Topology:
    """Serve neighbouring ports to clients of modern systems, some flows to each port."""
    net = Topology(rng)
    servers, askers = net.hosts(*hosts), net.hosts(*clients)
    for host in askers:
        net.counts_up(host, _own(rng, _linux, _linux, _windows, _mac))
    most = rng.choice([1, 1, 3, 8])
    for server in servers:
        for port in ports:
            for _ in range(rng.randint(1, most)):
                net.connection(net.port_of(rng.choice(askers)), End(server, port))
    return net


def published_ports(rng: Random) -> Topology:
    """`docker run -P`: ports from 32768 or 49153 up, one after the other."""
    first = rng.choice([32768, 49153]) + rng.randrange(200)
    ports = [first + n for n in range(rng.randint(3, 30)) if rng.random() < 0.9]
    return _served(rng, ports, (1, 2), (1, 20))


def windows_services(rng: Random) -> Topology:
    """RPC services of Windows, from 49664 (or 49152) up."""
    first = rng.choice([49664, 49664, 49152])
    return _served(rng, [first + n for n in range(rng.randint(4, 24))], (1, 3), (2, 20))


def instances(rng: Random) -> Topology:
    """Instances of an application on neighbouring ports."""
    first = rng.randrange(5001, 32000)
    return _served(rng, [first + n for n in range(rng.randint(3, 12))], (1, 3), (2, 20))


def storage(rng: Random) -> Topology:
    """Ceph's daemons (6800 to 7568) or Gluster's bricks (49152 up), asked by one another."""
    net = Topology(rng)
    first, last = rng.choice([(6800, 7300), (49152, 49251)])
    hosts = net.hosts(3, 8)
    for host in hosts:
        net.counts_up(host, rng.choice([_linux, _bricks]))
    start = rng.randrange(first, last - 20)
    for host in hosts:
        for n in range(rng.randint(2, 8)):
            for peer in rng.sample(hosts, rng.randint(1, len(hosts))):
                if peer != host:
                    net.connection(net.port_of(peer), End(host, start + n))
    return net


def _bricks(rng: Random) -> Iterator[int]:
    """Gluster's clients count down from 1023, as those that show privilege."""
    while True:
        yield from range(1023, 600, -1)


def passive_ftp(rng: Random) -> Topology:
    """Data connections to a range of ports, each used once, the control connections not captured."""
    net = Topology(rng)
    server = net.host()
    first = rng.choice([rng.randrange(10000, 60000), 49152, 30000])
    width = rng.choice([50, 100, 1000])
    clients = net.hosts(1, 6)
    for _ in range(rng.randint(5, 60)):
        port = first + rng.randrange(width)
        client = net.port_of(rng.choice(clients))
        if ("tcp", frozenset((client, End(server, port)))) not in net.servers:
            net.connection(client, End(server, port))
    return net


def migrations(rng: Random) -> Topology:
    """Virtual machines that move: the target host listens from 49152 up, a port each."""
    net = Topology(rng)
    hosts = net.hosts(2, 6)
    for host in hosts:
        net.counts_up(host, _linux)
    for host in hosts:
        for n in range(rng.randint(1, 8)):
            net.connection(
                net.port_of(rng.choice([one for one in hosts if one != host])), End(host, 49152 + n)
            )
    return net


def games(rng: Random) -> Topology:
    """Game servers by UDP on neighbouring ports, with many players."""
    net = Topology(rng)
    server, first = net.host(), rng.choice([27015, 7777, 2302, 28960, rng.randrange(5001, 32000)])
    players = net.hosts(3, 40)
    for n in range(rng.randint(1, 6)):
        for player in rng.sample(players, rng.randint(1, len(players))):
            net.exchange(net.port_of(player), End(server, first + n))
    return net


def dynamic_service(rng: Random) -> Topology:
    """One service on a dynamic port, with three clients or more."""
    net = Topology(rng)
    server = End(net.host(), rng.randrange(32768, 65536))
    for client in net.hosts(3, 15):
        net.counts_up(client, _own(rng, _linux, _windows, _mac, _translated))
        for _ in range(rng.randint(1, 6)):
            net.connection(net.port_of(client), server)
    return net


# ---- clients that count ----------------------------------------------------------------------


def counting_clients(rng: Random) -> Topology:
    """Clients whose ports count up, to a few servers' ports, known ones or not."""
    net = Topology(rng)
    usual = [22, 80, 443, 3306, 5432, 8080, 1433]
    some = [rng.choice(usual) if rng.random() < 0.5 else rng.randrange(5001, 65000) for _ in range(3)]
    servers = [End(net.host(), rng.choice(some)) for _ in range(rng.randint(1, 5))]
    for client in net.hosts(1, 6):
        net.counts_up(client)
        times = sorted(net.start() for _ in range(rng.randint(3, 40)))
        for time in times:
            net.connection(net.port_of(client), rng.choice(servers), time)
    return net


def counting_askers(rng: Random) -> Topology:
    """The same by UDP, a question and an answer each."""
    net = Topology(rng)
    servers = [End(net.host(), rng.choice([53, 161, 1812, rng.randrange(5001, 32000)])) for _ in range(2)]
    for client in net.hosts(1, 5):
        net.counts_up(client)
        for time in sorted(rng.uniform(0, net.length) for _ in range(rng.randint(3, 40))):
            net.exchange(net.port_of(client), rng.choice(servers), time, turns=1)
    return net


def behind_translation(rng: Random) -> Topology:
    """Clients behind one address, whose ports a translator takes in blocks (RFC 7422) or at random."""
    net = Topology(rng)
    address, block = net.host(), rng.randrange(1024, 60000)
    ports = rng.sample(range(block, block + rng.choice([64, 512, 5000])), 60)
    servers = [End(net.host(), rng.choice([443, 443, 80, 993, 22])) for _ in range(rng.randint(2, 12))]
    for port in ports:
        net.connection(End(address, port), rng.choice(servers))
    return net


# ---- peers: both ends listen -----------------------------------------------------------------


def torrents(rng: Random) -> Topology:
    """One peer among many: it listens at a port, and calls others at theirs."""
    net = Topology(rng)
    own = End(net.host(), rng.choice([6881, 51413, rng.randrange(10000, 65000)]))
    for peer in net.hosts(5, 40):
        theirs = End(peer, rng.choice([6881, 51413, rng.randrange(1024, 65000)]))
        if rng.random() < 0.5:
            net.exchange(*((own, theirs) if rng.random() < 0.5 else (theirs, own)))
        elif rng.random() < 0.5:
            net.connection(net.port_of(own.ip), theirs)
        else:
            net.connection(net.port_of(peer), own)
    return net


def relays(rng: Random) -> Topology:
    """A media relay: ports of a range, each for one peer that sends first, or is sent to first."""
    net = Topology(rng)
    relay, first = net.host(), rng.choice([49152, 10000, 16384, 30000])
    for n in range(rng.randint(4, 40)):
        mine = End(relay, first + 2 * n + rng.choice([0, 0, 1]))
        theirs = net.port_of(net.host())
        ends = (theirs, mine) if rng.random() < 0.5 else (mine, theirs)
        net.exchange(*ends, turns=rng.randint(10, 60), pace=0.02)
    return net


# ---- E: probers ------------------------------------------------------------------------------


def trace(rng: Random) -> Topology:
    """`mtr -u` and traceroute: a port counted up for each probe; hops answer by ICMP, perhaps the target."""
    net = Topology(rng)
    net.length = max(net.length, 30)
    asker, target = net.host(), net.host()
    fixed = rng.random() < 0.7
    port, first = rng.randrange(1024, 65000), rng.choice([33000, 33434, 33434])
    closed = rng.random() < 0.6
    size = rng.choice([12, 32, 36])
    hops = rng.randint(4, 15)
    for n in range(rng.randint(12, 120)):
        source = End(asker, port if fixed else rng.randrange(32768, 61000))
        probe, time = End(target, first + n), n * 0.1 + 0.01
        net.truth("udp", source, probe, vain=True)
        net.emit(time, udp(source, probe, bytes(size)))
        if n % hops < hops - 1:
            quoted = udp(source, probe, bytes(size))[:28]
            router = f"10.0.{n % hops}.1"
            net.emit(time + 0.01, ip(router, asker, 1, b"\x0b\0\0\0\0\0\0\0" + quoted))
        elif closed:
            net.port_unreachable(time + 0.02, source, probe, size)
    return net


def datagram_scan(rng: Random) -> Topology:
    """A scan by UDP from one port: ports of a host, a port of many hosts, or both."""
    net = Topology(rng)
    net.length = max(net.length, 60)
    asker = End(net.host(), rng.choice([53, rng.randrange(1024, 65000), rng.randrange(32768, 61000)]))
    known = [
        53,
        67,
        69,
        123,
        137,
        161,
        500,
        520,
        1900,
        4500,
        5353,
        5060,
        1434,
        3702,
        11211,
        17185,
        49152,
        49154,
    ]
    wide = rng.random() < 0.5
    targets = net.hosts(10, 120) if wide else net.hosts(1, 2)
    ports = (
        rng.sample(known, rng.randint(1, 3))
        if wide
        else rng.sample(range(1, 65000), rng.randint(10, 80)) + known
    )
    answered, refused = rng.choice([0, 0.02, 0.1]), rng.choice([0, 0.2, 0.9])
    for target in targets:
        for port in ports:
            probe, time, size = End(target, port), rng.uniform(0, 50), 8 + port % 40
            answers, closed = rng.random() < answered, rng.random() < refused
            net.truth("udp", asker, probe, vain=not answers)
            net.emit(time, udp(asker, probe, bytes(size)))
            if answers:
                net.emit(time + 0.01, udp(probe, asker, net.noise(60)))
            elif closed:
                net.port_unreachable(time + 0.01, asker, probe, size)
    return net


def segment_scan(rng: Random) -> Topology:
    """A scan with ACK or FIN segments from one port; RST from some targets, nothing from others."""
    net = Topology(rng)
    net.length = max(net.length, 60)
    asker = End(net.host(), rng.randrange(1024, 65000))
    flags = rng.choice(["A", "F", "FP"])
    wide = rng.random() < 0.5
    targets = net.hosts(10, 100) if wide else net.hosts(1, 2)
    ports = rng.sample(range(1, 65000), rng.randint(1, 3) if wide else rng.randint(10, 200))
    resets = rng.choice([0, 0.5, 1])
    for target in targets:
        for port in ports:
            probe, time = End(target, port), rng.uniform(0, 50)
            number = rng.getrandbits(32)
            net.truth("tcp", asker, probe)
            net.emit(time, tcp(asker, probe, flags, number, number if flags == "A" else 0))
            if rng.random() < resets:
                net.emit(time + 0.01, tcp(probe, asker, "R" if flags == "A" else "RA", number, number))
    return net


def wide_scan(rng: Random) -> Topology:
    """zmap and masscan: one port of many hosts, asked from changing ports."""
    net = Topology(rng)
    net.length = max(net.length, 60)
    asker, port = net.host(), rng.choice([53, 123, 161, 1900, 5683, rng.randrange(1024, 60000)])
    answered, size = rng.choice([0, 0.01, 0.1]), rng.choice([8, 40, 64])
    for target in net.hosts(20, 200):
        source, probe, time = End(asker, rng.randrange(32768, 61000)), End(target, port), rng.uniform(0, 50)
        answers = rng.random() < answered
        net.truth("udp", source, probe, vain=not answers)
        net.emit(time, udp(source, probe, bytes(size)))
        if answers:
            net.emit(time + 0.05, udp(probe, source, net.noise(100)))
    return net


# ---- F: answers to group addresses -----------------------------------------------------------


def dhcp(rng: Random) -> Topology:
    """Discoveries and requests by broadcast; answers by broadcast or to the address that is offered."""
    net = Topology(rng)
    server = net.host()
    for client in net.hosts(1, 12):
        time = rng.uniform(0, net.length - 1)
        broadcast = rng.random() < 0.5
        asks, told = End(ANYBODY, 68), End(BROADCAST if broadcast else client, 68)
        number = rng.randbytes(4)
        for turn, (op, option) in enumerate(((1, 1), (2, 2), (1, 3), (2, 5))):
            body = (
                bytes((op, 1, 6, 0)) + number + bytes(228) + b"\x63\x82\x53\x63" + bytes((53, 1, option, 255))
            )
            ends = (asks, End(BROADCAST, 67)) if op == 1 else (End(server, 67), told)
            packet = udp(*ends, body)
            net.emit(time + turn * 0.01, packet[:42] if net.headers else packet)
        net.truth("udp", asks, End(BROADCAST, 67))
        net.truth("udp", told, End(server, 67))
    return net


def discovery(rng: Random) -> Topology:
    """A question to a group or by broadcast; the hosts answer the asker, from the same port or their own."""
    net = Topology(rng)
    group, port = rng.choice(
        [
            ("239.255.255.250", 3702),
            ("239.255.255.250", 1900),
            (BROADCAST, 3956),
            (BROADCAST, 10001),
            ("224.0.1.187", 5683),
            (BROADCAST, rng.randrange(5001, 32000)),
            ("239.1.2.3", rng.randrange(5001, 60000)),
        ]
    )
    other_port = rng.random() < 0.4
    by_broadcast = group == BROADCAST and rng.random() < 0.4
    devices = net.hosts(2, 30)
    for asker in net.hosts(1, 4):
        asks = net.port_of(asker)
        time = rng.uniform(0, net.length - 4)
        for again in range(rng.randint(1, 3)):
            net.emit(time + again, udp(asks, End(group, port), net.noise(120)))
        net.truth("udp", asks, End(group, port))
        for device in devices:
            answers = End(device, rng.randrange(32768, 61000) if other_port else port)
            target = End(BROADCAST, asks.port) if by_broadcast else asks
            net.truth("udp", target, answers)
            net.emit(time + rng.uniform(0, 0.5), udp(answers, target, net.noise(300)))
    return net


def clocks(rng: Random) -> Topology:
    """NTP servers that broadcast the time (mode 5), to all or to 224.0.1.1."""
    net = Topology(rng)
    for server in net.hosts(1, 4):
        target = rng.choice([BROADCAST, "224.0.1.1"])
        net.truth("udp", End(target, 123), End(server, 123))
        for n in range(1 + int(net.length / 64)):
            body = bytes((0x25, rng.randint(1, 4), 6, 0xEC)) + bytes(8) + rng.randbytes(36)
            packet = udp(End(server, 123), End(target, 123), body)
            net.emit(n * 64 + 1, packet[:42] if net.headers else packet)
    return net


SCENARIOS: dict[str, tuple[str, Callable[[Random], Topology]]] = {
    scenario.__name__: (group, scenario)
    for group, scenarios in {
        "servers": (
            published_ports,
            windows_services,
            instances,
            storage,
            passive_ftp,
            migrations,
            games,
            dynamic_service,
        ),
        "counting": (counting_clients, counting_askers, behind_translation),
        "peers": (torrents, relays),
        "probers": (trace, datagram_scan, segment_scan, wide_scan),
        "groups": (dhcp, discovery, clocks),
    }.items()
    for scenario in scenarios
}
