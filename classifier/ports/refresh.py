"""Update rules/registry.csv from IANA's registry.

    python -m classifier.ports.refresh service-names-port-numbers.csv [--write]

The input is "CSV" at https://www.iana.org/assignments/service-names-port-numbers. Changes are printed;
--write applies them to registry.csv. services.toml is maintained by hand: entries that disagree with IANA are
listed for manual correction.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from classifier.errors import RulesError
from classifier.ports import registry
from classifier.ports.registry import Registry
from classifier.ports.rule_files import FOLDER, read_toml
from classifier.ports.service import DYNAMIC, TRANSPORT_NAMES, TRANSPORTS, parse_ports
from classifier.wording import counted

_NAME, _PORT, _TRANSPORT = "Service Name", "Port Number", "Transport Protocol"
_DESCRIPTION, _NOTES = "Description", "Assignment Notes"
#: Note on names that IANA replaced by well-formed ones, and keeps.
_REPLACED = re.compile(r"This entry is an alias to")


def read_iana(path: Path) -> Registry:
    """Read IANA's file, without unassigned ports, names without a port, and replaced names."""
    found = Registry()
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        lacking = {_NAME, _PORT, _TRANSPORT, _DESCRIPTION, _NOTES} - set(rows.fieldnames or ())
        if lacking:
            raise RulesError(
                f"{path}: not IANA's CSV, no column {', '.join(sorted(lacking))}; download it again"
            )
        for row in rows:
            if not row[_PORT] or _REPLACED.search(row[_NOTES] or ""):
                continue
            for key in _keys(path, rows.line_num, row):
                if name := row[_NAME].strip().lower():
                    names = found.names.setdefault(key, [])
                    names += [name] * (name not in names)
                elif re.search(r"\breserved\b", row[_DESCRIPTION], re.IGNORECASE):
                    found.reserved.add(key)
    found.reserved -= found.names.keys()
    return found


def _keys(path: Path, line: int, row: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Yield each (IP protocol, port) of a row; without a transport, for all transports."""
    first, _, last = row[_PORT].partition("-")
    transports = [row[_TRANSPORT].strip()] if row[_TRANSPORT].strip() else list(TRANSPORTS)
    try:
        ports = range(int(first), int(last or first) + 1)
        protos = [TRANSPORTS[transport] for transport in transports]
    except (ValueError, KeyError) as error:
        raise RulesError(f"{path}:{line}: unknown port or transport: {error}") from error
    for proto in protos:
        for port in ports:
            if port < DYNAMIC:
                yield proto, port


def difference(old: Registry, new: Registry) -> Iterator[str]:
    """Yield removed (-) and added (+) entries, by port."""
    before, after = set(_lines(old)), set(_lines(new))
    for port, proto, name in sorted(before ^ after):
        sign = "-" if (port, proto, name) in before else "+"
        yield f"{sign} {port}/{TRANSPORT_NAMES[proto]} {name or 'reserved'}"


def _lines(found: Registry) -> Iterator[tuple[int, int, str]]:
    for proto, port in found.reserved:
        yield port, proto, ""
    for (proto, port), names in found.names.items():
        for name in names:
            yield port, proto, name


def disagreements(folder: Path, new: Registry) -> Iterator[str]:
    """Yield entries of services.toml that disagree with IANA."""
    for entry in read_toml(folder / "services.toml")["service"]:
        names = {entry["name"], *entry.get("aliases", ())}
        for text in entry["ports"]:
            proto, first, last = parse_ports(text)
            for port in range(first, last + 1):
                registered = not names.isdisjoint(new.names.get((proto, port), ()))
                if registered != (entry["status"] == "official"):
                    change = "now registered" if registered else "no longer registered"
                    yield f"services.toml: {entry['name']} {port}/{text.partition('/')[2]}: {change}"


def main(arguments: list[str] | None = None, folder: Path = FOLDER) -> None:
    """Print the changes in IANA's file, and write them with --write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("iana", type=Path, help="the CSV file from IANA")
    parser.add_argument("--write", action="store_true", help="change rules/registry.csv")
    given = parser.parse_args(arguments)
    path = folder / registry.FILE
    try:
        new = read_iana(given.iana)
        changes = list(difference(registry.expand(registry.read(path)), new))
        by_hand = list(disagreements(folder, new))
    except (RulesError, OSError) as error:
        sys.exit(f"refresh: {error}")
    for line in (*changes, *by_hand):
        print(line)
    entries = counted(len(by_hand), "entry", "entries")
    print(f"{counted(len(changes), 'change')}; {entries} of services.toml to check", file=sys.stderr)
    if given.write and changes:
        with path.open("w", encoding="utf-8", newline="") as file:
            registry.write(new, file)


if __name__ == "__main__":
    main()
