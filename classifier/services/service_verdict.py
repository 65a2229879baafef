"""What a recognised payload says of the service that a port promises: confirmed, or contradicted."""

from __future__ import annotations

from typing import NamedTuple

from classifier.payload import Certainty, Protocol
from classifier.ports.service import Rank, Service


class Spoken(NamedTuple):
    """What a flow is known to speak."""

    #: None: nothing was recognised.
    protocol: Protocol | None
    certainty: Certainty
    #: The service that the client's choice of application protocol names, or that a control connection
    #: announced; None for none.
    named: str | None
    #: It was announced: no port promises anything.
    announced: bool
    #: Its beginning wasn't seen: what it carries may be inside of what it began as.
    late: bool


SILENT = Spoken(None, Certainty.NONE, None, False, False)


class Verdict(NamedTuple):
    """What one flow carries."""

    service: str | None
    #: `user`, `payload`, `unofficial`, `official`; None where `service` is.
    source: str | None
    #: All that it could be, likeliest first.
    candidates: tuple[str, ...]
    #: What is expected at the port, where something else is spoken.
    expected: str | None = None


def verdict(
    here: tuple[Service, ...], there: tuple[Service, ...], undecided: bool, spoken: Spoken
) -> Verdict:
    """Name the service, given the candidates of the server's port and of the client's, and what is spoken.

    Where it is undecided which side is the server, both ports are candidates.
    """
    by_ports = _by_ports(here, there, undecided)
    if spoken.announced and spoken.named:
        known = (service.name for service in here if spoken.named in (*service.speaks, *service.carriers))
        return _first(next(known, spoken.named), "payload", by_ports)
    if spoken.protocol is None:
        return by_ports
    users = [service for service in here if service.status == "user"]
    if users:
        told = users[0].carriers or set(users[0].speaks) - users[0].names
        fits = _speaks(users[0], spoken.protocol) or spoken.protocol.name in users[0].carriers
        expected = users[0].name if told and not fits and _is_sure(spoken) else None
        return Verdict(by_ports.service, by_ports.source, by_ports.candidates, expected)
    confirmed = next((service for service in here if _speaks(service, spoken.protocol)), None)
    if confirmed is None and undecided:
        confirmed = next((service for service in there if _speaks(service, spoken.protocol)), None)
    if confirmed is not None:
        return _first(confirmed.name, "payload", by_ports)
    carried = (service for service in here if spoken.protocol.name in service.carriers)
    if not undecided and (rides := next(carried, None)) is not None:
        # Of a name by habit a carrier shows no more than that it may be right.
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
    """Whether it is sure enough to contradict, or to name what nothing else names."""
    return spoken.certainty >= Certainty.LIKELY


def expected_at(here: tuple[Service, ...]) -> str | None:
    """Return the service that is expected at a port; None where nothing else would be a surprise.

    Only a registered service that people meet is, and only where it is what people meet first.
    """
    best = here[0] if here else None
    return best.name if best and best.met and best.rank == Rank.OFFICIAL else None


def is_spoken_at(here: tuple[Service, ...], protocol: Protocol) -> bool:
    """Return whether a protocol is what runs at a port, or carries it."""
    return any(_speaks(service, protocol) or protocol.name in service.carriers for service in here)


def _is_met(here: tuple[Service, ...]) -> bool:
    """Return whether people meet a service at the port."""
    return any(service.met and service.rank < Rank.CONFLICT for service in here)


def _is_proxy(here: tuple[Service, ...]) -> bool:
    """Return whether what passes the port may be anything, once a proxy was asked for it."""
    return any(service.met and service.category == "proxy" for service in here)
