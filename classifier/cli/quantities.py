"""Durations and sizes as users write them."""

from __future__ import annotations

import click

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_SIZES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
#: Thirty years: so many nanoseconds can still be added to any time. And an exabyte.
MOST_SECONDS, _MOST_BYTES = 10**9, 10**18
#: As many flows as anybody has memory for.
MOST_FLOWS = 10**9


def duration(text: str) -> float:
    """Read a duration in seconds: 30, 60s, 5m, 2h."""
    return _quantity(text, _UNITS, MOST_SECONDS, "a duration such as 30, 60s, 5m or 2h")


def size(text: str) -> int:
    """Read a size in bytes: 64M, 1G."""
    return int(_quantity(text, _SIZES, _MOST_BYTES, "a size such as 64M or 1G"))


def factor(text: str) -> float:
    """Read how many times as much something is: 1.5, 10."""
    found = _quantity(text, {"": 1}, 10**9, example := "a number above 1")
    if found <= 1:
        raise click.BadParameter(f"{text!r} is not {example}")
    return found


def _quantity(text: str, units: dict[str, int], most: int, example: str) -> float:
    number = text.rstrip("".join(units))
    try:
        quantity = float(number) * units[text[len(number) :]]
        if not 0 < quantity <= most:
            raise ValueError
        return quantity
    except (ValueError, KeyError):
        raise click.BadParameter(f"{text!r} is not {example}") from None
