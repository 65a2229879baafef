"""Explain the evidence about one flow, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifier import payload
from classifier.handshake import Outcome
from classifier.roles import limits, summed, weigh
from classifier.roles import ports as port_tables
from classifier.roles.evidence import (
    KINDS,
    Context,
    Evidence,
    accepted_elsewhere,
    began_inside,
    calls_elsewhere,
    last_data,
    likeness,
    purposes,
    sweeps_of,
    window_likeness,
)
from classifier.roles.flow_features import FlowFeatures
from classifier.roles.weights import weight
from classifier.wording import counted


@dataclass(frozen=True, slots=True)
class Reason:
    """One piece of evidence about one flow."""

    evidence: Evidence
    #: The endpoint that it supports as the server: `a`, `b`; None: neither.
    server: str | None
    #: Log-odds, not negative; None for a handshake, which is proof.
    weight: float | None
    #: The observation, in words; `{a}` and `{b}` stand for the endpoints.
    seen: str


@dataclass(frozen=True, slots=True)
class Sum:
    """How the evidence about one flow adds up, for the server of the verdict."""

    #: Sum of the log-odds of all evidence.
    log_odds: float
    #: The sum is multiplied by `scale`, and then limited to `most`, for the reason `why`.
    scale: float
    most: float
    why: str
    #: Log-odds of the verdict: its confidence is 1 / (1 + e^-total).
    total: float


def add_up(ends: FlowFeatures, context: Context) -> Sum | None:
    """Return how the evidence about a single flow adds up; None where a handshake decides."""
    if ends.handshakes.confirmed[0]:
        return None
    odds, disputed = weigh(ends, context), ends.handshakes.disputed
    total = float(summed(odds, disputed)[0])
    return Sum(
        log_odds=float(odds.sum()) * (-1 if total < 0 else 1),
        scale=weight("verdict", "scale"),
        most=float(limits(disputed)[0]),
        why="the handshake is not conclusive" if disputed[0] else "only a handshake is certain",
        total=abs(total),
    )


def explain(ends: FlowFeatures, context: Context) -> list[Reason]:
    """Return the evidence for either endpoint of a single flow, strongest first."""
    reasons = []
    for kind, how in KINDS.items():
        odds = float(how.weigh(ends, context)[0])
        server = None if odds == 0 else "b" if odds > 0 else "a"
        if server or _SEEN[kind](ends, context):
            reasons.append(Reason(kind, server, abs(odds), _SEEN[kind](ends, context)))
    reasons.sort(key=lambda reason: -(reason.weight or 0))
    return [*_handshake(ends), *reasons]


def settles(ends: FlowFeatures, context: Context) -> str:
    """Return what would resolve a single flow that no handshake decides."""
    inside = began_inside(ends, context)[0]
    if ends.datagrams[0]:
        return ("" if inside else "Start the capture before the flow: it shows who sent first. ") + _MORE
    return f"Capture from the start of the connection: its SYN and SYN+ACK prove who opened it. {_MORE}"


_MORE = "More flows of either endpoint help, in this capture or in an earlier one (--directory)."


#: Messages that open and accept a connection (S and h in the history), by IP protocol number.
_MESSAGES = {6: (" (SYN)", " (SYN+ACK)"), 33: (" (Request)", " (Response)"), 132: (" (INIT)", " (INIT-ACK)")}


def _handshake(ends: FlowFeatures) -> list[Reason]:
    shakes = ends.handshakes
    if shakes.initiator[0] < 0:
        return []
    initiator, target = ("{a}", "{b}") if shakes.initiator[0] == 0 else ("{b}", "{a}")
    outcome = shakes.outcome[0].as_py()
    if shakes.disputed[0]:
        seen = "incomplete handshake, not conclusive: simultaneous open, or an unsolicited answer"
        return [Reason(Evidence.HANDSHAKE, None, 0.0, seen)]
    if outcome in (Outcome.REFUSED, Outcome.UNANSWERED):
        answer = "refused" if outcome == Outcome.REFUSED else "did not answer"
        seen = f"{initiator} tried to open a connection, {target} {answer}"
    else:
        history = shakes.history(shakes.initiator == 1)[0].as_py()
        request, reply = _MESSAGES.get(int(ends.proto[0]), ("", ""))
        opened = f"{initiator} opened the connection{request if 'S' in history else ''}"
        seen = f"{opened}, {target} accepted{reply if 'h' in history else ''}"
    return [Reason(Evidence.HANDSHAKE, "b" if shakes.initiator[0] == 0 else "a", None, seen)]


def _of_ends(say: Callable[..., str], *values: Iterable[Any]) -> str:
    """Join the texts of the endpoints whose first value isn't zero; `say` gets the name and the values."""
    found_of = zip(("{a}", "{b}"), *values, strict=True)
    return "; ".join(say(*found) for found in found_of if found[1])


def _payload(ends: FlowFeatures, context: Context) -> str:
    said = payload.labels(ends.facts, payload.load())
    return _of_ends(lambda end, messages: f"{end} sent: {', '.join(messages)}", said)


