"""The tables of totals, as data: rows, measures, keys and sort order of each.

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

#: Kinds of flows: role, or outcome of a failed attempt.
KINDS = (*ROLES, *ATTEMPTS)
#: Added to a kind if the protocol was detected in the payload.
BY_PAYLOAD = 8
#: Null in a key: greater than all values.
NULL = 1 << 16
#: Keys that are texts.
TEXTS = ("service", "expected", "payload", "category")


def _kinds(*names: str, by_payload: bool | None = None) -> tuple[bool, ...]:
    """Return for each kind number whether it is one of the named kinds."""
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
#: Measures; bytes and packets of failed attempts are separate.
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
#: Measures by public name, where it differs.
TIMES = {"first_seen": "first_seen_ns", "last_seen": "last_seen_ns"}
_MEASURED = {**TIMES, "service_source": "source"}

SERVICE = ("service", "proto")
SERVER = (*SERVICE, *words_of("server"), "server_port")
CLIENT = words_of("client")
PAIR = (*SERVER, "client_high", "client_low")
#: Keys and measures of rows of flows. Beyond a limit rows of equal keys are merged.
FLOW_KEYS = (*PAIR, "kind")
FLOW_MEASURES = plain("flows", *VOLUMES, "first_seen_ns", "last_seen_ns", "source")


@dataclass(frozen=True)
class View:
    """A table of totals."""

    #: Its public columns.
    schema: pa.Schema
    #: Columns that identify a row, and order rows of equal size.
    keys: tuple[str, ...]
    #: Measures by which the table is sorted, largest first.
    order: tuple[str, ...] = ("bytes",)
    #: Column of numbers that can replace the keys, if there is one.
    id: str = ""
    #: Name of the mask of its rows.
    where: str = ""
    #: Columns that count the distinct values of another column.
    counts: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, Measure] = field(default_factory=lambda: MEASURES)

    @property
    def sums(self) -> dict[str, Measure]:
        """Measures that the table shows or is sorted by."""
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


#: Groups of `--by`; each flow is in exactly one row.
BY = {
    "service": _group(*SERVICE),
    "server": _group(*words_of("server"), "server_port", "proto"),
    "client": _group(*CLIENT),
    "port": _group("server_port", "proto"),
    "vlan": _group("vlan"),
    "capture": _group("capture"),
    "category": _group("category"),
}
