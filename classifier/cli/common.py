"""What commands share: some options, and the last words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from classifier.cli.option_groups import Described, described
from classifier.errors import ExitStatus
from classifier.wording import counted

if TYPE_CHECKING:
    from classifier.result import Traffic
    from classifier.traffic.judged_flows import JudgedFlows

Command = TypeVar("Command", bound=Callable[..., Any])

rules_described = described(
    "--rules", metavar="FILE", help="Your own rules of ports; see classifier rules --help."
)
rules_option = rules_described("Options")


def top_option(help: str) -> Described:
    """`--top`."""
    return described("--top", type=click.IntRange(min=1), default=None, metavar="N", help=help)


def format_option(*formats: str) -> Callable[[Command], Command]:
    """Add `--format`."""
    return click.option("--format", type=click.Choice(formats), default=None, help=f"Default: {formats[0]}.")


def complain(message: str) -> None:
    """Say on standard error what is wrong, in one line; names in it may hold anything."""
    from classifier.reports.text.tables import clean

    click.echo(clean(f"classifier: {message}"), err=True)


def finish(traffic: JudgedFlows) -> ExitStatus:
    """Say on standard error what went wrong, and return how to exit."""
    from classifier.reports.summary import nothing_decoded

    metered = traffic.metered
    sys.stdout.flush()  # the report first, where both go to one place
    for problem in traffic.problems:
        complain(problem.for_command_line())
    if left_out := metered.counters.dns_names_left_out:
        answers = counted(left_out, "more DNS answer names", "more DNS answers name")
        complain(f"{answers} addresses than are kept")
    if reason := nothing_decoded(traffic):
        complain(reason)
    elif not metered.counters.packets and not traffic.problems and not metered.interrupted:
        complain("the capture has no packets")
    if metered.interrupted:
        complain("interrupted; this is what was read so far")
    for remark in traffic.remarks:
        complain(remark)
    return traffic.status


_FLOWS = ("flows", "refused", "unanswered", "unsolicited")
_PACKETS = ("client_packets", "server_packets", "attempt_packets")


def tell_left_out(traffic: Traffic) -> None:
    """Say on standard error how many flows a selection left out; of tables that have no row for that."""
    left_out = traffic.left_out
    if not left_out:
        return
    flows, packets = (sum(left_out[name] for name in names) for names in (_FLOWS, _PACKETS))
    was = "was" if flows == 1 else "were"
    rest = "" if traffic.accounting["in_flows"] else "; none is left"
    complain(f"{counted(flows, 'flow')} with {counted(packets, 'packet')} {was} filtered out{rest}")


class _NoPandas:
    """A finder that hides pandas from the import system. `importlib.abc`, its base, is slow to import."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Refuse pandas, know nothing of the rest."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


@contextmanager
def without_pandas() -> Iterator[None]:
    """Import pyarrow, when it is needed, without pandas: half a second that no command needs.

    pyarrow imports it at its first conversion, to see whether it was handed a DataFrame. It looks once;
    where pandas is really asked for, it looks again.
    """
    hidden = _NoPandas()
    sys.meta_path.insert(0, hidden)
    try:
        yield
        import pyarrow as pa

        pa.array([0])
    finally:
        sys.meta_path.remove(hidden)