def _announced(ends: FlowFeatures, context: Context) -> str:
    def say(end: str, purpose: int) -> str:
        return f"another flow announced {end} for {payload.expectations.SERVICES[payload.Purpose(purpose)]}"

    return _of_ends(say, purposes(ends, context)[:, 0])


def _directory(ends: FlowFeatures, context: Context) -> str:
    served, one = ("answered in", "other flow") if ends.datagrams[0] else ("accepted", "other connection")

    def say(end: str, flows: int, calls: int) -> str:
        opened = f", and opened connections to {counted(calls, 'other')}" if calls else ""
        return f"{end} {served} {counted(flows, one)}{opened}"

    return _of_ends(say, accepted_elsewhere(ends, context)[:, 0], calls_elsewhere(ends, context)[:, 0])


def _fan_in(ends: FlowFeatures, context: Context) -> str:
    a, b = context.survey.peer_ports(ends)[:, 0]
    around = context.survey.scattered_callers(ends, likeness(ends, context))[:, 0]
    seen = [f"distinct client ports that contacted {{a}}: {a}, {{b}}: {b}"] if max(a, b) > 1 else []
    seen += [f"{{{end}}} and nearby ports: {n}" for end, n in zip("ab", around, strict=True) if n > 1]
    return "; ".join(seen)


def _ports(ends: FlowFeatures, context: Context) -> str:
    a, b = likeness(ends, context)[:, 0]
    if port_tables.callers(ends)[:, 0].any():
        return f"connections are opened from port {ends.ports[port_tables.callers(ends)][0]}"
    most = weight("ports", "most")
    limited = f"; limited to {most:.1f}" if abs(b - a) > most else ""
    return f"server log-odds: port {ends.ports[0, 0]} {a:+.3f}, port {ends.ports[1, 0]} {b:+.3f}{limited}"


def _port_sequence(ends: FlowFeatures, context: Context) -> str:
    survey = context.survey

    def say(end: str, others: int, targets: float, served: int) -> str:
        proven = f", {served:,} of them proven {'server' if served == 1 else 'servers'}" if served else ""
        return f"{counted(1 + others, 'port')} near {end} in use, to about {targets:.0f} peer ports{proven}"

    others, served = survey.neighbours(ends)[:, 0], survey.served_neighbours(ends)[:, 0]
    return _of_ends(say, others | served, survey.targets(ends)[:, 0], served)


def _asked(ends: FlowFeatures, context: Context) -> str:
    calls = calls_elsewhere(ends, context)[:, 0]
    sweeps = np.logical_or(*sweeps_of(ends, context))[:, 0]

    def say(end: str, asked: bool, calls: int, sweeps: bool) -> str:
        how = [f"sent requests to {counted(calls, 'other endpoint')}"] if calls else []
        return f"{end}: {' and '.join([*how, 'its host sweeps the other'] if sweeps else how)}"

    return _of_ends(say, (calls > 0) | sweeps, calls, sweeps)


def _icmp_unreachable(ends: FlowFeatures, context: Context) -> str:
    for found, words in (
        (ends.handshakes.closed[0], "never sent anything"),
        (ends.handshakes.gone[0], "had sent before"),
    ):
        if found >= 0:
            return f"ICMP: {{{'ab'[found]}}} unreachable; it {words}"
    return ""


def _group_address(ends: FlowFeatures, context: Context) -> str:
    tells = context.survey.tells_group(ends, likeness(ends, context))[0][::-1, 0]

    def say(end: str, group: bool, announces: bool) -> str:
        return f"{end} is a group address, which receives {'announcements' if announces else 'requests'}"

    return _of_ends(say, ends.groups[:, 0], tells)


def _first_packet(ends: FlowFeatures, context: Context) -> str:
    if ends.handshakes.initiator[0] >= 0:
        return ""
    sender = "{b}" if ends.first_from_b[0] else "{a}"
    how = (
        "the flow began inside the capture"
        if began_inside(ends, context)[0]
        else "it may have begun before the capture"
    )
    return f"{sender} sent the first packet seen; {how}"


def _window(ends: FlowFeatures, context: Context) -> str:
    def say(end: str, odds: float, size: int) -> str:
        return f"{end} began with window {size}, as Linux {'servers' if odds > 0 else 'clients'} do"

    return _of_ends(say, window_likeness(ends)[:, 0], ends.windows[:, 0])


def _last_data(ends: FlowFeatures, context: Context) -> str:
    last = ends.spoke_last[0]
    return f"{{{'ab'[last]}}} sent the last data" if last_data(ends, context)[0] else ""


_SEEN: dict[Evidence, Callable[[FlowFeatures, Context], str]] = {
    Evidence.PAYLOAD: _payload,
    Evidence.ANNOUNCED: _announced,
    Evidence.DIRECTORY: _directory,
    Evidence.FAN_IN: _fan_in,
    Evidence.PORTS: _ports,
    Evidence.PORT_SEQUENCE: _port_sequence,
    Evidence.ASKED: _asked,
    Evidence.ICMP_UNREACHABLE: _icmp_unreachable,
    Evidence.GROUP_ADDRESS: _group_address,
    Evidence.FIRST_PACKET: _first_packet,
    Evidence.WINDOW: _window,
    Evidence.LAST_DATA: _last_data,
}
