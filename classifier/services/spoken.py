"""What a recognised payload says of the service that a port promises: confirmed, or contradicted."""

from __future__ import annotations

from typing import NamedTuple

from classifier.payload import Certainty, Protocol
from classifier.services.service import Rank, Service


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


SILENT = Spoken(None, Certainty.NONE, None, False)


class Verdict(NamedTuple):
    """What one flow carries."""

    service: str | None
    #: `user`, `payload`, `unofficial`, `official`; None where `service` is.
    source: str | None
    #: All that it could be, likeliest first.
    candidates: tuple[str, ...]
    #: The port promises something else than what is spoken.
    mismatch: bool = False


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
        mismatch = bool(told) and not fits and _is_sure(spoken)
        return Verdict(by_ports.service, by_ports.source, by_ports.candidates, mismatch)
    confirmed = next((service for service in here if _speaks(service, spoken.protocol)), None)
    if confirmed is None and undecided:
        confirmed = next((service for service in there if _speaks(service, spoken.protocol)), None)
    if confirmed is None:
        carried = (service for service in here if spoken.protocol.name in service.carriers)
        confirmed = None if undecided else next(carried, None)
    if confirmed is not None:
        return _first(confirmed.name, "payload", by_ports)
    if not _is_sure(spoken):
        return by_ports
    return _first(
        spoken.named or spoken.protocol.service,
        "payload",
        by_ports,
        mismatch=not undecided and _promises(here),
    )


def _by_ports(here: tuple[Service, ...], there: tuple[Service, ...], undecided: bool) -> Verdict:
    names = tuple(dict.fromkeys(service.name for service in (*here, *there)))
    best = here[0] if here else None
    if best is None or (undecided and (not there or there[0].name != best.name)):
        return Verdict(None, None, names)
    return Verdict(best.name, best.status if best.status in ("user", "official") else "unofficial", names)


def _first(service: str, source: str, by_ports: Verdict, *, mismatch: bool = False) -> Verdict:
    return Verdict(service, source, tuple(dict.fromkeys((service, *by_ports.candidates))), mismatch)


def _speaks(service: Service, protocol: Protocol) -> bool:
    return not {protocol.name, protocol.service, *protocol.over}.isdisjoint(service.speaks)


def _is_sure(spoken: Spoken) -> bool:
    """Whether it is sure enough to contradict, or to name what nothing else names."""
    return spoken.certainty >= Certainty.LIKELY


def _promises(here: tuple[Service, ...]) -> bool:
    """Whether the port promises anything: a service that people meet there, not just IANA's list names."""
    return any(service.met and service.rank < Rank.CONFLICT for service in here)
