"""Addresses as text, whole columns at a time."""

from __future__ import annotations

from ipaddress import IPv6Address

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_OCTETS = np.array([str(i) for i in range(256)], dtype=object)


def texts(address: pa.Array, ip_version: pa.Array) -> pa.Array:
    """Return n addresses (16 bytes, IPv4 mapped) as n strings: dotted IPv4, RFC 5952 IPv6."""
    raw = octets(address)
    four = ip_version.to_numpy() == 4
    text = np.empty(len(raw), dtype=object)
    if four.any():
        a, b, c, d = (pa.array(_OCTETS[raw[four, i]], pa.string()) for i in range(12, 16))
        text[four] = pc.binary_join_element_wise(a, b, c, d, ".").to_numpy(zero_copy_only=False)
    if not four.all():
        unique, place = np.unique(raw[~four], axis=0, return_inverse=True)
        names = np.array([str(IPv6Address(row.tobytes())) for row in unique], dtype=object)
        text[~four] = names[place.reshape(-1)]
    return pa.array(text, pa.string())


def octets(address: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the bytes of n addresses as an array of shape (n, 16)."""
    data = np.frombuffer(address.buffers()[1], dtype=np.uint8)
    return data[address.offset * 16 : (address.offset + len(address)) * 16].reshape(-1, 16)


def is_group(address: pa.Array, ip_version: pa.Array) -> npt.NDArray[np.bool_]:
    """Whether each of n addresses is multicast or the limited broadcast: nobody's own."""
    raw = octets(address)
    four = ip_version.to_numpy() == 4
    broadcast = raw.view(np.uint32)[:, 3] == 0xFFFF_FFFF
    multicast = np.where(four, (raw[:, 12] & 0xF0) == 0xE0, raw[:, 0] == 0xFF)
    group: npt.NDArray[np.bool_] = multicast | (four & broadcast)
    return group
