"""Selection of flows: a condition, a time span, networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier.errors import FilterError
from classifier.flows.addresses import octets
from classifier.flows.table import SCHEMA, present
from classifier.traffic.aggregate import Mask
from classifier.traffic.judged import Judged
from classifier.traffic.where import BAR, Condition, moment, parse

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Selection:
    """Conditions that flows must all meet."""

    conditions: tuple[Condition, ...] = ()
    #: Flows that were active at or after `since_ns`, and before `until_ns`.
    since_ns: int | None = None
    until_ns: int | None = None
    #: Flows with either endpoint in one of them.
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def mask(self, judged: Judged, captures: list[str]) -> Mask:
        """Return whether each of n judged flows is selected."""
        wanted = np.ones(judged.num_rows, dtype=bool)
        if self.since_ns is not None:
            wanted &= judged["last_seen_ns"].to_numpy() >= self.since_ns
        if self.until_ns is not None:
            wanted &= judged["first_seen_ns"].to_numpy() < self.until_ns
        if self.networks:
            wanted &= np.logical_or.reduce([_within(judged, network) for network in self.networks])
        if self.conditions:
            rows = present(judged.batch(), captures)
            for condition in self.conditions:
                wanted &= _fulfilled(rows, condition)
        return wanted


def selection(
    where: str | None = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    net: str | Iterable[str] = (),
) -> Selection | None:
    """Parse a user's conditions; None if there are none. FilterError: one is invalid."""
    if where is None and since is None and until is None and not net:
        return None
    return Selection(
        conditions=() if where is None else (parse(where, SCHEMA, _names_of),),
        since_ns=_time_ns(since),
        until_ns=_time_ns(until),
        networks=tuple(_network(text) for text in ([net] if isinstance(net, str) else net)),
    )


def _names_of(name: str) -> frozenset[str]:
    """Return the services that a name may refer to."""
    from classifier.ports.rules import Rules  # slow, and most conditions don't need it

    return Rules.load().names_of(name)


def _time_ns(time: str | datetime | None) -> int | None:
    if time is None:
        return None
    try:
        found = moment(time if isinstance(time, str) else time.isoformat())
        seconds = int(found.replace(microsecond=0).timestamp())
    except (ValueError, OverflowError):
        message = f"not a time: {time}; write 2026-11-23T14:05:00, in UTC unless it has an offset"
        raise FilterError(message, str(time), 0, len(str(time))) from None
    return seconds * _SECOND_NS + found.microsecond * 1000


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        message = f"not a valid network: {text}; write 10.0.0.0/8 or 2001:db8::/32"
        raise FilterError(message, text, 0, len(text)) from None


def _within(judged: Judged, network: IPv4Network | IPv6Network) -> Mask:
    """Return for each flow whether either endpoint is in a network."""
    right_version = judged["ip_version"].to_numpy() == network.version
    size = len(network.network_address.packed)
    mask = np.frombuffer(network.netmask.packed, dtype=np.uint8)
    prefix = np.frombuffer(network.network_address.packed, dtype=np.uint8)
    inside = [
        ((octets(judged[end])[:, 16 - size :] & mask) == prefix).all(axis=1)
        for end in ("client_addr", "server_addr")
    ]
    within: Mask = right_version & (inside[0] | inside[1])
    return within


def _fulfilled(rows: pa.RecordBatch, condition: Condition) -> Mask:
    columns = {name: _comparable(rows[name]) for name in condition.columns}
    numbered = pa.table({"row": pa.array(np.arange(rows.num_rows)), **columns})
    fulfilled = np.zeros(rows.num_rows, dtype=bool)
    fulfilled[numbered.filter(condition.expression)["row"].to_numpy()] = True
    return fulfilled


def _comparable(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    if pa.types.is_list(column.type):
        words = pc.binary_join(column.cast(pa.list_(pa.string())), BAR)
        return pc.binary_join_element_wise(BAR, words, BAR, "")
    return column
