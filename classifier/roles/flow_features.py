"""The features of many flows as numpy arrays, from which evidence is weighed.

Arrays of shape (2, n) hold a value for endpoint a and one for endpoint b of each of n flows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows.addresses import is_group
from classifier.flows.hashing import Hashes, address_words, mixed
from classifier.handshake import Handshakes
from classifier.payload import PayloadFindings
from classifier.ports.service import PORTS

TCP, UDP, UDP_LITE = 6, 17, 136
Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Beside = ParamSpec("Beside")
Found = TypeVar("Found")


def host_hashes(ip_version: pa.Array, address: pa.Array, network_id: pa.Array) -> Hashes:
    """Return hashes of n addresses with their virtual networks."""
    network = network_id.to_numpy().astype(np.uint64) << np.uint64(8)
    return mixed([network | ip_version.to_numpy().astype(np.uint64), *address_words(address)])


def endpoint_hashes(hosts: Hashes, proto: npt.NDArray[np.uint8], ports: npt.NDArray[np.uint16]) -> Hashes:
    """Return hashes of hosts (…, n) with transports (n) and ports (…, n)."""
    return mixed([hosts, proto.astype(np.uint64) << np.uint64(16) | ports])


@dataclass(frozen=True)
class FlowFeatures:
    """The features of n flows."""

    facts: pa.RecordBatch
    handshakes: Handshakes
    said: PayloadFindings
    #: Cache of `once`.
    kept: dict[Any, Any] = field(default_factory=dict)

    def unanswered(self, where: Mask) -> FlowFeatures:
        """Return a copy with the outcome `unanswered` for some rows (n), as other flows show."""
        ends = replace(self, handshakes=self.handshakes.unanswered(where))
        found = self.__dict__ | ends.__dict__
        found.pop("attempts", None)  # no other cached feature depends on the outcome
        ends.__dict__.update(found)
        return ends

    @cached_property
    def proto(self) -> npt.NDArray[np.uint8]:
        """IP protocol numbers (n)."""
        return np.asarray(self.facts["proto"].to_numpy())

    @cached_property
    def datagrams(self) -> Mask:
        """True for transports without connections (n)."""
        return np.isin(self.proto, [UDP, UDP_LITE])

    @cached_property
    def ports(self) -> npt.NDArray[np.uint16]:
        """Ports (2, n)."""
        return np.stack([self.facts["port_a"].to_numpy(), self.facts["port_b"].to_numpy()])

    @cached_property
    def port_places(self) -> npt.NDArray[np.intp]:
        """Indices of the ports in a table of TCP's ports, followed by those of other transports (2, n)."""
        return self.ports.astype(np.intp) + np.where(self.proto == TCP, 0, PORTS)

    @cached_property
    def hosts(self) -> Hashes:
        """Hashes of address and virtual network (2, n)."""
        version, network = self.facts["ip_version"], self.facts["network_id"]
        return np.stack([host_hashes(version, self.facts[end], network) for end in ("addr_a", "addr_b")])

    @cached_property
    def endpoints(self) -> Hashes:
        """Hashes of host, transport and port (2, n)."""
        return endpoint_hashes(self.hosts, self.proto, self.ports)

    @cached_property
    def unprivileged(self) -> Mask:
        """True for ports that need no privileges, as client ports do (2, n)."""
        return self.ports >= 1024

    @cached_property
    def groups(self) -> Mask:
        """True for multicast and broadcast addresses, which never send (2, n)."""
        version = self.facts["ip_version"]
        return np.stack([is_group(self.facts[end], version) for end in ("addr_a", "addr_b")])

    @cached_property
    def sent(self) -> Mask:
        """True for endpoints that sent anything (2, n)."""
        return self.packets > 0

    @property
    def took_part(self) -> Mask:
        """True for endpoints that sent something other than a RST, or whose peer shows so (2, n)."""
        return self.handshakes.took_part

    @cached_property
    def packets(self) -> npt.NDArray[np.uint64]:
        """Packets sent by each endpoint (2, n)."""
        return np.stack([self.facts[end].to_numpy() for end in ("packets_ab", "packets_ba")])

    @cached_property
    def first_from_b(self) -> Mask:
        """True where b sent the earliest packet (n)."""
        return np.asarray(self.facts["first_from_b"].to_numpy(zero_copy_only=False))

    @cached_property
    def first_seen_ns(self) -> npt.NDArray[np.int64]:
        """Time of the earliest packet (n)."""
        return np.asarray(self.facts["first_seen_ns"].to_numpy())

    @cached_property
    def attempts(self) -> Mask:
        """True for failed attempts and disputed handshakes, which are no evidence for other flows (n)."""
        return self.handshakes.attempted | self.handshakes.disputed

    @cached_property
    def server(self) -> npt.NDArray[np.int8]:
        """The endpoint that a handshake proves to be the server: 0, 1, or -1 for none (n)."""
        initiator = self.handshakes.initiator
        return np.where(self.handshakes.confirmed, 1 - initiator, -1).astype(np.int8)

    @cached_property
    def answered(self) -> npt.NDArray[np.int8]:
        """The endpoint that answers the other's requests, over UDP: 0, 1, or -1 for none (n).

        Requests and answers are messages that certainly only clients, or only servers, send; peers send both.
        """
        return np.where(self.datagrams, self.said.answers, np.int8(-1))

    @cached_property
    def called(self) -> npt.NDArray[np.int8]:
        """The target of a connection or request, by a handshake or an answer: 0, 1, or -1 for none (n)."""
        return np.where(self.server >= 0, self.server, self.answered)

    @cached_property
    def serving(self) -> npt.NDArray[np.int8]:
        """The endpoint proven to be a server, as it accepted or answered: 0, 1, or -1 for none (n)."""
        return np.where(self.handshakes.accepted, self.called, self.answered)

    @cached_property
    def windows(self) -> npt.NDArray[np.uint16]:
        """Window of each endpoint's first segment with ACK, unscaled; 0 for none (2, n)."""
        names = ("first_window_a", "first_window_b")
        return np.stack([self.facts[name].fill_null(0).to_numpy() for name in names])

    @cached_property
    def spoke_last(self) -> npt.NDArray[np.int8]:
        """The endpoint that sent the last payload seen: 0, 1, or -1 for none (n)."""
        return np.asarray(pc.fill_null(self.facts["last_data_from_b"].cast(pa.int8()), -1).to_numpy())


def once(
    find: Callable[Concatenate[FlowFeatures, Beside], Found],
) -> Callable[Concatenate[FlowFeatures, Beside], Found]:
    """Cache a function's result with the flows, for several kinds of evidence."""

    @wraps(find)
    def kept(ends: FlowFeatures, /, *beside: Beside.args, **named: Beside.kwargs) -> Found:
        key = find, *map(id, beside)
        if key not in ends.kept:  # the other arguments are kept, so that no other object gets their id
            ends.kept[key] = find(ends, *beside, **named), beside
        found: Found = ends.kept[key][0]
        return found

    return kept
