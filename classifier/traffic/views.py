"""The tables of sums, as data: which rows each has, what it sums by which keys, and how it is sorted.

`VIEWS` are the tables of a report; `BY` are the groups of `--by`, and a new one is an entry there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from classifier.traffic.aggregate import Measure, plain
from classifier.traffic.tables import (
    ATTEMPTS,
    CLIENTS,
    CONVERSATIONS,
    MISMATCHES,
    ROLES,
    SERVERS,
    SERVICES,
    TARGETS,
    VOLUMES,
    groups_schema,
)

#: Kinds of flows: how the server is known, or how the attempt failed.
KINDS = (*ROLES, *ATTEMPTS)
#: Added where the payload is recognised.
BY_PAYLOAD = 8
#: Stands for null in a key: above all values.
NULL = 1 << 16
#: Keys that are texts.
TEXTS = ("service", "expected", "payload", "category")


def _kinds(*names: str, by_payload: bool | None = None) -> tuple[bool, ...]:
    """Return for each number of a kind whether it is one of those named."""
    return tuple(
        number % BY_PAYLOAD < len(KINDS)
        and KINDS[number % BY_PAYLOAD] in names
        and by_payload in (None, number >= BY_PAYLOAD)
        for number in range(2 * BY_PAYLOAD)
    )


def words_of(name: str) -> tuple[str, str, str]:
    """Return the columns that identify an address."""
    return ("ip_version", f"{name}_high", f"{name}_low")


_REAL, _TRIED = _kinds(*ROLES), _kinds(*ATTEMPTS)
#: What is summed; bytes and packets of failed attempts are apart.
MEASURES: dict[str, Measure] = {
    "flows": Measure(("flows",), _REAL),
    **{kind: Measure(("flows",), _kinds(kind)) for kind in KINDS},
    "by_payload": Measure(("flows",), _kinds(*ROLES, by_payload=True)),
    **{name: Measure((name,), _REAL) for name in VOLUMES},
    "bytes": Measure(("client_bytes", "server_bytes"), _REAL),
    "attempts": Measure(("flows",), _TRIED),
    **{
        f"attempt_{unit}": Measure((f"client_{unit}", f"server_{unit}"), _TRIED)
        for unit in ("packets", "bytes")
    },
    **plain("first_seen_ns", "last_seen_ns", "source"),
}
#: Names of measures whose public name is another.
TIMES = {"first_seen": "first_seen_ns", "last_seen": "last_seen_ns"}
_MEASURED = {**TIMES, "service_source": "source"}

SERVICE = ("service", "proto")
SERVER = (*SERVICE, *words_of("server"), "server_port")
CLIENT = words_of("client")
PAIR = (*SERVER, "client_high", "client_low")
#: What rows of flows have: keys, and what is summed of them. Past a limit rows that are alike become one.
FLOW_KEYS = (*PAIR, "kind")
FLOW_MEASURES = plain("flows", *VOLUMES, "first_seen_ns", "last_seen_ns", "source")


@dataclass(frozen=True)
class View:
    """A table of sums."""

    #: Its public columns.
    schema: pa.Schema
    #: What identifies a row; rows of one size are sorted by it.
    keys: tuple[str, ...]
    #: Measures by which the table is sorted, largest first.
    order: tuple[str, ...] = ("bytes",)
    #: The column of numbers that stands for the keys, if rows have it.
    id: str = ""
    #: Which rows it is made of.
    where: str = ""
    #: Columns that count the distinct values of another.
    counts: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, Measure] = field(default_factory=lambda: MEASURES)

    @property
    def sums(self) -> dict[str, Measure]:
        """The measures that the table shows, or is sorted by."""
        names = {_MEASURED.get(name, name) for name in self.schema.names} | {*self.order}
        return {name: measure for name, measure in self.measures.items() if name in names}


VIEWS = {
    "services": View(SERVICES, SERVICE),
    "servers": View(SERVERS, SERVER, id="endpoint", where="serving", counts={"clients": "client"}),
    "clients": View(CLIENTS, CLIENT, id="client", where="known", counts={"servers": "server"}),
    "attempts": View(
        TARGETS,
        SERVER,
        ("attempts", "attempt_packets"),
        id="endpoint",
        where="tried",
        counts={"sources": "client"},
    ),
    "conversations": View(CONVERSATIONS, PAIR, id="pair", where="flowed"),
    "mismatches": View(
        MISMATCHES,
        ("expected", "payload", "proto", *words_of("client"), "server_high", "server_low", "server_port"),
        ("flows", "bytes"),
        measures=plain("flows") | {"bytes": Measure(("client_bytes", "server_bytes"))},
    ),
}


def _group(*keys: str) -> View:
    public = [name.removesuffix("_low") + "_ip" if name.endswith("_low") else name for name in keys]
    shown = [name for name in public if name != "ip_version" and not name.endswith("_high")]
    return View(groups_schema(shown), keys, ("bytes", "attempt_bytes"))


#: What flows can be grouped by, each in exactly one row.
BY = {
    "service": _group(*SERVICE),
    "server": _group(*words_of("server"), "server_port", "proto"),
    "client": _group(*CLIENT),
    "port": _group("server_port", "proto"),
    "vlan": _group("vlan"),
    "capture": _group("capture"),
    "category": _group("category"),
}
