"""Client port ranges by system, and IANA's three ranges: rules/client_ports.toml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from classifier.ports.rule_files import FOLDER, read_toml


@dataclass(frozen=True, slots=True)
class ClientRange:
    """The range from which a system assigns ports when none is requested."""

    system: str
    #: `client`, `client-privileged`, `nat`, `server-dynamic`, `peer`, `target`.
    role: str
    first: int
    last: int
    transports: tuple[str, ...]
    selection: str
    source: str
    confidence: str
    note: str | None = None
    #: True for the default of a system in wide use today.
    current: bool = False


@dataclass(frozen=True, slots=True)
class IanaRange:
    """One of the three ranges of RFC 6335 §6: `system`, `user`, `dynamic`."""

    name: str
    first: int
    last: int
    note: str


@cache
def client_ranges() -> tuple[ClientRange, ...]:
    """Load the ranges by system, the narrowest first."""
    found = [
        ClientRange(**entry | {"transports": tuple(entry["transports"])}) for entry in _document()["range"]
    ]
    return tuple(sorted(found, key=lambda range: range.last - range.first))


@cache
def given_out() -> tuple[ClientRange, ...]:
    """Return the default ranges of systems in wide use today."""
    return tuple(range for range in client_ranges() if range.current)


@cache
def iana_ranges() -> tuple[IanaRange, ...]:
    """Load IANA's ranges."""
    return tuple(IanaRange(**entry) for entry in _document()["iana"])


@cache
def _document() -> dict[str, Any]:
    return read_toml(FOLDER / "client_ports.toml")
