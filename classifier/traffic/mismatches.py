"""Flows whose payload is not what their port promises: who, where, what was promised and what is spoken."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows import addresses
from classifier.flows.table import PROTOCOLS
from classifier.traffic.grouping import Grouping

#: Groups are merged when so many rows have piled up.
_MERGE_ROWS = 150_000
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
        pa.field("server_port", pa.uint16(), False, {"doc": "port of the server"}),
        pa.field("proto", pa.string(), False, {"doc": "transport"}),
        pa.field("promised", pa.string(), False, {"doc": "service that people expect at the port"}),
        pa.field("spoken", pa.string(), False, {"doc": "protocol recognised in the payload"}),
        pa.field("flows", pa.uint64(), False),
        pa.field("bytes", pa.uint64(), False, {"doc": "IP bytes both ways"}),
    ]
)


class Mismatches:
    """Adds up flows that speak something else than their port promises."""

    def __init__(self) -> None:
        """Know of none."""
        self._pieces = [_PIECE.empty_table()]

    def add(self, judged: pa.RecordBatch) -> None:
        """Add a batch of judged flows."""
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
        self._pieces.append(_added(pa.table(columns).cast(_PIECE)))
        if sum(piece.num_rows for piece in self._pieces) > _MERGE_ROWS:
            self._pieces = [_added(pa.concat_tables(self._pieces))]

    def table(self) -> pa.Table:
        """Return one row for each client, server and pair of protocols, most flows first."""
        sums = _added(pa.concat_tables(self._pieces))
        version = sums["ip_version"].combine_chunks()
        names = {
            "client_ip": addresses.texts(sums["client_addr"].combine_chunks(), version),
            "server_ip": addresses.texts(sums["server_addr"].combine_chunks(), version),
            "proto": pa.array([PROTOCOLS[number] for number in sums["proto"].to_pylist()], pa.string()),
        }
        columns = [names[name] if name in names else sums[name] for name in MISMATCHES.names]
        table = pa.table(columns, schema=MISMATCHES)
        down = [(name, "descending") for name in ("flows", "bytes")]
        ties = [(name, "ascending") for name in MISMATCHES.names[:6]]
        return table.sort_by([*down, *ties])


def _added(table: pa.Table) -> pa.Table:
    by = Grouping(table, _KEYS)
    return pa.table({**by.keys(*_KEYS), **by.sums(*_SUMS)}).select(_PIECE.names).cast(_PIECE)
