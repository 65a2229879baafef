"""Write Zeek logs: `conn.log` from the flows, `known_services.log` from the servers, as TSV or JSON.

Fields and types: https://docs.zeek.org/en/master/logs/conn.html; the TSV header:
https://docs.zeek.org/en/master/log-formats.html. The client is written as the originator.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.reports.export import arrow_text

#: Transports in Zeek's enum.
_PROTOCOLS = ["tcp", "udp"]
_NUMBERS = {"time", "interval", "count", "port", "double"}
_UNSET = "-"
#: Characters with a meaning in TSV, and control characters.
_ESCAPED_IN_TSV = rf"[\\{arrow_text.STEERING}]|^-$|^\(empty\)$"


class Log(NamedTuple):
    """A Zeek log: its fields, and how each is made from a batch of a table."""

    path: str
    #: Name, Zeek's type, and the function that returns the texts; a null is an unset field.
    fields: list[tuple[str, str, Callable[[pa.RecordBatch], pa.Array]]]
    #: A column that is never null, except in rows of totals, which are not written.
    key: str


def write_tsv(batches: Iterable[pa.RecordBatch], log: Log, file: IO[bytes]) -> None:
    """Write a log with its header; `#open` and `#close` are times of the capture."""
    names, kinds, _ = zip(*log.fields, strict=True)
    file.write(b"#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n")
    file.write(f"#path\t{log.path}\n".encode())
    opened, closed = None, None
    for batch in batches:
        rows = batch.filter(batch[log.key].is_valid())
        if not rows.num_rows:
            continue
        if opened is None:
            opened = pc.min(rows["first_seen"])
            file.write(f"#open\t{_stamp(opened)}\n".encode())
            file.write(_head(names, kinds))
        closed = max(closed or 0, pc.max(rows["last_seen"]).value)
        cells = [_tsv_cells(column(rows)) for _, _, column in log.fields]
        file.write(arrow_text.joined(cells, "\t", "\n"))
    if opened is None:
        file.write(_head(names, kinds))
    else:
        file.write(f"#close\t{_stamp(pa.scalar(closed, pa.timestamp('ns')))}\n".encode())


def write_json(batches: Iterable[pa.RecordBatch], log: Log, file: IO[bytes]) -> None:
    """Write one object per line, without unset fields."""
    for batch in batches:
        rows = batch.filter(batch[log.key].is_valid())
        cells: list[pa.Array] = []
        for name, kind, column in log.fields:
            values = column(rows)
            shown = values if kind in _NUMBERS else arrow_text.json_text(values)
            if kind.startswith("set["):
                shown = pc.binary_join_element_wise("[", shown, "]", "")
            key = f"{',' if cells else ''}{json.dumps(name)}:"
            pair = pc.binary_join_element_wise(key, shown, "")
            cells.append(pc.if_else(values.is_null(), "", pair))
        file.write(arrow_text.joined(["{", *cells, "}"], "", "\n"))


def _head(names: Iterable[str], kinds: Iterable[str]) -> bytes:
    return ("\t".join(["#fields", *names]) + "\n" + "\t".join(["#types", *kinds]) + "\n").encode()


def _stamp(time: pa.Scalar) -> str:
    try:
        return datetime.fromtimestamp(time.value // 10**9, UTC).strftime("%Y-%m-%d-%H-%M-%S")
    except (OverflowError, ValueError):  # beyond the year 9999
        return _UNSET


def _tsv_cells(values: pa.Array) -> pa.Array:
    odd = pc.match_substring_regex(values, _ESCAPED_IN_TSV).fill_null(False)
    if pc.any(odd).as_py():
        escaped = [_escaped(value) for value in values.filter(odd).to_pylist()]
        values = pc.replace_with_mask(values, odd, pa.array(escaped, pa.string()))
    return values.fill_null(_UNSET)


def _escaped(value: str) -> str:
    """Escape as `\\xNN` what TSV can't hold."""
    if value in (_UNSET, "(empty)"):
        return f"\\x{ord(value[0]):02x}{value[1:]}"
    return "".join(
        char if char.isprintable() and char != "\\" else "".join(f"\\x{byte:02x}" for byte in char.encode())
        for char in value
    )


def _text(name: str) -> Callable[[pa.RecordBatch], pa.Array]:
    return lambda rows: arrow_text.text(rows[name])


def _unset(rows: pa.RecordBatch) -> pa.Array:
    return pa.nulls(rows.num_rows, pa.string())


def _time(rows: pa.RecordBatch) -> pa.Array:
    return _seconds(_nanoseconds(rows, "first_seen"))


def _duration(rows: pa.RecordBatch) -> pa.Array:
    """Return seconds; unset for a single packet, as in Zeek."""
    seconds = _seconds(_nanoseconds(rows, "last_seen") - _nanoseconds(rows, "first_seen"))
    packets = pc.add(rows["client_packets"], rows["server_packets"])
    return pc.if_else(pc.greater(packets, 1), seconds, pa.scalar(None, pa.string()))


def _nanoseconds(rows: pa.RecordBatch, name: str) -> npt.NDArray[np.int64]:
    times: npt.NDArray[np.int64] = rows[name].cast(pa.int64()).to_numpy()
    return times


def _seconds(time_ns: npt.NDArray[np.int64]) -> pa.Array:
    """Return decimal seconds to the microsecond, exactly; a float can't hold a current time."""
    whole, rest = np.divmod(np.abs(time_ns) // 1000, 1_000_000)
    sign = pa.array(np.where(time_ns < 0, "-", ""))
    digits = pc.utf8_lpad(pa.array(rest).cast(pa.string()), 6, "0")
    return pc.binary_join_element_wise(sign, pa.array(whole).cast(pa.string()), ".", digits, "")


def _transport(rows: pa.RecordBatch) -> pa.Array:
    names = arrow_text.text(rows["proto"])
    return pc.if_else(pc.is_in(names, pa.array(_PROTOCOLS)), names, "unknown_transport")


CONN = Log(
    "conn",
    [
        ("ts", "time", _time),
        ("uid", "string", _text("flow_id")),
        ("id.orig_h", "addr", _text("client_ip")),
        ("id.orig_p", "port", _text("client_port")),
        ("id.resp_h", "addr", _text("server_ip")),
        ("id.resp_p", "port", _text("server_port")),
        ("proto", "enum", _transport),
        ("service", "string", _text("service")),
        ("duration", "interval", _duration),
        ("orig_bytes", "count", _text("client_payload_bytes")),
        ("resp_bytes", "count", _text("server_payload_bytes")),
        ("conn_state", "string", _text("conn_state")),
        ("local_orig", "bool", _unset),
        ("local_resp", "bool", _unset),
        ("missed_bytes", "count", _unset),
        ("history", "string", _text("history")),
        ("orig_pkts", "count", _text("client_packets")),
        ("orig_ip_bytes", "count", _text("client_bytes")),
        ("resp_pkts", "count", _text("server_packets")),
        ("resp_ip_bytes", "count", _text("server_bytes")),
        ("tunnel_parents", "set[string]", _unset),
        ("community_id", "string", _text("community_id")),
        # Not Zeek's: the role of the server.
        ("role", "string", _text("role")),
        ("role_confidence", "double", _text("role_confidence")),
    ],
    key="flow_id",
)
KNOWN_SERVICES = Log(
    "known_services",
    [
        ("ts", "time", _time),
        ("host", "addr", _text("server_ip")),
        ("port_num", "port", _text("server_port")),
        ("port_proto", "enum", _transport),
        ("service", "set[string]", _text("service")),
    ],
    key="server_port",
)
