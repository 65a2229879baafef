"""Sweeps: a host that probes many targets without answers, as scanners and traceroute do.

A probe is a flow in which one endpoint sends a few datagrams, or segments without data and handshake, and the
other takes no part. A host sweeps if its probes, of similar size, go to one port of many hosts; or if they go
to many ports of one host, which refuses some, or where services are known. All others may be answers in a
capture of one direction only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifier.flows.hashing import Hashes, mixed
from classifier.roles.bitmaps import Bitmaps, of_ports, sixth
from classifier.roles.flow_features import TCP, FlowFeatures, Mask, Numbers
from classifier.roles.ports import callers
from classifier.roles.weights import weight

#: Kinds of keys in the table.
_TO_HOSTS, _TO_PORTS = np.uint64(1), np.uint64(2)
#: Size of the table of hosts, one byte each.
_HOSTS = 1 << 18


class Sweeps:
    """Counters of probes, by their sender, in the table of `beside`."""

    def __init__(self, beside: Bitmaps) -> None:
        self._asked, self._sizes, self._refused, self._known = (
            Bitmaps(beside, kind) for kind in range(16, 20)
        )
        #: True for hashes of hosts that sent probes; most hosts didn't, and need no lookup.
        self._asking = np.zeros(_HOSTS, dtype=bool)

    def add(self, ends: FlowFeatures, likeness: Numbers) -> None:
        """Count n flows; `likeness`: log-odds of each port being a server's (2, n)."""
        for end, lone in enumerate(_lone(ends)):
            other, rows = 1 - end, np.flatnonzero(lone)
            if not len(rows):
                continue
            hosts, ports = _keys(ends, end, rows)
            sizes, asked = _sizes(ends, end, rows), of_ports(ends.ports[other, rows])
            wide = (ends.ports[0, rows] != ends.ports[1, rows]) & ~callers(ends)[other, rows]
            refused = ends.sent[other, rows] | (ends.handshakes.closed[rows] == other)
            known = likeness[other, rows] >= weight("fan_in", "client_below")
            self._asking[_host_places(ends.hosts[end, rows])] = True
            self._add(hosts[wide], sixth(ends.hosts[other, rows[wide]]), sizes[wide])
            self._add(ports, asked, sizes)
            self._known.add(ports[known], asked[known])
            self._refused.add(ports[refused], np.zeros_like(ports[refused]))

    def sweeps(self, ends: FlowFeatures, likeness: Numbers) -> tuple[Mask, Mask]:
        """Return whether each host sweeps the other's port or host: certainly, and possibly (2, n)."""
        surely, perhaps = np.zeros_like(ends.sent), np.zeros_like(ends.sent)
        for end in (0, 1):
            rows = np.flatnonzero(self._asking[_host_places(ends.hosts[end])])
            hosts, ports = _keys(ends, end, rows)
            wide, deep = self._many(hosts), self._many(ports)
            alike = self._sizes.counts(hosts[wide]) <= weight("sweep", "most_sizes")
            surely[end, rows[wide][alike]] = True
            no_server = likeness[end, rows[deep]] < weight("fan_in", "client_below")
            surely[end, rows[deep]] |= self._proven(ports[deep], no_server)
            perhaps[end, rows[deep]] = no_server
        return surely, perhaps

    def _many(self, keys: Hashes) -> Mask:
        many: Mask = self._asked.counts(keys) >= weight("sweep", "targets")
        return many

    def _proven(self, ports: Hashes, no_server: Mask) -> Mask:
        """Return whether a host, probed at many ports, refused some or has known services there (m)."""
        known = self._known.counts(ports)
        share = weight("sweep", "known_share") * self._asked.counts(ports)
        services = (known >= weight("sweep", "known")) & (known >= share)
        proven: Mask = services | (no_server & (self._refused.sets(ports) != 0))
        return proven

    def in_vain(self, ends: FlowFeatures, sweeps: Mask) -> Mask:
        """Return whether each flow is a UDP probe by an endpoint that `sweeps` (n)."""
        vain: Mask = (sweeps & _lone(ends)).any(axis=0) & ends.datagrams
        return vain

    def _add(self, keys: Hashes, numbers: Hashes, sizes: Hashes) -> None:
        self._asked.add(keys, numbers)
        self._sizes.add(keys, sizes)


def _host_places(hosts: Hashes) -> npt.NDArray[np.intp]:
    return (hosts & np.uint64(_HOSTS - 1)).view(np.intp)


def _keys(ends: FlowFeatures, end: int, rows: npt.NDArray[np.intp]) -> tuple[Hashes, Hashes]:
    """Return the keys of an endpoint's host with the other's port, and with the other's host, of m rows."""
    host, other_host = ends.hosts[end, rows], ends.hosts[1 - end, rows]
    proto = ends.proto[rows].astype(np.uint64)
    port = proto << np.uint64(16) | ends.ports[1 - end, rows]
    return (
        mixed([host, port << np.uint64(8) | _TO_HOSTS]),
        mixed([host, other_host, proto << np.uint64(8) | _TO_PORTS]),
    )


def _lone(ends: FlowFeatures) -> Mask:
    """Return whether each endpoint sends, and the other takes no part except by RST or ICMP error (2, n)."""
    asks = ends.took_part & ~ends.took_part[::-1] & ~ends.groups[::-1]
    if not asks.any():
        return asks
    asks &= (ends.packets <= weight("sweep", "most_packets")) & (ends.said.server == 0)
    lone: Mask = asks & (ends.datagrams | ((ends.proto == TCP) & (ends.handshakes.initiator < 0)))
    return lone


def _sizes(ends: FlowFeatures, end: int, rows: npt.NDArray[np.intp]) -> Hashes:
    """Return hashes below 64 of the mean packet size of an endpoint, of m rows."""
    sent = ends.facts[("bytes_ab", "bytes_ba")[end]].to_numpy()[rows]
    mean = sent.astype(np.uint64) // np.maximum(ends.packets[end, rows], 1).astype(np.uint64)
    return sixth(mixed([mean]))
