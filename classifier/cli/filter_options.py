"""Which flows a command is about: the same options for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from classifier.cli.option_groups import described, options
from classifier.errors import FilterError

if TYPE_CHECKING:
    from classifier.result import Traffic

choosing = options(
    "Which flows",
    described(
        "--where",
        metavar="CONDITION",
        help="Those that fulfil a condition on the columns of `flows`: \"service == 'https' and role != "
        "'confirmed'\". Also: < <= > >= in, not, or, ( ), is None.",
    ),
    described(
        "--net", metavar="CIDR", multiple=True, help="Those with an end in this network; may be repeated."
    ),
    described("--since", metavar="TIME", help="Those still active at this time: 2026-11-23T14:05, UTC."),
    described("--until", metavar="TIME", help="Those that began before this time."),
)


def chosen_by(given: dict[str, Any]) -> Callable[[Traffic], Traffic]:
    """Take these options out of `given`, check them, and return what applies them."""
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
