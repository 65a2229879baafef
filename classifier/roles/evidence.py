"""Each kind of evidence for the server side, as a function of many flows.

A kind returns log-odds (float64, n): above 0 it speaks for b being the server, below 0 for a, and 0
says nothing. Weights are data: rules/roles.toml. To add a kind, write its function, name it in
`Evidence` and list it in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from classifier.payload import Endpoints
from classifier.ports.rules import Rules
from classifier.roles import payload_evidence
from classifier.roles import ports as port_tables
from classifier.roles.bitmaps import Counts
from classifier.roles.directory import Directory
from classifier.roles.flow_features import TCP, Ends, Mask, Numbers, once
from classifier.roles.peer_counts import Survey
from classifier.roles.weights import weight, weights


class Evidence(StrEnum):
    """The kinds, by the names that reports use."""

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
    """What evidence may know beyond the flow itself."""

    rules: Rules
    survey: Survey
    directory: Directory
    #: Endpoints that control connections announce.
    announced: Endpoints
    #: Time of the capture's earliest packet.
    begin_ns: int
    udp_idle_ns: int
    tcp_idle_ns: int


Weigh = Callable[[Ends, Context], Numbers]


def payload(ends: Ends, context: Context) -> Numbers:
    """Weigh the messages that only one side sends."""
    return payload_evidence.payload(ends, ports(ends, context))


def later_payload(ends: Ends, context: Context) -> Numbers:
    """Do the same, leaving out each end's first message."""
    return payload_evidence.later_payload(ends, ports(ends, context))


def announced(ends: Ends, context: Context) -> Numbers:
    """Weigh what control connections told of the endpoints."""
    return payload_evidence.announced(purposes(ends, context))


@once
def purposes(ends: Ends, context: Context) -> npt.NDArray[np.uint8]:
    """Return what each end was announced for: `Announced` (2, n)."""
    return context.announced.purposes(ends.endpoints, ends.first_seen_ns)


def directory(ends: Ends, context: Context) -> Numbers:
    """Weigh what each endpoint has accepted in other flows; less, where it has also called."""
    once, per_doubling = weight("directory", "once"), weight("directory", "per_doubling")
    flows, calls = accepted_elsewhere(ends, context), calls_elsewhere(ends, context)
    listed = np.where(flows > 0, once + per_doubling * np.log2(np.maximum(flows, 1)), 0.0)
    return _b_over_a(np.minimum(listed, weight("directory", "most")) * flows / np.maximum(flows + calls, 1))


def fan_in(ends: Ends, context: Context) -> Numbers:
    """Weigh how many ports have talked to each end, or to those close to it: a server's many clients.

    It says nothing of a group address, and less of an end that asks, or speaks first to its peers.
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
def ports(ends: Ends, context: Context) -> Numbers:
    """Weigh the two ports: what is known to be served there, and where clients take theirs."""
    most, caller = weight("ports", "most"), weight("ports", "caller")
    by_range = np.where(
        ends.datagrams, *(weights()["ports"]["most_by_range"][name] for name in ("udp", "tcp"))
    )
    limit = np.where(port_tables.known(context.rules, ends), most, by_range)
    odds = np.clip(_b_over_a(likeness(ends, context)), -limit, limit)
    callers = port_tables.callers(ends)
    return np.where(callers.any(axis=0), caller * -_b_over_a(callers.astype(float)), odds)


def port_sequence(ends: Ends, context: Context) -> Numbers:
    """Weigh whether each end's host uses ports close by: clients take one after the other, for few targets.

    Servers stand side by side, too: then their peers are many, or some are proven to serve.
    """
    survey = context.survey
    taken = np.maximum(np.log2((1 + survey.neighbours(ends).astype(float)) / survey.targets(ends)), 0)
    served = np.log2(1 + survey.served_neighbours(ends).astype(float))
    per_doubling, most = weight("port_sequence", "per_doubling"), weight("port_sequence", "most")
    of_ends = (weight("port_sequence", "served") * served - per_doubling * taken) * (ends.ports >= 1024)
    return np.clip(_b_over_a(of_ends), -most, most)


def asked(ends: Ends, context: Context) -> Numbers:
    """Weigh what each endpoint asked in other flows, and whether its host sweeps the other's: a client."""
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


def icmp_unreachable(ends: Ends, context: Context) -> Numbers:
    """Weigh ICMP errors: a closed port that was called is a server's, one that had called is a client's."""
    closed = weight("icmp_unreachable", "closed") * _sign(ends.handshakes.closed)
    gone = weight("icmp_unreachable", "gone") * _sign(ends.handshakes.gone)
    odds: Numbers = closed - gone
    return odds


def group_address(ends: Ends, context: Context) -> Numbers:
    """Weigh multicast and broadcast addresses: they are asked, and never answer nor announce."""
    tells, announces = context.survey.tells_group(ends, likeness(ends, context))
    asked, announced = weight("group_address", "asked"), weight("group_address", "announces")
    return _b_over_a(np.where(ends.groups & ~tells[::-1], asked, 0.0) + announced * announces)


