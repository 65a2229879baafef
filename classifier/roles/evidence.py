"""The kinds of evidence for the server side, each a function of n flows.

A kind returns log-odds (float64, n): positive for b as the server, negative for a, 0 for neither. Weights
are data: rules/roles.toml. To add a kind, write its function, name it in `Evidence` and list it in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from classifier.payload import ExpectedEndpoints
from classifier.ports.rules import Rules
from classifier.roles import payload_evidence
from classifier.roles import ports as port_tables
from classifier.roles.bitmaps import Counts
from classifier.roles.directory import Directory
from classifier.roles.flow_features import TCP, FlowFeatures, Mask, Numbers, once
from classifier.roles.peer_counts import PeerCounts
from classifier.roles.weights import weight, weights


class Evidence(StrEnum):
    """The kinds of evidence, by their names in reports."""

    HANDSHAKE = "handshake"
    PAYLOAD = "payload"
    ANNOUNCED = "announced"
    DIRECTORY = "directory"
    FAN_IN = "fan_in"
    PORTS = "ports"
    PORT_SEQUENCE = "port_sequence"
    ASKED = "asked"
    ICMP_UNREACHABLE = "icmp_unreachable"
    GROUP_ADDRESS = "group_address"
    FIRST_PACKET = "first_packet"
    WINDOW = "window"
    LAST_DATA = "last_data"


class Context(NamedTuple):
    """Inputs of evidence other than the flow itself."""

    rules: Rules
    survey: PeerCounts
    directory: Directory
    #: Endpoints that control connections announce.
    announced: ExpectedEndpoints
    #: Time of the capture's earliest packet.
    begin_ns: int
    udp_idle_ns: int
    tcp_idle_ns: int


Weigh = Callable[[FlowFeatures, Context], Numbers]


def payload(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh messages that only one side sends."""
    return payload_evidence.payload(ends, ports(ends, context))


