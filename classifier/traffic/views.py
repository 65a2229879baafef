"""The tables of sums, as data: which rows each has, what it sums by which keys, and how it is sorted.

`VIEWS` are the tables of a report; `BY` are the groups of `--by`, and a new one is an entry there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.traffic.aggregate import Measure, Rows, plain
from classifier.traffic.codes import Texts, address_words, words_of
from classifier.traffic.judged import Judged
from classifier.traffic.tables import (
    ATTEMPTS,
    CLIENTS,
    CONVERSATIONS,
    MISMATCHES,
    ROLES,
    SERVERS,
    SERVICES,
    SOURCES,
    TARGETS,
    VOLUMES,
    groups_schema,
)

#: Kinds of flows: how the server is known, or how the attempt failed.
_KINDS = (*ROLES, *ATTEMPTS)
#: Added where the payload is recognised.
_BY_PAYLOAD = 8
#: Stands for null in a key: above all values.
NULL = 1 << 16


def _kinds(*names: str, by_payload: bool | None = None) -> tuple[bool, ...]:
    """Return for each number of a kind whether it is one of those named."""
    return tuple(
        number % _BY_PAYLOAD < len(_KINDS)
        and _KINDS[number % _BY_PAYLOAD] in names
        and by_payload in (None, number >= _BY_PAYLOAD)
        for number in range(2 * _BY_PAYLOAD)
    )


_REAL, _TRIED = _kinds(*ROLES), _kinds(*ATTEMPTS)
#: What is summed; bytes and packets of failed attempts are apart.
MEASURES: dict[str, Measure] = {
    "flows": Measure(("flows",), _REAL),
    **{kind: Measure(("flows",), _kinds(kind)) for kind in _KINDS},
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
        measures=plain("flows", "bytes"),
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


def flow_rows(judged: Judged, texts: Texts, keys: Iterable[str] = FLOW_KEYS) -> Rows:
    """Return a row for each judged flow: some of its keys, and what it adds to sums."""
    rows: Rows = {}
    for name in keys:
        if name.endswith("_low"):
            rows |= address_words(judged[f"{name[:-4]}_addr"], name[:-4])
        elif name != "kind" and not name.endswith("_high"):
            rows[name] = _key(judged, name, texts)
    rows["kind"] = _kind(judged)
    rows["source"] = source_ranks(judged["service_source"])
    rows["flows"] = np.ones(judged.num_rows, dtype=np.uint32)
    for name in (*VOLUMES, "first_seen_ns", "last_seen_ns"):
        rows[name] = judged[name].to_numpy().astype(np.int64, copy=False)
    return rows


def _key(judged: Judged, name: str, texts: Texts) -> npt.NDArray[np.generic]:
    column = judged["label" if name == "service" else name]
    if pa.types.is_dictionary(column.type):
        return texts.codes(column)
    if name == "vlan":
        column = column.cast(pa.int32()).fill_null(NULL)
    return np.asarray(column.to_numpy())


def source_ranks(column: pa.DictionaryArray) -> npt.NDArray[np.uint8]:
    """Return the places among `SOURCES` of n values of `service_source`."""
    ranks = [*(SOURCES.index(word) for word in column.dictionary.to_pylist()), 0]
    index = column.indices.fill_null(len(ranks) - 1).to_numpy(zero_copy_only=False)
    found: npt.NDArray[np.uint8] = np.array(ranks, dtype=np.uint8)[index]
    return found


def _kind(judged: Judged) -> npt.NDArray[np.uint8]:
    """Return a number for the kind of each of n flows."""
    role, outcome = (_places(judged[name], _KINDS) for name in ("role", "outcome"))
    by_payload = _places(judged["service_source"], ("payload",)) == 0
    real = np.where(by_payload, role + _BY_PAYLOAD, role)
    return np.where(outcome < len(_KINDS), outcome, real).astype(np.uint8)


def _places(column: pa.DictionaryArray, words: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """Return the places of n texts among some; the number of these for others."""
    places = [words.index(word) if word in words else len(words) for word in column.dictionary.to_pylist()]
    index = column.indices.fill_null(len(places)).to_numpy(zero_copy_only=False)
    found: npt.NDArray[np.uint8] = np.array([*places, len(words)], dtype=np.uint8)[index]
    return found


def mismatch_rows(judged: Judged, texts: Texts) -> Rows | None:
    """Return a row for each flow whose payload isn't what its port promises."""
    found = judged.filter(judged["mismatch"])
    if not found.num_rows:
        return None
    rows = {name: texts.codes(found[name]) for name in ("expected", "payload")}
    rows |= {name: found[name].to_numpy() for name in ("proto", "ip_version", "server_port")}
    rows |= address_words(found["client_addr"], "client") | address_words(found["server_addr"], "server")
    rows["flows"] = np.ones(found.num_rows, dtype=np.int64)
    rows["bytes"] = sum(found[f"{side}_bytes"].to_numpy().astype(np.int64) for side in ("client", "server"))
    return rows


TEXTS = ("service", "expected", "payload", "category")
