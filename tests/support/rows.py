"""What comes out of a capture, in forms that tests can compare."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

import classifier

#: What a case pins: behaviour. No ids, no times, no weights.
BEHAVIOUR = [
    *("proto", "client_ip", "client_port", "server_ip", "server_port"),
    *("role", "service", "service_candidates", "outcome", "conn_state", "history"),
    *("client_packets", "server_packets", "client_bytes", "server_bytes", "vlan"),
]


def row_dicts(traffic: classifier.Traffic) -> list[dict[str, Any]]:
    """The flow table as dicts of Python values."""
    pa.table({}).to_pandas()  # a command that ran in this process has kept pandas from pyarrow
    rows: list[dict[str, Any]] = traffic.to_arrow().to_pylist()
    return rows


def behaviour(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The pinned columns of flow rows as text, as CSV has them, in an order that depends on nothing else."""
    told = [{name: _text(row[name]) for name in BEHAVIOUR} for row in rows]
    return sorted(told, key=_place)


def facts(traffic: classifier.Traffic) -> list[tuple[tuple[str, str], ...]]:
    """All columns of all rows but `capture`, as a set of rows."""
    rows = ({k: v for k, v in row.items() if k != "capture"} for row in row_dicts(traffic))
    return sorted(tuple((name, repr(value)) for name, value in row.items()) for row in rows)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "|".join(value)
    return "" if value is None else str(value)


def _place(row: dict[str, str]) -> tuple[Any, ...]:
    """By transport, then by server, then by client."""
    ends = [
        (address.version, int(address), int(row[f"{side}_port"]))
        for side in ("server", "client")
        for address in [ipaddress.ip_address(row[f"{side}_ip"])]
    ]
    return (row["proto"], *ends, tuple(row.values()))
