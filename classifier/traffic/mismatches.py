"""Flows whose payload is not what their port promises: who, where, what was promised and what is spoken."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows import addresses
from classifier.flows.spool import MEMORY_BYTES
from classifier.flows.table import COUNT, PORT, PROTOCOLS
from classifier.traffic.grouping import Grouping
from classifier.traffic.sums import Sums, ranked, with_row

_KEYS = ["promised", "spoken", "proto", "ip_version", "client_addr", "server_addr", "server_port"]
_SUMS = ["flows", "bytes"]
_PIECE = pa.schema(
    [
        *(("promised", pa.string()), ("spoken", pa.string()), ("proto", pa.uint8())),
        *(("ip_version", pa.uint8()), ("client_addr", pa.binary(16)), ("server_addr", pa.binary(16))),
        *(("server_port", pa.uint16()), ("flows", pa.uint64()), ("bytes", pa.uint64())),
    ]
)
MISMATCHES = pa.schema(
    [
        pa.field("client_ip", pa.string(), False, {"doc": "address of the client"}),
        pa.field("server_ip", pa.string(), False, {"doc": "address of the server"}),
        pa.field("server_port", PORT, False, {"doc": "port of the server"}),
        pa.field("proto", pa.string(), False, {"doc": "transport"}),
        pa.field("promised", pa.string(), False, {"doc": "service that people expect at the port"}),
        pa.field("spoken", pa.string(), False, {"doc": "protocol recognised in the payload"}),
        pa.field("flows", COUNT, False),
        pa.field("bytes", COUNT, False, {"doc": "IP bytes both ways"}),
    ]
)


class Mismatches:
    """Adds up flows that speak something else than their port promises, in bounded memory."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        """Know of none. Past so many bytes, sums go to a temporary file."""
        self._sums = Sums(_added, ["client_addr", "server_addr"], memory_bytes)

    def add(self, judged: pa.RecordBatch) -> None:
        """Add a batch of judged flows; all come before the table is asked for."""
        found = judged.filter(judged["mismatch"])
        if not found.num_rows:
            return
        columns = {
            "promised": pc.list_element(found["promised"], 0),
            "spoken": found["payload"].cast(pa.string()),
            **{name: found[name] for name in _KEYS[2:]},
            "flows": pa.array(np.ones(found.num_rows, dtype=np.uint64)),
            "bytes": pc.add(found["client_bytes"], found["server_bytes"]),
        }
        self._sums.add(pa.table(columns).cast(_PIECE))

    def table(self, top: int | None = None) -> pa.Table:
        """Return one row for each client, server and pair of protocols, most flows first.

        With `top` rows past so many are summed up in one, `other`.
        """
        order = [("flows", "descending"), ("bytes", "descending"), *((name, "ascending") for name in _KEYS)]
        ranking = ranked(self._sums.parts(), order, top, _total)
        if not ranking:
            return MISMATCHES.empty_table()
        best, rest = ranking
        version = best["ip_version"].combine_chunks()
        names = {
            "client_ip": addresses.texts(best["client_addr"].combine_chunks(), version),
            "server_ip": addresses.texts(best["server_addr"].combine_chunks(), version),
            "proto": pa.array([PROTOCOLS[number] for number in best["proto"].to_pylist()], pa.string()),
        }
        columns = [names[name] if name in names else best[name] for name in MISMATCHES.names]
        table = pa.table(columns, schema=MISMATCHES)
        if not rest.num_rows:
            return table
        return with_row(table, "client_ip", "other", {name: rest[name] for name in _SUMS})


def _added(table: pa.Table) -> pa.Table:
    by = Grouping(table, _KEYS)
    return pa.table({**by.keys(*_KEYS), **by.sums(*_SUMS)}).select(_PIECE.names).cast(_PIECE)


def _total(table: pa.Table) -> pa.Table:
    return pa.table(Grouping(table, []).sums(*_SUMS))
