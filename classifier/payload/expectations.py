"""Expected connections: endpoints that control connections announce, and the services of their flows."""

from __future__ import annotations

from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.flows.hashing import Hashes, HashIndex

#: Maximum time from the last packet of the announcing flow to the start of the announced one.
PATIENCE_NS = 60_000_000_000
#: Bytes of a packed endpoint: purpose, transport, port, address.
_BYTES = 20
_MAPPED = bytes(10) + b"\xff\xff"
Times = npt.NDArray[np.int64]


class Purpose(IntEnum):
    """The purpose of an announced endpoint."""

    NOTHING = 0
    #: A peer will connect to it.
    FTP_DATA = 1
    #: It sent a request, and will be answered from a new port.
    TFTP = 2
    #: Media of a call; both sides announce theirs.
    MEDIA = 3
    #: A program or interface, according to portmap or the DCE/RPC endpoint mapper.
    ONC_RPC = 4
    DCE_RPC = 5


#: Service of flows with such an endpoint. `SIDES`: 1 if it is the server's, -1 the client's.
SERVICES = {
    Purpose.FTP_DATA: "ftp-data",
    Purpose.TFTP: "tftp",
    Purpose.MEDIA: "rtp",
    Purpose.ONC_RPC: "onc-rpc",
    Purpose.DCE_RPC: "dce-rpc",
}
#: Purposes where the payload is more specific than the announcement.
CARRIERS = (Purpose.ONC_RPC, Purpose.DCE_RPC)
SIDES = {
    Purpose.FTP_DATA: 1,
    Purpose.TFTP: -1,
    Purpose.MEDIA: 0,
    Purpose.ONC_RPC: 1,
    Purpose.DCE_RPC: 1,
}


class Packed(NamedTuple):
    """Announced endpoints (m), as columns."""

    purpose: npt.NDArray[np.uint8]
    proto: npt.NDArray[np.uint8]
    port: npt.NDArray[np.uint16]
    ip_version: pa.Array
    address: pa.Array
    network_id: pa.Array
    first_ns: Times
    last_ns: Times


def unpack(facts: pa.RecordBatch) -> Packed | None:
    """Return the endpoints that n flows announce; None if none."""
    announced = facts["announced"]
    counts = announced.value_lengths().to_numpy()
    if not counts.any():
        return None
    flow = np.repeat(np.arange(len(counts)), counts)
    flat = announced.flatten()
    raw = np.frombuffer(flat.buffers()[1], dtype=np.uint8)[flat.offset * _BYTES :]
    octets = raw[: len(flat) * _BYTES].reshape(-1, _BYTES)
    address = np.ascontiguousarray(octets[:, 4:])
    four = (address[:, :12] == np.frombuffer(_MAPPED, np.uint8)).all(axis=1)
    addresses = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(address), [None, pa.py_buffer(address.tobytes())]
    )
    return Packed(
        purpose=octets[:, 0],
        proto=octets[:, 1],
        port=np.ascontiguousarray(octets[:, 2:4]).view(">u2")[:, 0].astype(np.uint16),
        ip_version=pa.array(np.where(four, 4, 6).astype(np.uint8)),
        address=addresses,
        network_id=facts["network_id"].take(pa.array(flow)),
        first_ns=facts["first_seen_ns"].to_numpy()[flow],
        last_ns=facts["last_seen_ns"].to_numpy()[flow],
    )


class ExpectedEndpoints:
    """The endpoints that flows announce, independent of the order in which they are added."""

    def __init__(self) -> None:
        self._pieces: list[tuple[Hashes, npt.NDArray[np.uint8], Times, Times]] = []

    def add(self, keys: Hashes, packed: Packed) -> None:
        """Add m endpoints, keyed like the endpoints of flows."""
        self._pieces.append((keys, packed.purpose, packed.first_ns, packed.last_ns))
        self.__dict__.pop("_merged", None)

    def __len__(self) -> int:
        """Return the number of announcements."""
        return sum(len(keys) for keys, *_ in self._pieces)

    def purposes(self, keys: Hashes, first_seen_ns: Times) -> npt.NDArray[np.uint8]:
        """Return the purpose for which each endpoint of n flows was announced: `Purpose` (2, n)."""
        index, purpose, first_ns, last_ns = self._merged
        purposes = np.zeros(keys.shape, dtype=np.uint8)
        place, announced = index.find(keys)
        place, seen_ns = place[announced], np.broadcast_to(first_seen_ns, keys.shape)[announced]
        in_time = (seen_ns >= first_ns[place]) & (seen_ns <= last_ns[place] + PATIENCE_NS)
        purposes[announced] = np.where(in_time, purpose[place], 0)
        return purposes

    @cached_property
    def _merged(self) -> tuple[HashIndex, npt.NDArray[np.uint8], Times, Times]:
        """Each endpoint once, by key, with the times of its first and last announcement."""
        none = (
            np.empty(0, np.uint64),
            np.empty(0, np.uint8),
            np.empty(0, np.int64),
            np.empty(0, np.int64),
        )
        columns = [np.concatenate(pieces) for pieces in zip(none, *self._pieces, strict=True)]
        order = np.lexsort((columns[2], columns[1], columns[0]))
        keys, purpose, first_ns, last_ns = (column[order] for column in columns)
        if not len(keys):
            return HashIndex(keys), purpose, first_ns, last_ns
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        return (
            HashIndex(keys[starts]),
            purpose[starts],
            np.minimum.reduceat(first_ns, starts),
            np.maximum.reduceat(last_ns, starts),
        )
