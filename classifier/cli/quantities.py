"""Durations and sizes as users write them."""

from __future__ import annotations

import click

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_SIZES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
#: No number is larger than that: thirty years, or an exabyte.
_MOST = 1e9


def duration(text: str) -> float:
    """Read a duration in seconds: 30, 60s, 5m, 2h."""
    return _quantity(text, _UNITS, "a duration such as 30, 60s, 5m or 2h")


def size(text: str) -> int:
    """Read a size in bytes: 64M, 1G."""
    return int(_quantity(text, _SIZES, "a size such as 64M or 1G"))


def _quantity(text: str, units: dict[str, int], example: str) -> float:
    number = text.rstrip("".join(units))
    try:
        quantity = float(number)
        if not 0 < quantity <= _MOST:
            raise ValueError
        return quantity * units[text[len(number) :]]
    except (ValueError, KeyError):
        raise click.BadParameter(f"{text!r} is not {example}") from None
