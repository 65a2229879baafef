"""Sweeps: a host that asks many targets in vain, as scanners and traceroute do.

A lone question is a flow in which one end sends a few datagrams, or segments without data and handshake, and the
other takes no part. A host sweeps where such questions, alike in size, go to one port of many hosts, or to many
ports of one host. A mirror of one direction shows lone answers, too: those to many ports of one host count only
where the capture shows that something reaches the host that sends them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifier.flows.hashing import Hashes, mixed
from classifier.roles.bitmaps import Bitmaps, of_ports, sixth
from classifier.roles.ends import TCP, Ends, Mask, Numbers
from classifier.roles.ports import callers
from classifier.roles.weights import weight

#: What a key of the table is for.
_TO_HOSTS, _TO_PORTS = np.uint64(1), np.uint64(2)


class Sweeps:
    """Counters of lone questions, by the host that asks."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._asked = Bitmaps()
        self._sizes = Bitmaps()
        self._heard = Bitmaps()

    def add(self, ends: Ends, likeness: Numbers) -> None:
        """Count n flows; `likeness`: how much each end's port looks like a server's (2, n)."""
        lone, sizes = _lone(ends), _sizes(ends)
        for end in (0, 1):
            other = 1 - end
            hosts, ports = _keys(ends, end)
            where = lone[end]
            wide = where & (ends.ports[0] != ends.ports[1]) & ~callers(ends)[other]
            deep = where & (likeness[end] < weight("fan_in", "client_below"))
            for keys, numbers, counted in (
                (hosts, sixth(ends.hosts[other]), wide),
                (ports, of_ports(ends.ports[other]), deep),
            ):
                self._asked.add(keys[counted], numbers[counted])
                self._sizes.add(keys[counted], sizes[end][counted])
            heard = ends.sent[other] | (ends.handshakes.closed == other)
            self._heard.add(ends.hosts[end][heard], np.zeros(int(heard.sum()), np.uint64))

    def sweeps(self, ends: Ends) -> Mask:
        """Return whether each end's host sweeps the other's port on many hosts, or its host's ports (2, n)."""
        return np.stack([self._of(ends, end) for end in (0, 1)])

    def in_vain(self, ends: Ends) -> Mask:
        """Return whether each flow is a lone question of a sweep, in datagrams (n)."""
        vain: Mask = (self.sweeps(ends) & _lone(ends)).any(axis=0) & ends.datagrams
        return vain

    def _of(self, ends: Ends, end: int) -> Mask:
        hosts, ports = _keys(ends, end)
        heard = self._heard.sets(ends.hosts[end]) != 0
        found: Mask = self._many(hosts) | (self._many(ports) & heard)
        return found

    def _many(self, keys: Hashes) -> Mask:
        alike = self._sizes.counts(keys) <= weight("sweep", "most_sizes")
        many: Mask = alike & (self._asked.counts(keys) >= weight("sweep", "targets"))
        return many


def _keys(ends: Ends, end: int) -> tuple[Hashes, Hashes]:
    """Return keys for what an end's host asks at the other's port, and for what it asks the other's host (n)."""
    other = 1 - end
    proto = ends.proto.astype(np.uint64)
    port = proto << np.uint64(16) | ends.ports[other]
    return (
        mixed([ends.hosts[end], port << np.uint64(8) | _TO_HOSTS]),
        mixed([ends.hosts[end], ends.hosts[other], proto << np.uint64(8) | _TO_PORTS]),
    )


def _lone(ends: Ends) -> Mask:
    """Return whether each end asks, and the other takes no part: at most a RST or an ICMP error (2, n)."""
    asks = ends.took_part & ~ends.took_part[::-1] & ~ends.groups[::-1]
    asks &= (ends.packets <= weight("sweep", "most_packets")) & (ends.said.server == 0)
    lone: Mask = asks & (ends.datagrams | ((ends.proto == TCP) & (ends.handshakes.initiator < 0)))
    return lone


def _sizes(ends: Ends) -> npt.NDArray[np.uint64]:
    """Return the bytes of an end's packets, as a number below 64 (2, n)."""
    sent = np.stack([ends.facts[name].to_numpy() for name in ("bytes_ab", "bytes_ba")])
    mean = sent.astype(np.uint64) // np.maximum(ends.packets, 1).astype(np.uint64)
    return sixth(mixed([mean]))
