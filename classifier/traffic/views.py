"""The tables of sums, as data: which rows each has, what it sums by which keys, and how it is sorted.

`VIEWS` are the tables of a report; `BY` are the groups of `--by`, and a new one is an entry there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows import addresses
from classifier.flows.table import PROTOCOLS
from classifier.traffic.aggregate import (
    Mask,
    Measure,
    Rows,
    Texts,
    address_bytes,
    address_words,
    joined,
    plain,
    size,
    some,
    summed,
    words_of,
)
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
    SUMS,
    TARGETS,
    TIME,
    VOLUMES,
    groups_schema,
)

#: Kinds of flows: how the server is known, or how the attempt failed.
_KINDS = (*ROLES, *ATTEMPTS)
#: Added where the payload is recognised.
_BY_PAYLOAD = 8
#: Stands for null in a key: above all values.
_NULL = 1 << 16


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
_TIMES = {"first_seen": "first_seen_ns", "last_seen": "last_seen_ns"}
_MEASURED = {**_TIMES, "service_source": "source"}

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
        column = column.cast(pa.int32()).fill_null(_NULL)
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


_TEXTS = ("service", "expected", "payload", "category")


def table(
    view: View,
    parts: Iterable[Rows],
    texts: Texts,
    top: int | None = None,
    captures: Sequence[str] = (),
    more: Callable[[Rows], dict[str, pa.Array]] = lambda rows: {},
) -> pa.Table:
    """Return the sums of some parts as a public table, its first `top` rows; the rest is a row `other`.

    `more` makes columns that aren't sums.
    """
    best, rest = ranked(view, parts, texts, top)
    if best is None:
        return view.schema.empty_table()
    show = _Public(
        texts, captures, sum(int(rows["bytes"].sum()) for rows in (best, rest) if rows and "bytes" in rows)
    )
    columns = more(best)
    columns |= {name: show(best, name) for name in view.schema.names if name not in (*columns, "group")}
    if "group" in view.schema.names:
        columns["group"] = _label({name: columns[name] for name in view.schema.names if name in _OF_GROUPS})
    public = pa.table([columns[one.name].cast(one.type) for one in view.schema], schema=view.schema)
    if not rest:
        return public
    return with_row(public, view.schema.names[0], "other", show.sums(rest, view.schema))


def ranked(
    view: View, parts: Iterable[Rows], texts: Texts, top: int | None
) -> tuple[Rows | None, Rows | None]:
    """Return the first `top` rows of all parts, and the sums of the others."""
    measures = plain(*view.sums)
    best: Rows | None = None
    rest: list[Rows] = []
    for part in parts:
        rows = part if best is None else joined([best, {name: part[name] for name in best}])
        if top is not None and size(rows) > top:
            sizes = rows[view.order[0]]
            least = np.partition(sizes, len(sizes) - top)[len(sizes) - top]
            rest.append(summed(some(rows, sizes < least), (), measures) if (sizes < least).any() else {})
            rows = some(rows, sizes >= least)
        by = [-rows[name] for name in view.order]
        by += [texts.ranks(rows[name]) if name in _TEXTS else rows[name] for name in view.keys]
        order = np.lexsort(by[::-1])
        if top is not None and len(order) > top:
            rest.append(summed({name: rows[name][order[top:]] for name in rows}, (), measures))
            order = order[:top]
        best = {name: column[order] for name, column in rows.items()}
    rest = [rows for rows in rest if rows]
    return best, summed(joined(rest), (), measures) if rest else None


@dataclass(frozen=True)
class _Public:
    """Makes public columns of rows."""

    texts: Texts
    captures: Sequence[str]
    #: Bytes of all rows.
    moved: int

    def sums(self, rows: Rows, schema: pa.Schema) -> dict[str, pa.Array]:
        """Return those columns of a schema that add up."""
        adds_up = (name for name in schema.names if name == "share" or _TIMES.get(name, name) in rows)
        return {name: self(rows, name) for name in adds_up}

    def __call__(self, rows: Rows, name: str) -> pa.Array:
        """Return a column."""
        if name in _TIMES:
            return pa.array(rows[_TIMES[name]]).cast(TIME)
        if name in _TEXTS:
            return self.texts.take(rows[name])
        if name == "proto":
            return pa.array([PROTOCOLS[number] for number in rows["proto"].tolist()], pa.string())
        if name.endswith("_ip"):
            side = "client" if name == "client_ip" else "server"
            return addresses.texts(address_bytes(rows, side), pa.array(rows["ip_version"]))
        if name == "target_port":
            return pa.array(rows["server_port"])
        if name == "vlan":
            return pa.array(rows["vlan"], mask=rows["vlan"] == _NULL)
        if name == "capture":
            return pa.array(self.captures, pa.string()).take(pa.array(rows["capture"]))
        if name == "share":
            return pa.array(rows["bytes"] / max(self.moved, 1))
        if name == "service_source":
            return pa.array([SOURCES[rank] for rank in rows["source"].tolist()], pa.string())
        if name == "known_by":
            sends = np.where(rows["server_packets"] > 0, "inferred", "one_way")
            return pa.array(np.where(rows["confirmed"] > 0, "confirmed", sends), pa.string())
        return pa.array(rows[name])


def _label(columns: dict[str, pa.Array]) -> pa.Array:
    """Name groups in one text: `https/tcp`, `10.0.0.1:443/tcp`."""
    parts: list[pa.Array | str] = []
    for name, column in columns.items():
        text = column.cast(pa.string()).fill_null(_ABSENT.get(name, ""))
        if name == "server_ip":
            six = pc.match_substring(text, ":")
            text = pc.if_else(six, pc.binary_join_element_wise("[", text, "]", ""), text)
        parts += [_BETWEEN[name], text] if parts else [text]
    return pc.binary_join_element_wise(*parts, "")


_OF_GROUPS = ("service", "server_ip", "client_ip", "server_port", "proto", "vlan", "capture", "category")
_ABSENT = {"service": "(no rule)", "vlan": "no VLAN", "category": "uncategorised"}
_BETWEEN = {"proto": "/", "server_port": ":"}


def is_group(rows: Rows) -> Mask:
    """Return whether the server's address is multicast or broadcast, which serves nothing."""
    four = rows["ip_version"] == 4
    low = rows["server_low"].astype(np.uint64) & np.uint64(0xFFFF_FFFF)
    multicast = np.where(four, low >> np.uint64(28) == 0xE, rows["server_high"] >> np.uint64(56) == 0xFF)
    return np.asarray(multicast | (four & (low == 0xFFFF_FFFF)))


