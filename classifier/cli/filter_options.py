"""Options that filter flows, shared by all commands that list them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from classifier.cli.option_groups import described, options
from classifier.errors import FilterError

if TYPE_CHECKING:
    from classifier.result import Traffic

choosing = options(
    "Filter",
    described(
        "--where",
        metavar="EXPR",
        help="Keep only flows matching EXPR, a condition on the columns of `flows`: \"service == 'https' and "
        "role != 'confirmed'\". Operators: == != < <= > >= in, and, or, not, ( ), is None.",
    ),
    described(
        "--net",
        metavar="CIDR",
        multiple=True,
        help="Flows with either endpoint in this network; may be repeated.",
    ),
    described("--since", metavar="TIME", help="Flows active at or after this UTC time: 2026-11-23T14:05."),
    described("--until", metavar="TIME", help="Flows that began before this time."),
)


def chosen_by(given: dict[str, Any]) -> Callable[[Traffic], Traffic]:
    """Remove these options from `given`, check them, and return a function that applies them."""
    names = {name: given.pop(name) for name in ("where", "net", "since", "until")}
    if not any(names.values()):
        return lambda traffic: traffic
    from classifier.traffic.selection import selection

    for name, value in names.items():
        try:
            selection(**{name: value})
        except FilterError as error:
            message = f"--{name}: {error.message}"
            raise FilterError(message, error.text, error.start, error.end) from None
    return lambda traffic: traffic.select(**names)
