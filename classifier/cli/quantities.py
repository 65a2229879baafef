"""Parse durations, sizes and factors of the command line."""

from __future__ import annotations

import click

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_SIZES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
#: Thirty years, whose nanoseconds can be added to any time without overflow; an exabyte.
MOST_SECONDS, _MOST_BYTES = 10**9, 10**18
#: Upper limit of `--max-flows`; beyond any machine's memory.
MOST_FLOWS = 10**9


def duration(text: str) -> float:
    """Parse a duration in seconds: 30, 60s, 5m, 2h."""
    return _quantity(text, _UNITS, MOST_SECONDS, "a duration such as 30, 60s, 5m or 2h")


def size(text: str) -> int:
    """Parse a size in bytes: 64M, 1G."""
    return int(_quantity(text, _SIZES, _MOST_BYTES, "a size such as 64M or 1G"))


def factor(text: str) -> float:
    """Parse a factor above 1: 1.5, 10."""
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