def with_row(table: pa.Table, label: str, word: str, sums: Mapping[str, pa.Array]) -> pa.Table:
    """Add a row that the column `label` calls by a word, with sums; what isn't among them is null."""
    nullable = pa.schema([field.with_nullable(True) for field in table.schema])
    row = {label: pa.array([word]), **sums}
    columns = [
        row[field.name].cast(field.type) if field.name in row else pa.nulls(1, field.type)
        for field in nullable
    ]
    return pa.concat_tables([table.cast(nullable), pa.table(columns, nullable)])


def with_filtered(table: pa.Table, label: str, left_out: Mapping[str, int]) -> pa.Table:
    """Add a row `filtered` for flows left out, of which there are sums by measure, or none.

    `label` is the column that names the row; what can't be added up is null in it.
    """
    if not left_out:
        return table
    sums = {
        name: pa.array([left_out[_TIMES.get(name, name)]])
        for name in table.schema.names
        if _TIMES.get(name, name) in left_out
    }
    return with_row(table, label, "filtered", sums)


def fold(table: pa.Table, top: int | None, label: str) -> pa.Table:
    """Keep the first `top` rows and add up the others in one more row, so that sums stay whole.

    `label` is the column that then says `other`; counts of distinct things can't be added, and are null.
    """
    if top is None or table.num_rows <= top:
        return table
    rest = table.slice(top)
    merges = dict.fromkeys((*SUMS, "bytes", "share", "attempts"), pc.sum)
    merges |= {"first_seen": pc.min, "last_seen": pc.max}
    sums = {name: pa.repeat(merges[name](rest[name]), 1) for name in table.schema.names if name in merges}
    return with_row(table.slice(0, top), label, "other", sums)
