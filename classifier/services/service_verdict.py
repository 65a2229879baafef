"""Decide a flow's service from the port's candidates and the detected payload."""

from __future__ import annotations

from typing import NamedTuple

from classifier.payload import Certainty, Protocol
from classifier.ports.service import Rank, Service


class Spoken(NamedTuple):
    """The payload findings of a flow."""

    #: None if not recognised.
    protocol: Protocol | None
    certainty: Certainty
    #: The service named by the client's ALPN, or announced by a control connection; None if neither.
    named: str | None
    #: Its endpoint was announced, so that its port means nothing.
    announced: bool
    #: Its beginning was not captured: the detected protocol may run inside another one.
    late: bool


SILENT = Spoken(None, Certainty.NONE, None, False, False)


class Verdict(NamedTuple):
    """The service of a flow."""

    service: str | None
    #: `user`, `payload`, `unofficial`, `official`; None where `service` is.
    source: str | None
    #: All candidates, likeliest first.
    candidates: tuple[str, ...]
    #: The service expected at the port, where another protocol was detected.
    expected: str | None = None


def verdict(
    here: tuple[Service, ...], there: tuple[Service, ...], undecided: bool, spoken: Spoken
) -> Verdict:
    """Name the service, given the candidates at the server's and the client's port, and the findings.

    The client's port counts only where it is undecided which side is the server.
    """
    by_ports = _by_ports(here, there, undecided)
    if spoken.announced and spoken.named:
        known = (service.name for service in here if spoken.named in (*service.speaks, *service.carriers))
        return _first(next(known, spoken.named), "payload", by_ports)
    if spoken.protocol is None:
        return by_ports
    users = [service for service in here if service.status == "user"]
    if users:
        stated = users[0].carriers or set(users[0].speaks) - users[0].names
        fits = _speaks(users[0], spoken.protocol) or spoken.protocol.name in users[0].carriers
        expected = users[0].name if stated and not fits and _is_sure(spoken) else None
        return Verdict(by_ports.service, by_ports.source, by_ports.candidates, expected)
    confirmed = next((service for service in here if _speaks(service, spoken.protocol)), None)
    if confirmed is None and undecided:
        confirmed = next((service for service in there if _speaks(service, spoken.protocol)), None)
    if confirmed is not None:
        return _first(confirmed.name, "payload", by_ports)
    carried = (service for service in here if spoken.protocol.name in service.carriers)
    if not undecided and (rides := next(carried, None)) is not None:
        # For an unofficial name a carrier is consistent, but no confirmation.
        return _first(rides.name, "payload" if rides.status == "official" else "unofficial", by_ports)
    if not _is_sure(spoken):
        return by_ports
    if not undecided and spoken.late and (spoken.protocol.carrier or _is_proxy(here)) and _is_met(here):
        return by_ports
    expected = None if undecided else expected_at(here)
    return _first(spoken.named or spoken.protocol.service, "payload", by_ports, expected)


def _by_ports(here: tuple[Service, ...], there: tuple[Service, ...], undecided: bool) -> Verdict:
    names = tuple(dict.fromkeys(service.name for service in (*here, *there)))
    best = here[0] if here else None
    if best is None or best.unused or (undecided and (not there or there[0].name != best.name)):
        return Verdict(None, None, names)
    return Verdict(best.name, best.status if best.status in ("user", "official") else "unofficial", names)


def _first(service: str, source: str, by_ports: Verdict, expected: str | None = None) -> Verdict:
    return Verdict(service, source, tuple(dict.fromkeys((service, *by_ports.candidates))), expected)


def _speaks(service: Service, protocol: Protocol) -> bool:
    return not {protocol.name, protocol.service, *protocol.over}.isdisjoint(service.speaks)


def _is_sure(spoken: Spoken) -> bool:
    """Return whether the findings are certain enough to contradict the port or to name the service."""
    return spoken.certainty >= Certainty.LIKELY


def expected_at(here: tuple[Service, ...]) -> str | None:
    """Return the service expected at a port: the first candidate, if registered and in real use."""
    best = here[0] if here else None
    return best.name if best and best.met and best.rank == Rank.OFFICIAL else None


def is_spoken_at(here: tuple[Service, ...], protocol: Protocol) -> bool:
    """Return whether a protocol is a service at the port, or a carrier of one."""
    return any(_speaks(service, protocol) or protocol.name in service.carriers for service in here)


def _is_met(here: tuple[Service, ...]) -> bool:
    """Return whether a service in real use has the port."""
    return any(service.met and service.rank < Rank.CONFLICT for service in here)


def _is_proxy(here: tuple[Service, ...]) -> bool:
    """Return whether the port is a proxy's, which may carry any protocol."""
    return any(service.met and service.category == "proxy" for service in here)
