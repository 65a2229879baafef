"""Names for addresses, from a hosts file (hosts(5)) and from DNS answers that were captured.

The network is never asked.
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
    """Names by address."""

    def __init__(self, names: dict[str, str]) -> None:
        """Take names by address; addresses as they are in our tables."""
        self.names = names
        self._addresses = pa.array(list(names), pa.string())
        self._names = pa.array(list(names.values()), pa.string())

    def named(self, table: pa.Table | pa.RecordBatch) -> pa.Table:
        """Add to each column of addresses, `server_ip`, one with their names, `server_host`; null: none."""
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
        """Return the schema that `named` makes of another."""
        pairs = [[field, _field(field.name)] if field.name.endswith("_ip") else [field] for field in schema]
        return pa.schema([field for pair in pairs for field in pair])


def load(path: str | PathLike[str]) -> Hosts:
    """Read a hosts file: an address a line, then its name; of several lines for one address the first.

    Raises NamesError where it can't be read.
    """
    names: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                words = line.partition("#")[0].split()
                if not words:
                    continue
                address = words[0].partition("%")[0]  # of a link-local address without its interface
                if len(words) < 2:
                    raise NamesError(f"{path}: line {number}: {words[0]} has no name")
                names.setdefault(str(ip_address(address)), words[1])
    except OSError as error:
        raise NamesError(f"{path}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise NamesError(f"{path}: is no text in UTF-8") from None
    except ValueError:
        raise NamesError(f"{path}: line {number}: {words[0]!r} is no address; see hosts(5)") from None
    return Hosts(names)


def known(hosts: Hosts | None, *read: Metered) -> Hosts | None:
    """Return all names that are known: those of a hosts file, then what DNS answers said, the latest.

    None where neither was asked for.
    """
    answers = [batch for metered in read for batch in metered.dns_names]
    if not answers:
        return hosts
    said = pa.Table.from_batches(answers).sort_by([("time_ns", "ascending"), ("name", "ascending")])
    named = zip(said["addr"].to_pylist(), said["name"].to_pylist(), strict=True)
    names = {_text(address): name for address, name in named}
    return Hosts(names | (hosts.names if hosts else {}))


def _text(address: bytes) -> str:
    """Write an address of 16 bytes, IPv4 mapped."""
    six = IPv6Address(address)
    return str(six.ipv4_mapped or six)


def _field(name: str) -> pa.Field:
    doc = f"name of {name}, by the hosts file or by DNS answers in the capture"
    return pa.field(f"{name[:-3]}_host", pa.string(), True, {"doc": doc})


def _one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
