"""Format counts, sizes, times and endpoints for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.filesize import decimal

#: Shown where no service is known.
NO_RULE = "unknown"
#: Texts of `service_source`: where the name of a service comes from.
NAMED_BY = {"user": "user", "payload": "payload", "unofficial": "de facto", "official": "registry only"}
_DURATIONS = ((365.25 * 86_400, "years"), (86_400, "days"), (3600, "h"), (60, "min"), (1, "s"))


def counted(number: int, one: str, many: str = "") -> str:
    """Format a number and its noun: `1 flow`, `2,000 flows`; `many` is the plural, by default with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def listed(names: Sequence[str], most: int) -> str:
    """Join the first `most` names, and count the rest."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def size_text(size_bytes: int) -> str:
    """Format a number of bytes in decimal units."""
    return decimal(size_bytes).replace(" bytes", " B").replace(" byte", " B")


def duration_text(duration_s: float) -> str:
    """Format a duration in the largest unit that leaves at least two of it."""
    unit_s, unit = next((unit for unit in _DURATIONS if duration_s >= 2 * unit[0]), _DURATIONS[-1])
    return f"{duration_s / unit_s:,.1f} {unit}"


def endpoint(ip: str, port: int | None) -> str:
    """Format an address and port, IPv6 in brackets."""
    if port is None:
        return ip
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def named_by(source: str | None) -> str:
    """Return the text of a `service_source`."""
    return NAMED_BY.get(source or "", "")


def service_name(service: str | None, candidates: Iterable[str] = ()) -> str:
    """Return a service's name, or its candidates where it is undecided."""
    return service or "|".join(candidates) or NO_RULE


def service_text(service: str | None, proto: str, candidates: Iterable[str] = ()) -> str:
    """Format a service and its transport."""
    return f"{service_name(service, candidates)}/{proto}"


def role_text(role: str, confidence: float) -> str:
    """Format a role, with its confidence unless a handshake proves it."""
    return role if confidence == 1 else f"{role} {percent(confidence):.1f}%"


def value_text(value: str | None) -> str:
    """Return a value of `known_by` or `outcome` in words."""
    return "no reply seen" if value == "one_way" else (value or "").replace("_", " ")


def percent(confidence: float) -> float:
    """Round a confidence to tenths of a percent; only a handshake gives 100."""
    return min(round(100 * confidence, 1), 99.9)
