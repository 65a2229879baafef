"""What service a flow carries: the decision table over the port's rules and the detected payload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from classifier.payload import Certainty, Protocol
from classifier.ports.service import Rank, Service


class Detected(NamedTuple):
    """What the payload of a flow shows."""

    #: None: no protocol was detected.
    protocol: Protocol | None
    certainty: Certainty
    #: The service named by the client's ALPN, or announced by a control connection; None if neither.
    named: str | None
    #: A control connection announced the endpoint, so its port has no expected service.
    announced: bool
    #: The beginning wasn't seen: the protocol may run inside the one that the flow began with.
    late: bool


SILENT = Detected(None, Certainty.NONE, None, False, False)


class ServiceVerdict(NamedTuple):
    """The service of a flow."""

    service: str | None
    #: `user`, `payload`, `unofficial`, `official`; None where `service` is.
    source: str | None
    #: Every service it could be, likeliest first.
    candidates: tuple[str, ...]
    #: The service expected at the port, where something else was detected.
    expected: str | None = None


@dataclass(frozen=True)
class _Flow:
    """What is known of a flow, and what follows from it alone."""

    #: Services of the server's port and of the client's, likeliest first.
    here: tuple[Service, ...]
    there: tuple[Service, ...]
    #: Which endpoint is the server is open: both ports count.
    undecided: bool
    spoken: Detected

    @cached_property
    def by_ports(self) -> ServiceVerdict:
        """The verdict without any payload."""
        names = tuple(dict.fromkeys(service.name for service in (*self.here, *self.there)))
        best = self.here[0] if self.here else None
        one_side = not self.undecided or bool(self.there and best and self.there[0].name == best.name)
        if best is None or best.unused or not one_side:
            return ServiceVerdict(None, None, names)
        source = best.status if best.status in ("user", "official") else "unofficial"
        return ServiceVerdict(best.name, source, names)

    @cached_property
    def user_rule(self) -> Service | None:
        """The user's own rule for the port."""
        return next((service for service in self.here if service.status == "user"), None)

    @cached_property
    def confirmed(self) -> Service | None:
        """The likeliest service of the ports that speaks the detected protocol."""
        ports = (*self.here, *self.there) if self.undecided else self.here
        protocol = self.spoken.protocol
        return next((service for service in ports if protocol and _speaks(service, protocol)), None)

    @cached_property
    def carried(self) -> Service | None:
        """The likeliest service of the server's port that rides on the detected carrier."""
        name = self.spoken.protocol.name if self.spoken.protocol and not self.undecided else None
        return next((service for service in self.here if name in service.carriers), None)

    @property
    def contradicts(self) -> bool:
        """True if the detection is certain enough to contradict the port or to name the service."""
        return self.spoken.certainty >= Certainty.LIKELY

    def named(self, service: str, source: str = "payload", expected: str | None = None) -> ServiceVerdict:
        """Return the verdict for a service, with the ports' candidates behind it."""
        names = tuple(dict.fromkeys((service, *self.by_ports.candidates)))
        return ServiceVerdict(service, source, names, expected)


def _is_announced(flow: _Flow) -> bool:
    return flow.spoken.announced and bool(flow.spoken.named)


def _announced(flow: _Flow) -> ServiceVerdict:
    named = flow.spoken.named or ""
    rules = (service.name for service in flow.here if named in (*service.speaks, *service.carriers))
    return flow.named(next(rules, named))


def _users(flow: _Flow) -> ServiceVerdict:
    """Keep the user's name; only a rule with `speaks` or `carriers` can be contradicted."""
    rule, protocol = flow.user_rule, flow.spoken.protocol
    assert rule and protocol
    is_specific = rule.carriers or set(rule.speaks) - rule.names
    fits = _speaks(rule, protocol) or protocol.name in rule.carriers
    expected = rule.name if is_specific and not fits and flow.contradicts else None
    return flow.by_ports._replace(expected=expected)


def _confirmed(flow: _Flow) -> ServiceVerdict:
    assert flow.confirmed
    return flow.named(flow.confirmed.name)


def _carried(flow: _Flow) -> ServiceVerdict:
    """Name the service that rides on the carrier: of a de-facto name that shows only that it may be right."""
    assert flow.carried
    return flow.named(flow.carried.name, "payload" if flow.carried.status == "official" else "unofficial")


def _other(flow: _Flow) -> ServiceVerdict:
    protocol = flow.spoken.protocol
    assert protocol
    expected = None if flow.undecided else expected_at(flow.here)
    return flow.named(flow.spoken.named or protocol.service, expected=expected)


def _is_inside(flow: _Flow) -> bool:
    """Return whether a late flow shows only a carrier, or what a proxy was asked for."""
    protocol = flow.spoken.protocol
    opaque = bool(protocol and protocol.carrier) or _is_proxy(flow.here)
    return not flow.undecided and flow.spoken.late and opaque and _is_met(flow.here)


class _Row(NamedTuple):
    """One row of the decision table."""

    reason: str
    applies: Callable[[_Flow], object]
    verdict: Callable[[_Flow], ServiceVerdict]


def _by_ports(flow: _Flow) -> ServiceVerdict:
    return flow.by_ports


#: The first row that applies decides.
_TABLE = (
    _Row("a control connection announced it", _is_announced, _announced),
    _Row("no protocol was detected", lambda flow: flow.spoken.protocol is None, _by_ports),
    _Row("the user has a rule for the port", lambda flow: flow.user_rule, _users),
    _Row("a service of the port speaks the protocol", lambda flow: flow.confirmed, _confirmed),
    _Row("a service of the port rides on the carrier", lambda flow: flow.carried, _carried),
    _Row("the detection is too weak to contradict", lambda flow: not flow.contradicts, _by_ports),
    _Row("a late flow: the protocol may run inside the service's", _is_inside, _by_ports),
    _Row("another protocol than the port's", lambda _: True, _other),
)


def verdict(
    here: tuple[Service, ...], there: tuple[Service, ...], undecided: bool, spoken: Detected
) -> ServiceVerdict:
    """Name the service, given the services of the server's port and of the client's, and what was detected.

    Where it is undecided which side is the server, both ports' services are candidates.
    """
    flow = _Flow(here, there, undecided, spoken)
    return next(row.verdict(flow) for row in _TABLE if row.applies(flow))


def _speaks(service: Service, protocol: Protocol) -> bool:
    return not {protocol.name, protocol.service, *protocol.over}.isdisjoint(service.speaks)


def expected_at(here: tuple[Service, ...]) -> str | None:
    """Return the service expected at a port: the first candidate, if registered and in real use."""
    best = here[0] if here else None
    return best.name if best and best.met and best.rank == Rank.OFFICIAL else None


def is_expected_at(here: tuple[Service, ...], protocol: Protocol) -> bool:
    """Return whether a protocol is a service at the port, or a carrier of one."""
    return any(_speaks(service, protocol) or protocol.name in service.carriers for service in here)


def _is_met(here: tuple[Service, ...]) -> bool:
    """Return whether a service in real use has the port."""
    return any(service.met and service.rank < Rank.CONFLICT for service in here)


def _is_proxy(here: tuple[Service, ...]) -> bool:
    """Return whether anything may pass the port, once a proxy was asked for it."""
    return any(service.met and service.category == "proxy" for service in here)