def first_packet(ends: Ends, context: Context) -> Numbers:
    """Weigh who spoke first where no SYN tells: the client does, if this was the first packet at all."""
    sure = began_inside(ends, context)
    names = ("udp_sure", "udp_unsure", "tcp_sure", "tcp_unsure")
    udp_sure, udp_unsure, tcp_sure, tcp_unsure = (weight("first_packet", name) for name in names)
    udp, tcp = np.where(sure, udp_sure, udp_unsure), np.where(sure, tcp_sure, tcp_unsure)
    odds = np.where(ends.datagrams, udp, np.where(ends.handshakes.initiator < 0, tcp, 0.0))
    return np.where(ends.first_from_b, -odds, odds)


def window(ends: Ends, context: Context) -> Numbers:
    """Weigh the first windows: Linux starts with another one when it accepts than when it calls."""
    return _b_over_a(window_likeness(ends))


def last_data(ends: Ends, context: Context) -> Numbers:
    """Weigh who spoke last in a short dialogue: the answer comes after the question, unless both ask."""
    speaks = (ends.handshakes.initiator < 0) & ~(ends.said.client > 0).all(axis=0)
    speaks &= ends.packets.sum(axis=0) <= weight("last_data", "most_packets")
    return weight("last_data", "spoke") * _sign(ends.spoke_last) * speaks


def silent(ends: Ends, context: Context) -> Numbers:
    """Say nothing."""
    return np.zeros(len(ends.proto))


class Kind(NamedTuple):
    """A kind of evidence."""

    weigh: Weigh
    #: What it would say had the capture come after the flow's beginning; None: the same.
    late: Weigh | None = None


#: All kinds that are weighed where no handshake decides.
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
    """Return how often 1 doubles up to each count, which is 255 at most (256)."""
    doublings: npt.NDArray[np.float16] = np.log2(np.maximum(np.arange(256, dtype=np.uint8), 1))
    return doublings


def window_likeness(ends: Ends) -> Numbers:
    """How much the first window of each end looks like that of a server, below 0 of a client (2, n)."""
    ip6 = (ends.facts["ip_version"].to_numpy() == 6).astype(np.intp)
    odds: Numbers = np.where(ends.proto == TCP, _windows()[ip6, ends.windows], 0.0)
    return odds


@cache
def _windows() -> Numbers:
    """The same of every window over IPv4, and over IPv6 (2, 65,536)."""
    table = np.zeros((2, 1 << 16))
    for row, version in zip(table, ("ip4", "ip6"), strict=True):
        row[weights()["window"][version]["servers"]] = weight("window", "server")
        row[weights()["window"][version]["clients"]] = -weight("window", "client")
    return table


def began_inside(ends: Ends, context: Context) -> Mask:
    """Whether the flow surely began inside the capture: not within an idle timeout of its start (n)."""
    idle_ns = np.where(ends.datagrams, context.udp_idle_ns, context.tcp_idle_ns)
    return np.asarray(ends.first_seen_ns - context.begin_ns > idle_ns)


def began_unseen(ends: Ends, context: Context) -> Mask:
    """Return whether the beginning of each of n flows may have been missed."""
    unseen = np.where(ends.datagrams, ~began_inside(ends, context), True)
    return np.asarray(~ends.handshakes.confirmed & unseen)


@once
def likeness(ends: Ends, context: Context) -> Numbers:
    """How much the port of each end looks like a server's (2, n)."""
    return port_tables.likeness(context.rules, ends)


@once
def sweeps_of(ends: Ends, context: Context) -> tuple[Mask, Mask]:
    """Return whether each end's host sweeps the other's port, or its host: surely, and perhaps (2, n)."""
    return context.survey.sweeps.sweeps(ends, likeness(ends, context))


@once
def calls_elsewhere(ends: Ends, context: Context) -> Counts:
    """How many endpoints each end has asked in other flows, up to 64 (2, n)."""
    return context.survey.calls(ends, likeness(ends, context))


@once
def accepted_elsewhere(ends: Ends, context: Context) -> npt.NDArray[np.int64]:
    """In how many flows each end has proven to serve, not counting this one (2, n)."""
    own = ends.serving == np.array([[0], [1]])
    others: npt.NDArray[np.int64] = context.directory.flows(ends.endpoints) - own
    return others


def _b_over_a(of_ends: Numbers) -> Numbers:
    """How much more of something b has than a; (2, n) to (n)."""
    difference: Numbers = of_ends[1] - of_ends[0]
    return difference


def _sign(end: npt.NDArray[np.int8]) -> Numbers:
    """1 for b, -1 for a, 0 for neither, of -1, 0 and 1."""
    signs: Numbers = np.array([-1.0, 1.0, 0.0])[end]  # -1 is the last
    return signs
