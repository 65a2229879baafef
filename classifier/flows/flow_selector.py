"""Select flows by flow id, or by their two endpoints."""

from __future__ import annotations

import re
from ipaddress import ip_address

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier import _meter
from classifier.errors import FlowError

_FLOW_ID = re.compile(r"(1:[A-Za-z0-9+/]+=*)@(-?\d+)(?:\.(\d+))?")
_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291 §2.5.5.2


class FlowSelector:
    """A selection of flows."""

    def __init__(self, text: str) -> None:
        """Parse `1:…@…`, or `10.0.0.1:1494-10.0.0.2:1080`, IPv6 in brackets; FlowError if it is neither.

        Spaces may replace the hyphen, or surround it.
        """
        if not isinstance(text, str):
            raise TypeError(
                f"a flow must be a string, its flow_id or its two endpoints, not {type(text).__name__}"
            )
        flow_id = _FLOW_ID.fullmatch(text)
        self._endpoints = None if flow_id else _endpoints(text)
        self._community_id, self._first_seen_ns, self._ordinal = "", 0, 0
        if flow_id:
            self._community_id, self._first_seen_ns = flow_id[1], int(flow_id[2])
            self._ordinal = int(flow_id[3] or 0)

    def among(self, facts: pa.RecordBatch) -> npt.NDArray[np.intp]:
        """Return the indices of the selected flows among n rows of flow facts."""
        if self._endpoints:
            one, other = self._endpoints
            return np.flatnonzero(_between(facts, one, other) | _between(facts, other, one))
        begins = facts["first_seen_ns"].to_numpy() == self._first_seen_ns
        rows = np.flatnonzero(begins & (facts["ordinal"].to_numpy() == self._ordinal))
        ids = pa.record_batch(_meter.community_ids(facts.take(pa.array(rows))))["community_id"]
        found: npt.NDArray[np.intp] = rows[pc.equal(ids, self._community_id).to_numpy(zero_copy_only=False)]
        return found


def is_end(text: str) -> bool:
    """Return whether a text is an address and a port."""
    try:
        _endpoint(text)
    except ValueError:
        return False
    return True


def _between(facts: pa.RecordBatch, a: tuple[bytes, int], b: tuple[bytes, int]) -> npt.NDArray[np.bool_]:
    mask = np.ones(facts.num_rows, dtype=bool)
    for side, (address, port) in (("a", a), ("b", b)):
        mask &= facts[f"port_{side}"].to_numpy() == port
        mask &= pc.equal(facts[f"addr_{side}"], pa.scalar(address, pa.binary(16))).to_numpy(
            zero_copy_only=False
        )
    return mask


def _endpoints(text: str) -> tuple[tuple[bytes, int], tuple[bytes, int]]:
    try:
        one, other = text.replace("-", " ").split()
        return _endpoint(one), _endpoint(other)
    except ValueError:
        raise FlowError(
            f"{text}: not a flow_id or two endpoints; write 10.0.0.1:1494-10.0.0.2:1080, IPv6 in brackets"
        ) from None


def _endpoint(text: str) -> tuple[bytes, int]:
    ip, colon, port = text.rpartition(":")
    if not colon or not 0 <= int(port) <= 0xFFFF:
        raise ValueError(text)
    address = ip_address(ip.removeprefix("[").removesuffix("]"))
    return (_MAPPED if address.version == 4 else b"") + address.packed, int(port)
