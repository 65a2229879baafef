"""Host names of addresses, from a hosts file (hosts(5)) and from captured DNS answers.

No lookups are sent.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from os import PathLike
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from classifier.errors import NamesError

if TYPE_CHECKING:
    from classifier.metering.metered import Metered


class Hosts:
    """Host names by address, in the notation of the tables."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names
        self._addresses = pa.array(list(names), pa.string())
        self._names = pa.array(list(names.values()), pa.string())

    def named(self, table: pa.Table | pa.RecordBatch) -> pa.Table:
        """Add a column of names, `server_host`, after each of addresses, `server_ip`; null: unknown."""
        columns, fields = [], []
        for field, column in zip(table.schema, table.columns, strict=True):
            columns.append(column)
            fields.append(field)
            if field.name.endswith("_ip"):
                columns.append(self._names.take(_one(pc.index_in(column, self._addresses))))
                fields.append(_field(field.name))
        return pa.table(columns, schema=pa.schema(fields))

    @staticmethod
    def schema(schema: pa.Schema) -> pa.Schema:
        """Return `schema` with the columns that `named` adds."""
        pairs = [[field, _field(field.name)] if field.name.endswith("_ip") else [field] for field in schema]
        return pa.schema([field for pair in pairs for field in pair])


def load(path: str | PathLike[str]) -> Hosts:
    """Read a hosts file: an address and its name on each line; the first line for an address counts.

    NamesError: it can't be read or parsed.
    """
    names: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                words = line.partition("#")[0].split()
                if not words:
                    continue
                address = words[0].partition("%")[0]  # a link-local address without its interface
                if len(words) < 2:
                    raise NamesError(f"{path}: line {number}: {words[0]} has no name; see hosts(5)")
                names.setdefault(str(ip_address(address)), words[1])
    except OSError as error:
        raise NamesError(f"{path}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise NamesError(f"{path}: not UTF-8 text; convert it") from None
    except ValueError:
        raise NamesError(f"{path}: line {number}: not an IP address: {words[0]!r}; see hosts(5)") from None
    return Hosts(names)


def known(hosts: Hosts | None, *read: Metered) -> Hosts | None:
    """Merge the names of a hosts file, which win, with those of DNS answers, of which the latest wins.

    None where there are neither.
    """
    answers = [batch for metered in read for batch in metered.dns_names]
    if not answers:
        return hosts
    rows = pa.Table.from_batches(answers).sort_by([("time_ns", "ascending"), ("name", "ascending")])
    named = zip(rows["addr"].to_pylist(), rows["name"].to_pylist(), strict=True)
    names = {_text(address): name for address, name in named}
    return Hosts(names | (hosts.names if hosts else {}))


def _text(address: bytes) -> str:
    """Format a 16-byte address; IPv4 is mapped."""
    six = IPv6Address(address)
    return str(six.ipv4_mapped or six)


def _field(name: str) -> pa.Field:
    doc = f"host name of {name}, from the hosts file or from DNS answers in the capture"
    return pa.field(f"{name[:-3]}_host", pa.string(), True, {"doc": doc})


def _one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
