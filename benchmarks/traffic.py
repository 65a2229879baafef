"""Plans the traffic of the made-up capture: first the flows, then every packet of each, as numpy columns."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from payloads import DNS_SERVICE, NTP_SERVICE, QUIC_SERVICE, SERVICES, TCP_SERVICES

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

SPAN_US = 600_000_000
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


class Kind(IntEnum):
    """What becomes of a flow."""

    CLOSED = 0
    RESET = 1
    OPEN = 2
    MIDSTREAM = 3
    UNANSWERED = 4
    REFUSED = 5
    QUIC = 6
    DNS = 7
    NTP = 8


#                 closed reset open  mid   unans refus quic  dns   ntp
SHARE = np.array([0.665, 0.06, 0.05, 0.05, 0.03, 0.02, 0.035, 0.075, 0.015])
SHORTEST = np.array([8, 7, 6, 2, 1, 2, 4, 2, 2])
OPENING = np.array([3, 3, 3, 0, 0, 0, 0, 0, 0])
CLOSING = np.array([3, 1, 0, 0, 0, 0, 0, 0, 0])
SIZED = np.array([1, 1, 1, 1, 0, 0, 1, 0, 0], bool)
"""Kinds whose number of packets is drawn from the heavy tail; the others are fixed exchanges."""

DOWNLOAD, UPLOAD, CHAT = 0, 1, 2
EMPTY, CLIENT_FIRST, SERVER_FIRST, CLIENT_MORE, SERVER_MORE = -1, 0, 1, 2, 3


@dataclass(frozen=True)
class Flows:
    """One element for each flow."""

    kind: Ints
    service: Ints
    """Index into `SERVICES`."""
    client: Ints
    server: Ints
    client_port: Ints
    ipv6: Flags
    packets: Ints
    start_us: Ints
    duration_us: Ints
    shape: Ints
    token: Ints
    client_isn: Ints
    server_isn: Ints


@dataclass(frozen=True)
class Packets:
    """One element for each packet, in time order."""

    flow: Ints
    time_us: Ints
    from_client: Flags
    flags: Ints
    """TCP flags; 0 for UDP."""
    seq: Ints
    ack: Ints
    message: Ints
    """Which of the service's templates begins the payload, -1: no payload."""
    payload_bytes: Ints


def _pick(rng: np.random.Generator, weights: npt.ArrayLike, size: int) -> Ints:
    edges = np.cumsum(weights)
    return np.asarray(np.searchsorted(edges, rng.random(size) * edges[-1], side="right"), np.int64)


