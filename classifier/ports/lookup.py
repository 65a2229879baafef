"""Rules as lookup arrays: one per transport, from port to the index of its candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from ipaddress import IPv4Network
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.addresses import octets
from classifier.ports.service import PORTS, TRANSPORTS, UDP_LITE, Network, Rank, Service

#: Prefix of an IPv4-mapped IPv6 address. RFC 4291 §2.5.5.2.
_MAPPED = bytes(10) + b"\xff\xff"


class PortStanding(IntEnum):
    """How strongly a rule for a port suggests a server there; higher is stronger."""

    #: No rule for the port.
    UNKNOWN = 0
    #: Only in IANA's registry. Client ports are registered too, so this is weak.
    REGISTERED = 1
    #: A service that is rare, conflicting, or historic.
    RARE = 2
    #: A service in real use.
    MET = 3
    #: The service in real use there, though unofficial (de facto).
    USUAL = 4
    #: A user's rule.
    USER = 5


_STANDING = {
    Rank.USER: PortStanding.USER,
    Rank.USUAL: PortStanding.USUAL,
    Rank.OFFICIAL: PortStanding.MET,
    Rank.UNOFFICIAL: PortStanding.MET,
    Rank.CONFLICT: PortStanding.RARE,
    Rank.HISTORIC: PortStanding.RARE,
}


class PortLookup:
    """Lookup arrays for columns of ports.

    `by_port` has the candidates of each (IP protocol, port), `bound` the services bound to some addresses.
    """

    def __init__(
        self, by_port: Mapping[tuple[int, int], tuple[Service, ...]], bound: Sequence[Service]
    ) -> None:
        self.candidates: list[tuple[Service, ...]] = [()]
        self.standing = np.zeros(1, dtype=np.uint8)
        self._place: dict[tuple[Service, ...], int] = {(): 0}
        #: Places by row and port; the first row is of transports without rules.
        self._table = np.zeros((1 + len(TRANSPORTS), PORTS), dtype=np.int32)
        self._row = np.zeros(256, dtype=np.int32)
        self._row[[*TRANSPORTS.values()]] = np.arange(1, len(self._table))
        self._row[UDP_LITE] = self._row[TRANSPORTS["udp"]]
        tables = dict(zip(TRANSPORTS.values(), self._table[1:], strict=True))
        for (proto, port), candidates in by_port.items():
            tables[proto][port] = self._add(candidates)
        #: Guards adding lists of candidates, which several threads may do.
        self._adding = Lock()
        self._standings()
        #: The widest network first, so that narrower ones win; likewise the file's first entry last.
        self._bound = sorted(
            ((service, network) for service in reversed(bound) for network in service.networks),
            key=lambda bound: _mapped(bound[1])[1],
        )

    def places(
        self, proto: npt.NDArray[np.uint8], port: npt.NDArray[np.uint16], address: pa.Array | None
    ) -> npt.NDArray[np.int32]:
        """Return for n transports and ports (and addresses) the index into `candidates`."""
        place: npt.NDArray[np.int32] = self._table.ravel().take(self._row.take(proto) * PORTS + port)
        if address is None:
            return place
        with self._adding:
            for service, network in self._bound:
                here = np.flatnonzero(_served(service, proto, port))
                here = here[_within(octets(address)[here], network)]
                for old in np.unique(place[here]):
                    same = here[place[here] == old]
                    rest = [other for other in self.candidates[old] if other is not service]
                    place[same] = self._add((service, *rest))
            self._standings()
        return place

    def _add(self, candidates: tuple[Service, ...]) -> int:
        place = self._place.setdefault(candidates, len(self.candidates))
        if place == len(self.candidates):
            self.candidates.append(candidates)
        return place

    def _standings(self) -> None:
        """Compute the standing of new lists of candidates."""
        new = [_standing(candidates) for candidates in self.candidates[len(self.standing) :]]
        self.standing = np.concatenate([self.standing, np.array(new, dtype=np.uint8)])


def _standing(candidates: tuple[Service, ...]) -> PortStanding:
    return max(
        [_STANDING[service.rank] if service.met else PortStanding.REGISTERED for service in candidates]
    )


def _served(
    service: Service, proto: npt.NDArray[np.uint8], port: npt.NDArray[np.uint16]
) -> npt.NDArray[np.bool_]:
    """Return for n transports and ports whether a service uses them."""
    proto = np.where(proto == UDP_LITE, TRANSPORTS["udp"], proto)
    found = np.zeros(len(port), dtype=bool)
    for number, first, last in service.spans:
        found |= (proto == number) & (port >= first) & (port <= last)
    return found


def _mapped(network: Network) -> tuple[bytes, int]:
    """Return a network's first address as IPv6, and the prefix length."""
    if isinstance(network, IPv4Network):
        return _MAPPED + network.network_address.packed, 96 + network.prefixlen
    return network.network_address.packed, network.prefixlen


def _within(addresses: npt.NDArray[np.uint8], network: Network) -> npt.NDArray[np.bool_]:
    """Return for n addresses, of shape (n, 16), whether they are in a network."""
    start, bits = _mapped(network)
    mask = ((1 << 128) - (1 << (128 - bits))).to_bytes(16)
    inside = ((addresses & np.frombuffer(mask, np.uint8)) == np.frombuffer(start, np.uint8)).all(axis=1)
    four = (addresses[:, :12] == np.frombuffer(_MAPPED, np.uint8)).all(axis=1)
    found: npt.NDArray[np.bool_] = inside & (four == isinstance(network, IPv4Network))
    return found
