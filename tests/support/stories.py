"""Hypothesis strategies for small captures: conversations that follow, interleave and interrupt each other.

Few hosts and ports, so that conversations meet; pauses around the idle times, so that flows end.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import strategies as st

from support.frames import START_NS, End, Packet, tcp, udp

#: Short, so that pauses around them stay within a small capture.
TCP_IDLE_S, UDP_IDLE_S = 10, 4
IDLE: dict[str, Any] = {"tcp_idle_s": TCP_IDLE_S, "udp_idle_s": UDP_IDLE_S}
SECOND_NS = 1_000_000_000

#: (sender, flags, payload): sender 0 is the one who calls.
HANDSHAKE = [(0, "S", 0), (1, "SA", 0), (0, "A", 0)]
EXCHANGE = [(0, "PA", 30), (1, "A", 0), (1, "PA", 200), (0, "A", 0)]
STORIES: dict[str, list[tuple[int, str, int]]] = {
    "full": [*HANDSHAKE, *EXCHANGE, (0, "FA", 0), (1, "FA", 0), (0, "A", 0)],
    "open": [*HANDSHAKE, *EXCHANGE],
    "half open": [(0, "S", 0), (1, "SA", 0), (0, "R", 0)],
    "unanswered": [(0, "S", 0), (0, "S repeated", 0), (0, "S repeated", 0)],
    "refused": [(0, "S", 0), (1, "RA", 0)],
    "refused, then accepted": [(0, "S", 0), (1, "RA", 0), (0, "S repeated", 0), (1, "SA", 0), (0, "A", 0)],
    "syn lost": [*HANDSHAKE[1:], *EXCHANGE],
    "syn+ack lost": [HANDSHAKE[0], HANDSHAKE[2], *EXCHANGE],
    "backscatter": [(1, "SA", 0), (1, "SA repeated", 0), (0, "R", 0)],
    "crossed": [(0, "S", 0), (1, "S", 0), (0, "SA repeated", 0), (1, "SA repeated", 0), (0, "PA", 9)],
    "midstream": [*EXCHANGE, (1, "FA", 0), (0, "FA", 0)],
    "reset": [*HANDSHAKE, (0, "PA", 30), (1, "RA", 0)],
    "data on the syn": [(0, "S", 30), (1, "SA", 0), (1, "PA", 200), (0, "A", 0)],
    "a reset": [(1, "R", 0)],
    "one way": [*HANDSHAKE[::2], EXCHANGE[0], (0, "FA", 0)],
}

hosts = st.sampled_from([("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1"), ("fd00::1", "fd00::2")])
same_host = st.just(("10.0.0.1", "10.0.0.1"))
ports = st.sampled_from([(40_000, 80), (80, 40_000), (1494, 1080), (1080, 1494), (80, 80)])
#: Near one another, across the wrap, and far away.
isns = st.sampled_from([0, 5000, 1_000_000, 2**32 - 3, 2_000_000_000])
#: Nothing, a moment, an idle time and what is next to it, and for ever.
pauses = st.sampled_from(
    [0, 0, 0, 1, 1000, SECOND_NS]
    + [idle * SECOND_NS + more for idle in (TCP_IDLE_S, UDP_IDLE_S) for more in (-1, 0, 1)]
    + [2 * TCP_IDLE_S * SECOND_NS]
)


@st.composite
def ends(draw: st.DrawFn) -> tuple[End, End]:
    """Two ends; they may be the same host, and even the same end."""
    ips, both_ports = draw(hosts | same_host), draw(ports)
    return End(ips[0], both_ports[0]), End(ips[1], both_ports[1])


class Conversation(NamedTuple):
    """Packets between two endpoints, and which opened a connection: one of them, `both`, or none."""

    packets: list[Packet]
    ends: frozenset[End]
    opened_by: str = ""


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """One conversation, with its times; occasionally a packet is missing."""
    pair = draw(ends())
    now_ns = START_NS + draw(pauses) + draw(pauses)
    if draw(st.integers(0, 3)) == 0:
        senders = draw(st.lists(st.integers(0, 1), min_size=1, max_size=6))
        packets = []
        for sender in senders:
            packets.append(Packet(now_ns, udp(pair[sender], pair[1 - sender], b"datagram")))
            now_ns += draw(pauses)
        return Conversation(packets, frozenset(pair))
    name = draw(st.sampled_from(sorted(STORIES)))
    story = STORIES[name]
    firsts = draw(isns), draw(isns)
    # Who sends no SYN here has sent it before.
    numbers = [
        firsts[end] + (not any(end == sender and "S" in flags for sender, flags, _ in story))
        for end in (0, 1)
    ]
    packets = []
    for sender, flags, payload_bytes in story:
        repeated = flags.endswith(" repeated")
        flags = flags.removesuffix(" repeated")
        seq = firsts[sender] if repeated else numbers[sender]
        ack = numbers[1 - sender] if "A" in flags else 0
        data = tcp(pair[sender], pair[1 - sender], flags, seq, ack, bytes(payload_bytes))
        if not repeated:
            numbers[sender] += payload_bytes + ("S" in flags) + ("F" in flags)
        if draw(st.integers(0, 9)):
            packets.append(Packet(now_ns, data))
        now_ns += draw(pauses)
    return Conversation(packets, frozenset(pair), "both" if name == "crossed" else str(pair[0]))


def captures() -> st.SearchStrategy[list[Packet]]:
    """Up to four conversations at once; time never runs back."""
    return st.lists(conversations(), min_size=1, max_size=4).filter(_is_lawful).map(_merged).filter(bool)


def _is_lawful(told: list[Conversation]) -> bool:
    """Return whether of connections between the same endpoints all are opened from the same side.

    Else both endpoints send SYN+ACKs, or one sends SYN and SYN+ACK, of several connections at once:
    joining their segments one by one can't come out the same for every cut.
    """
    opened: dict[frozenset[End], list[str]] = {}
    for one in told:
        if one.opened_by:
            opened.setdefault(one.ends, []).append(one.opened_by)
    return all(len(set(sides)) == 1 and (len(sides) == 1 or "both" not in sides) for sides in opened.values())


def _merged(told: list[Conversation]) -> list[Packet]:
    return sorted((packet for one in told for packet in one.packets), key=lambda packet: packet.time_ns)


@st.composite
def cut_captures(draw: st.DrawFn, between_times: bool = False) -> list[list[Packet]]:
    """A capture in pieces; `between_times`: cut only where the time changes."""
    packets = draw(captures())
    often = draw(st.sampled_from([1, 3, 10]))
    pieces = [packets[:1]]
    for before, packet in pairwise(packets):
        allowed = not between_times or packet.time_ns != before.time_ns
        if allowed and draw(st.integers(1, often)) == 1:
            pieces.append([])
        pieces[-1].append(packet)
    return pieces
