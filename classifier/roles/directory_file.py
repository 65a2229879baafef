"""The server directory as a Parquet file, one row per endpoint."""

from __future__ import annotations

import os
from ipaddress import ip_address

import numpy as np
import pyarrow as pa

from classifier.complete_file import complete_file
from classifier.errors import DirectoryError, NotWrittenError
from classifier.flows import addresses
from classifier.flows.table import COUNT, PORT
from classifier.flows.transports import NAMES, NUMBERS
from classifier.roles.directory import ENDPOINT, Entries, no_entries, of_endpoints
from classifier.roles.weights import weight

DAY_NS = 86_400_000_000_000
_TIME = pa.timestamp("ns", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("server_ip", pa.string(), False, {"doc": "address"}),
        pa.field("server_port", PORT, False, {"doc": "port"}),
        pa.field("proto", pa.string(), False, {"doc": "transport"}),
        pa.field("network_id", pa.int64(), False, {"doc": "VXLAN, Geneve or NVGRE network; 0: none"}),
        pa.field("flows", COUNT, False, {"doc": "connections accepted"}),
        pa.field("first_seen", _TIME, False, {"doc": "start of the earliest of them"}),
        pa.field("last_seen", _TIME, False, {"doc": "end of the latest of them"}),
    ]
)


def load(path: str | os.PathLike[str]) -> Entries:
    """Read a directory; a missing file is an empty one.

    DirectoryError: the file is not a server directory. NotWrittenError: the folder to save it in is missing.
    """
    import pyarrow.parquet as pq

    if not os.path.exists(path):
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise _unwritable(path, "no such folder")
        return no_entries()
    try:
        table = pq.read_table(path, columns=SCHEMA.names).cast(SCHEMA).combine_chunks()
        endpoints = _endpoints(table)
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors derive from these
        reason = f"{error}".splitlines()[0]
        raise DirectoryError(f"{path}: not a server directory ({reason}); name another file") from error
    first, last = (table[name].cast(pa.int64()).to_numpy() for name in ("first_seen", "last_seen"))
    return of_endpoints(endpoints, table["flows"].to_numpy(), first, last)


def save(path: str | os.PathLike[str], entries: Entries) -> None:
    """Write a directory, without entries that have expired relative to the newest.

    NotWrittenError: it can't be written.
    """
    import pyarrow.parquet as pq

    if len(entries):
        newest_ns = int(entries.last_seen_ns.max())
        entries = entries.within(newest_ns - expiry_ns(), newest_ns)
    endpoints = entries.endpoints.combine_chunks()
    columns = {name: endpoints[name].combine_chunks() for name in ENDPOINT.names}
    table = pa.table(
        [
            addresses.texts(columns["addr"], columns["ip_version"]),
            columns["port"],
            pa.array([NAMES[number] for number in columns["proto"].to_pylist()], pa.string()),
            columns["network_id"],
            pa.array(entries.flows),
            pa.array(entries.first_seen_ns).cast(_TIME),
            pa.array(entries.last_seen_ns).cast(_TIME),
        ],
        schema=SCHEMA,
    ).sort_by([(name, "ascending") for name in ("server_ip", "server_port", "proto", "network_id")])
    try:
        with complete_file(path) as part:
            pq.write_table(table, part)
    except OSError as error:
        raise _unwritable(path, os.strerror(error.errno) if error.errno else str(error)) from error


def _unwritable(path: str | os.PathLike[str], reason: str) -> NotWrittenError:
    return NotWrittenError(f"{os.fspath(path)}: can't be written ({reason}); choose another place")


def expiry_ns() -> int:
    """Return the time without a connection after which an entry expires."""
    return int(weight("directory", "expires_days") * DAY_NS)


def _endpoints(table: pa.Table) -> pa.Table:
    parsed = [ip_address(text) for text in table["server_ip"].to_pylist()]
    mapped = [address.packed if address.version == 6 else _MAPPED + address.packed for address in parsed]
    numbers = pa.array([NUMBERS[name] for name in table["proto"].to_pylist()], pa.uint8())
    version = pa.array(np.array([address.version for address in parsed], dtype=np.uint8))
    address = pa.array(mapped, pa.binary(16))
    return pa.table([numbers, version, address, table["server_port"], table["network_id"]], schema=ENDPOINT)


_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291 §2.5.5.2
