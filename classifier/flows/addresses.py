"""Conversion of address columns to text."""

from __future__ import annotations

from functools import cache, lru_cache
from ipaddress import IPv6Address
from struct import Struct

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_GROUPS, _SPELLED = Struct(">8H"), ":%x" * 8 + ":"
_MAPPED = bytes(10) + b"\xff\xff"
#: Runs of two or more zero groups, between colons, the longest first.
_ZEROS = tuple(":" + "0:" * groups for groups in range(8, 1, -1))


def texts(address: pa.Array, ip_version: pa.Array) -> pa.Array:
    """Return n addresses (16 bytes, IPv4 mapped) as n strings: dotted IPv4, RFC 5952 IPv6."""
    four = ip_version.to_numpy() == 4
    if four.all():
        return _dotted(octets(address))
    six = address.filter(pa.array(~four)).dictionary_encode()
    found = pa.concat_arrays(
        [_dotted(octets(address)[four]), pa.array([_hexadecimal(raw) for raw in six.dictionary.to_pylist()])]
    )
    place = np.empty(len(four), dtype=np.int64)
    place[four] = np.arange(np.count_nonzero(four))
    place[~four] = np.count_nonzero(four) + six.indices.to_numpy()
    return found.take(pa.array(place))


def _dotted(raw: npt.NDArray[np.uint8]) -> pa.Array:
    parts = (_octet_texts().take(pa.array(np.ascontiguousarray(raw[:, place]))) for place in range(12, 16))
    return pc.binary_join_element_wise(*parts, ".")


@cache
def _octet_texts() -> pa.Array:
    return pa.array([str(octet) for octet in range(256)])


@lru_cache(maxsize=1 << 16)
def _hexadecimal(raw: bytes) -> str:
    if raw.startswith(_MAPPED):
        return str(IPv6Address(raw))
    text = _SPELLED % _GROUPS.unpack(raw)
    for zeros in _ZEROS:
        before, found, behind = text.partition(zeros)
        if found:
            return f"{before[1:]}::{behind[:-1]}"
    return text[1:-1]


def octets(address: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the bytes of n addresses as an array of shape (n, 16)."""
    data = np.frombuffer(address.buffers()[1], dtype=np.uint8)
    return data[address.offset * 16 : (address.offset + len(address)) * 16].reshape(-1, 16)


def is_group(address: pa.Array, ip_version: pa.Array) -> npt.NDArray[np.bool_]:
    """Return whether each of n addresses is multicast or the limited broadcast, and so no host's own."""
    raw = octets(address)
    four = ip_version.to_numpy() == 4
    broadcast = raw.view(np.uint32)[:, 3] == 0xFFFF_FFFF
    multicast = np.where(four, (raw[:, 12] & 0xF0) == 0xE0, raw[:, 0] == 0xFF)
    group: npt.NDArray[np.bool_] = multicast | (four & broadcast)
    return group
