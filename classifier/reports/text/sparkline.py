"""A sparkline: a curve in one line of text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

#: Maximum width in characters.
SPARK_WIDTH = 20


def sparkline(values: Sequence[int], encoding: str = "utf-8") -> str:
    """Return a curve in one line: higher is more, a space is zero."""
    if not any(values):
        return ""
    width = min(len(values), SPARK_WIDTH)
    edges = [len(values) * place // width for place in range(width + 1)]
    sums = [sum(values[begin:end]) for begin, end in pairwise(edges)]
    signs = "▁▂▃▄▅▆▇█" if encoding.startswith("utf") else ".:-=+*%#"
    top = max(sums)
    return "".join(signs[(value * len(signs) - 1) // top] if value else " " for value in sums).rstrip()
