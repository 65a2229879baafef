"""How counts, sizes, times and ends are written wherever people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.filesize import decimal

#: In place of a service.
NO_RULE = "(no rule)"
#: Where the name of a service comes from.
NAMED_BY = {"user": "user", "payload": "payload", "unofficial": "de facto", "official": "registry only"}
_DURATIONS = ((365.25 * 86_400, "years"), (86_400, "days"), (3600, "h"), (60, "min"), (1, "s"))


def counted(number: int, one: str, many: str = "") -> str:
    """Write a number and what it counts: `1 flow`, `2,000 flows`; `many` is the plural, if not with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def listed(names: Sequence[str], most: int) -> str:
    """List the first names, and say how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def size_text(size_bytes: int) -> str:
    """Write a number of bytes in decimal units."""
    return decimal(size_bytes).replace(" bytes", " B").replace(" byte", " B")


def duration_text(duration_s: float) -> str:
    """Write how long something took, in a unit that leaves few digits."""
    unit_s, unit = next((unit for unit in _DURATIONS if duration_s >= 2 * unit[0]), _DURATIONS[-1])
    return f"{duration_s / unit_s:,.1f} {unit}"


def endpoint(ip: str, port: int | None) -> str:
    """Write an address and port, IPv6 in brackets."""
    if port is None:
        return ip
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def named_by(source: str | None) -> str:
    """Write where the name of a service comes from."""
    return NAMED_BY.get(source or "", "")


def service_name(service: str | None, candidates: Iterable[str] = ()) -> str:
    """Write a service, or what it could be where that is undecided."""
    return service or "|".join(candidates) or NO_RULE


def service_text(service: str | None, proto: str, candidates: Iterable[str] = ()) -> str:
    """Write a service and its transport."""
    return f"{service_name(service, candidates)}/{proto}"


def role_text(role: str, confidence: float) -> str:
    """Write how a server is known, and how surely unless a handshake shows it."""
    return role if confidence == 1 else f"{role} {percent(confidence):.1f}%"


def percent(confidence: float) -> float:
    """Round a confidence to tenths of a percent; only what a handshake shows is 100."""
    return min(round(100 * confidence, 1), 99.9)