def plan_flows(rng: np.random.Generator, flows: int, packets: int) -> Flows:
    """Draw the flows; their packets add up to `packets`, and no two share their addresses and ports."""
    kind = _pick(rng, SHARE, flows)
    service = _pick(rng, [s.share for s in TCP_SERVICES], flows)
    for udp, entry in ((Kind.QUIC, QUIC_SERVICE), (Kind.DNS, DNS_SERVICE), (Kind.NTP, NTP_SERVICE)):
        service[kind == udp] = SERVICES.index(entry)

    pools = np.array([s.servers for s in SERVICES])
    server = (np.cumsum(pools) - pools)[service] + (pools[service] * rng.random(flows) ** 2).astype(np.int64)
    clients = max(20, flows // 30)
    client = (clients * rng.random(flows) ** 1.5).astype(np.int64)

    length = _lengths(rng, kind, packets)
    duration = np.exp(rng.normal(np.log(25e6), 1.1, flows))
    duration = np.clip(duration, length * 300.0, np.minimum(length * 3e6, 0.98 * SPAN_US)).astype(np.int64)
    short = (kind == Kind.DNS) | (kind == Kind.NTP) | (kind == Kind.REFUSED)
    duration[short] = 2_000 + (rng.random(int(short.sum())) * 80_000).astype(np.int64)
    start = (rng.random(flows) * (SPAN_US - duration)).astype(np.int64)
    midstream = kind == Kind.MIDSTREAM
    start[midstream] //= 100  # they were under way when the capture began
    one_request = np.array([s.one_request for s in SERVICES])[service]
    isn = rng.integers(0, 1 << 32, (2, flows))
    return Flows(
        kind=kind,
        service=service,
        client=client,
        server=server,
        client_port=_client_ports(client, start, rng.integers(0, 1 << 14, clients)),
        ipv6=rng.random(flows) < 0.10,
        packets=length,
        start_us=start,
        duration_us=duration,
        shape=np.where(one_request, DOWNLOAD, _pick(rng, [0.27, 0.05, 0.68], flows)),
        token=rng.integers(0, 1 << 16, flows),
        client_isn=isn[0],
        server_isn=np.where(kind == Kind.REFUSED, 0, isn[1]),
    )


def _lengths(rng: np.random.Generator, kind: Ints, packets: int) -> Ints:
    """Packets per flow: the shortest for its kind, plus a share of the rest by a Pareto law."""
    length = SHORTEST[kind].copy()
    unanswered = kind == Kind.UNANSWERED
    length[unanswered] += rng.integers(0, 3, int(unanswered.sum()))
    spare = packets - int(length.sum())
    sized = np.flatnonzero(SIZED[kind])
    if spare < 0 or not len(sized):
        raise SystemExit(f"{len(kind)} flows need at least {int(length.sum())} packets; give more --packets")
    weight = rng.random(len(sized)) ** (-1 / 1.15) - 1
    weight = np.minimum(weight, 0.01 * weight.sum())
    length[sized] += (weight * (spare / weight.sum())).astype(np.int64)
    length[sized[: packets - int(length.sum())]] += 1  # what rounding down has left over
    return length


def _client_ports(client: Ints, start_us: Ints, offset: Ints) -> Ints:
    """Half of the clients count upward from 49152, the other half hop about from 32768 to 60999."""
    order = np.lexsort((start_us, client))
    ranks = np.arange(len(order)) - np.searchsorted(client[order], client[order])
    if ranks.max() >= 1 << 14:
        raise SystemExit("too many flows for one client's ports; give fewer --flows")
    rank = np.empty_like(ranks)
    rank[order] = ranks
    counted = 49152 + (offset[client] + rank) % 16384
    hopped = 32768 + (offset[client] + rank * 10_007) % 28232  # 10007 and 28232 have no common factor
    return np.where(client % 2 == 0, hopped, counted)


def plan_packets(rng: np.random.Generator, flows: Flows) -> Packets:
    """Lay out every flow's packets, number their bytes, and interleave the flows in time."""
    flow = np.repeat(np.arange(len(flows.packets)), flows.packets)
    first = np.cumsum(flows.packets) - flows.packets
    position = np.arange(len(flow)) - first[flow]
    from_client, flags, message = _script(flows, flow, position)
    payload_bytes = _payload_bytes(rng, flows, flow, message)
    seq, ack = _numbers(flows, flow, from_client, flags, payload_bytes, first)
    time_us = _times(rng, flows, flow, position, first)
    order = np.argsort(time_us, kind="stable")
    return Packets(
        flow=flow[order],
        time_us=time_us[order],
        from_client=from_client[order],
        flags=flags[order],
        seq=seq[order],
        ack=ack[order],
        message=message[order],
        payload_bytes=payload_bytes[order],
    )


def _script(flows: Flows, flow: Ints, position: Ints) -> tuple[Flags, Ints, Ints]:
    """Who sends each packet, its TCP flags, and which message its payload begins with."""
    kind, shape = flows.kind[flow], flows.shape[flow]
    greets = np.array([s.server_first for s in SERVICES])[flows.service[flow]] & (kind != Kind.MIDSTREAM)
    step = position - OPENING[kind] - greets + 5 * (kind == Kind.MIDSTREAM)
    left = flows.packets[flow] - position - 1

    # In the middle: -1 greeting, 0 request, 1 reply, then the shape's cycle.
    cycle = np.where(shape == CHAT, (step - 2) % 4, (step - 2) % 3)
    by_client = np.select(
        [step == -1, step == 0, step == 1, shape == DOWNLOAD, shape == UPLOAD],
        [False, True, False, cycle == 2, cycle != 2],
        (cycle == 0) | (cycle == 3),
    )
    data = (step < 2) | np.where(shape == CHAT, cycle % 2 == 0, cycle != 2)
    udp = kind >= Kind.QUIC
    data |= udp
    server_first = step == np.where(greets, -1, 1)
    message = np.select(
        [~data, step == 0, server_first, by_client],
        [EMPTY, CLIENT_FIRST, SERVER_FIRST, CLIENT_MORE],
        SERVER_MORE,
    )
    flags = np.where(data, PSH | ACK, ACK)

    opening = position < OPENING[kind]
    closing = left < CLOSING[kind]
    attempt = (kind == Kind.UNANSWERED) | (kind == Kind.REFUSED)
    message[opening | closing | attempt] = EMPTY
    from_client = np.select(
        [opening, closing & (kind == Kind.CLOSED), closing, kind == Kind.REFUSED, kind == Kind.UNANSWERED],
        [position != 1, left != 1, flow % 2 == 0, position == 0, True],
        by_client,
    )
    flags = np.select(
        [
            udp,
            opening | attempt,
            closing & (kind == Kind.CLOSED),
            closing,
        ],
        [
            0,
            np.select(
                [(position == 0) | (kind == Kind.UNANSWERED), kind == Kind.REFUSED, position == 1],
                [SYN, RST | ACK, SYN | ACK],
                ACK,
            ),
            np.where(left == 0, ACK, FIN | ACK),
            RST | ACK,
        ],
        flags,
    )
    return from_client, flags, message


def _payload_bytes(rng: np.random.Generator, flows: Flows, flow: Ints, message: Ints) -> Ints:
    quic = flows.kind[flow] == Kind.QUIC
    full = np.where(quic, 1350, np.where(flows.ipv6[flow], 1440, 1460))
    small = np.exp(rng.normal(np.log(130), 0.9, len(flow)))
    partial = rng.random(len(flow)) < 0.1
    size = np.where((flows.shape[flow] == CHAT) | partial, np.clip(small, 24, full), full).astype(np.int64)
    size = np.where(quic & (message == CLIENT_MORE) & (flows.shape[flow] == DOWNLOAD), 35, size)
    size = np.where(quic & ((message == CLIENT_FIRST) | (message == SERVER_FIRST)), 1252, size)

    least = np.array([[len(t.data) + 8 * (not t.exact) for t in s.says] for s in SERVICES])
    exact = np.array([[t.exact for t in s.says] for s in SERVICES])
    where = flows.service[flow], message
    size = np.where(exact[where], least[where], np.maximum(size, least[where]))
    return np.where(message == EMPTY, 0, size)


def _numbers(
    flows: Flows, flow: Ints, from_client: Flags, flags: Ints, payload_bytes: Ints, first: Ints
) -> tuple[Ints, Ints]:
    """Sequence and acknowledgement numbers: every packet acknowledges all that the other side sent before."""
    used = payload_bytes + ((flags & (SYN | FIN)) != 0)
    used[(flows.kind[flow] == Kind.UNANSWERED)] = 0  # the same SYN again
    sent = []
    for mine, isn in ((from_client, flows.client_isn), (~from_client, flows.server_isn)):
        before = np.cumsum(np.where(mine, used, 0)) - np.where(mine, used, 0)
        sent.append((before - before[first][flow] + isn[flow]) & 0xFFFFFFFF)
    seq = np.where(from_client, sent[0], sent[1])
    ack = np.where((flags & ACK) != 0, np.where(from_client, sent[1], sent[0]), 0)
    return seq, ack


def _times(rng: np.random.Generator, flows: Flows, flow: Ints, position: Ints, first: Ints) -> Ints:
    """Bursts and pauses that fill the flow's duration; handshakes take the round trip, retries seconds."""
    gap = rng.random(len(flow)) ** 4
    gap[first] = 0
    total = np.add.reduceat(gap, first)
    scale = flows.duration_us / np.where(total > 0, total, 1)
    gap_us = 1 + (gap * scale[flow]).astype(np.int64)
    kind = flows.kind[flow]
    round_trip = 1_000 + flows.server[flow] * 131 % 60_000
    gap_us = np.where(position < OPENING[kind], np.where(position == 1, round_trip, 150), gap_us)
    gap_us = np.where(kind == Kind.UNANSWERED, 1_000_000 * position, gap_us)
    gap_us[first] = 0
    elapsed = np.cumsum(gap_us)
    return flows.start_us[flow] + elapsed - elapsed[first][flow]