def later_payload(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh them without each endpoint's first message."""
    return payload_evidence.later_payload(ends, ports(ends, context))


def announced(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh announcements of the endpoints by control connections."""
    return payload_evidence.announced(purposes(ends, context))


@once
def purposes(ends: FlowFeatures, context: Context) -> npt.NDArray[np.uint8]:
    """Return the purpose for which each endpoint was announced: `Announced` (2, n)."""
    return context.announced.purposes(ends.endpoints, ends.first_seen_ns)


def directory(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh the connections that each endpoint accepted in other flows; less if it also opened some."""
    once, per_doubling = weight("directory", "once"), weight("directory", "per_doubling")
    flows, calls = accepted_elsewhere(ends, context), calls_elsewhere(ends, context)
    listed = np.where(flows > 0, once + per_doubling * np.log2(np.maximum(flows, 1)), 0.0)
    return _b_over_a(np.minimum(listed, weight("directory", "most")) * flows / np.maximum(flows + calls, 1))


def fan_in(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh the number of peer ports of each endpoint, or of nearby ports: a server has many clients.

    It is zero for group addresses, and less for an endpoint that sends requests, or first, to its peers.
    """
    survey = context.survey
    per_doubling, most = weight("fan_in", "per_doubling"), weight("fan_in", "most")
    peers = (per_doubling * _doublings())[survey.peer_ports(ends)]
    around = (weight("fan_in", "scattered") * _doublings())[
        survey.scattered_callers(ends, likeness(ends, context))
    ]
    of_ends = np.maximum(peers, around)
    calls, flows = calls_elsewhere(ends, context).astype(float), accepted_elsewhere(ends, context)
    of_ends *= ~ends.groups * (1 - calls / np.maximum(calls + flows, 1)) * survey.addressed(ends)
    odds = np.clip(_b_over_a(of_ends), -most, most)
    return np.where(port_tables.callers(ends).any(axis=0), 0.0, odds)


@once
def ports(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh the two ports: by known services, and by client port ranges."""
    most, caller = weight("ports", "most"), weight("ports", "caller")
    by_range = np.where(
        ends.datagrams, *(weights()["ports"]["most_by_range"][name] for name in ("udp", "tcp"))
    )
    limit = np.where(port_tables.known(context.rules, ends), most, by_range)
    odds = np.clip(_b_over_a(likeness(ends, context)), -limit, limit)
    callers = port_tables.callers(ends)
    return np.where(callers.any(axis=0), caller * -_b_over_a(callers.astype(float)), odds)


def port_sequence(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh nearby ports in use on each endpoint's host: clients use consecutive ports, for few targets.

    Servers may have neighbouring ports too; then they have many peers, or some are proven servers.
    """
    survey = context.survey
    taken = np.maximum(np.log2((1 + survey.neighbours(ends).astype(float)) / survey.targets(ends)), 0)
    served = np.log2(1 + survey.served_neighbours(ends).astype(float))
    per_doubling, most = weight("port_sequence", "per_doubling"), weight("port_sequence", "most")
    of_ends = (weight("port_sequence", "served") * served - per_doubling * taken) * (ends.ports >= 1024)
    return np.clip(_b_over_a(of_ends), -most, most)


def asked(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh the requests of each endpoint in other flows, and sweeps by its host: signs of a client."""
    calls, flows = calls_elsewhere(ends, context).astype(float), accepted_elsewhere(ends, context)
    once, per_doubling = weight("asked", "once"), weight("asked", "per_doubling")
    called = np.where(calls > 0, once + per_doubling * np.log2(np.maximum(calls, 1)), 0.0)
    called = (
        np.minimum(called, weight("asked", "most"))
        * np.maximum(calls - flows, 0)
        / np.maximum(flows + calls, 1)
    )
    surely, perhaps = sweeps_of(ends, context)
    sweeps = np.where(surely, weight("asked", "sweep"), np.where(perhaps, weight("asked", "mirrored"), 0.0))
    return -_b_over_a(np.maximum(called, sweeps))


def icmp_unreachable(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh ICMP errors: a closed port is a server's if it was contacted, a client's if it had sent first."""
    closed = weight("icmp_unreachable", "closed") * _sign(ends.handshakes.closed)
    gone = weight("icmp_unreachable", "gone") * _sign(ends.handshakes.gone)
    odds: Numbers = closed - gone
    return odds


def group_address(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh multicast and broadcast addresses, which receive requests or announcements, and never send."""
    tells, announces = context.survey.tells_group(ends, likeness(ends, context))
    asked, announced = weight("group_address", "asked"), weight("group_address", "announces")
    return _b_over_a(np.where(ends.groups & ~tells[::-1], asked, 0.0) + announced * announces)


def first_packet(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh the sender of the first packet, without a SYN: the client, if it is the flow's first packet."""
    sure = began_inside(ends, context)
    names = ("udp_sure", "udp_unsure", "tcp_sure", "tcp_unsure")
    udp_sure, udp_unsure, tcp_sure, tcp_unsure = (weight("first_packet", name) for name in names)
    udp, tcp = np.where(sure, udp_sure, udp_unsure), np.where(sure, tcp_sure, tcp_unsure)
    odds = np.where(ends.datagrams, udp, np.where(ends.handshakes.initiator < 0, tcp, 0.0))
    return np.where(ends.first_from_b, -odds, odds)


def window(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh the first TCP windows: Linux uses different ones for accepted and for opened connections."""
    return _b_over_a(window_likeness(ends))


def last_data(ends: FlowFeatures, context: Context) -> Numbers:
    """Weigh the sender of the last data in a short exchange: the answer comes last, unless both ask."""
    speaks = (ends.handshakes.initiator < 0) & ~(ends.said.client > 0).all(axis=0)
    speaks &= ends.packets.sum(axis=0) <= weight("last_data", "most_packets")
    return weight("last_data", "spoke") * _sign(ends.spoke_last) * speaks


def silent(ends: FlowFeatures, context: Context) -> Numbers:
    """Return zeros: no evidence."""
    return np.zeros(len(ends.proto))


class Kind(NamedTuple):
    """A kind of evidence."""

    weigh: Weigh
    #: The weight if the capture had started after the flow began; None: the same.
    late: Weigh | None = None


#: The kinds that are weighed where no handshake decides.
KINDS: dict[Evidence, Kind] = {
    Evidence.PAYLOAD: Kind(payload, late=later_payload),
    Evidence.ANNOUNCED: Kind(announced),
    Evidence.DIRECTORY: Kind(directory),
    Evidence.FAN_IN: Kind(fan_in),
    Evidence.PORTS: Kind(ports),
    Evidence.PORT_SEQUENCE: Kind(port_sequence),
    Evidence.ASKED: Kind(asked),
    Evidence.ICMP_UNREACHABLE: Kind(icmp_unreachable),
    Evidence.GROUP_ADDRESS: Kind(group_address),
    Evidence.FIRST_PACKET: Kind(first_packet, late=silent),
    Evidence.WINDOW: Kind(window, late=silent),
    Evidence.LAST_DATA: Kind(last_data),
}


@cache
def _doublings() -> npt.NDArray[np.float16]:
    """Return the binary logarithm of each count from 0 to 255, as 0 for 0 (256)."""
    doublings: npt.NDArray[np.float16] = np.log2(np.maximum(np.arange(256, dtype=np.uint8), 1))
    return doublings


def window_likeness(ends: FlowFeatures) -> Numbers:
    """Return the log-odds of each endpoint's first window: positive for a server (2, n)."""
    ip6 = (ends.facts["ip_version"].to_numpy() == 6).astype(np.intp)
    odds: Numbers = np.where(ends.proto == TCP, _windows()[ip6, ends.windows], 0.0)
    return odds


@cache
def _windows() -> Numbers:
    """Return these log-odds for every window over IPv4, and over IPv6 (2, 65,536)."""
    table = np.zeros((2, 1 << 16))
    for row, version in zip(table, ("ip4", "ip6"), strict=True):
        row[weights()["window"][version]["servers"]] = weight("window", "server")
        row[weights()["window"][version]["clients"]] = -weight("window", "client")
    return table


def began_inside(ends: FlowFeatures, context: Context) -> Mask:
    """Return whether a flow certainly began inside the capture: over an idle timeout after its start (n)."""
    idle_ns = np.where(ends.datagrams, context.udp_idle_ns, context.tcp_idle_ns)
    return np.asarray(ends.first_seen_ns - context.begin_ns > idle_ns)


def began_unseen(ends: FlowFeatures, context: Context) -> Mask:
    """Return whether the beginning of each of n flows may have been missed."""
    unseen = np.where(ends.datagrams, ~began_inside(ends, context), True)
    return np.asarray(~ends.handshakes.confirmed & unseen)


@once
def likeness(ends: FlowFeatures, context: Context) -> Numbers:
    """Return the log-odds of each endpoint's port being a server's (2, n)."""
    return port_tables.likeness(context.rules, ends)


@once
def sweeps_of(ends: FlowFeatures, context: Context) -> tuple[Mask, Mask]:
    """Return whether each endpoint's host sweeps the other's port or host: certainly, and possibly (2, n)."""
    return context.survey.sweeps.sweeps(ends, likeness(ends, context))


@once
def calls_elsewhere(ends: FlowFeatures, context: Context) -> Counts:
    """Return the number of endpoints that each sent requests to in other flows, up to 64 (2, n)."""
    return context.survey.calls(ends, likeness(ends, context))


@once
def accepted_elsewhere(ends: FlowFeatures, context: Context) -> npt.NDArray[np.int64]:
    """Return the number of other flows that prove each endpoint a server (2, n)."""
    own = ends.serving == np.array([[0], [1]])
    others: npt.NDArray[np.int64] = context.directory.flows(ends.endpoints) - own
    return others


def _b_over_a(of_ends: Numbers) -> Numbers:
    """Return the value of b minus that of a; (2, n) to (n)."""
    difference: Numbers = of_ends[1] - of_ends[0]
    return difference


def _sign(end: npt.NDArray[np.int8]) -> Numbers:
    """Map endpoints 0 (a), 1 (b) and -1 (neither) to -1, 1 and 0."""
    signs: Numbers = np.array([-1.0, 1.0, 0.0])[end]  # index -1 is the last
    return signs
