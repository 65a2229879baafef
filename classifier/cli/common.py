"""Options and closing messages that commands share."""

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
    "--rules", metavar="FILE", help="Your own port rules; see classifier rules --help."
)
rules_option = rules_described("Options")


def top_option(help: str) -> Described:
    """Describe `--top`."""
    return described("--top", type=click.IntRange(min=1), default=None, metavar="N", help=help)


def format_option(*formats: str) -> Callable[[Command], Command]:
    """Add `--format`."""
    return click.option("--format", type=click.Choice(formats), default=None, help=f"Default: {formats[0]}.")


def complain(message: str) -> None:
    """Print one line on standard error, escaped: names in it may hold anything."""
    from classifier.reports.text.tables import clean

    click.echo(clean(f"classifier: {message}"), err=True)


def finish(traffic: JudgedFlows) -> ExitStatus:
    """Print the problems and remarks of a capture on standard error, and return the exit status."""
    from classifier.reports.summary import nothing_decoded

    metered = traffic.metered
    sys.stdout.flush()  # the report comes first where both go to one terminal
    for problem in traffic.problems:
        complain(problem.for_command_line())
    if left_out := metered.counters.dns_names_left_out:
        complain(f"{counted(left_out, 'name')} from DNS answers not kept: too many")
    if reason := nothing_decoded(traffic):
        complain(reason)
    elif not metered.counters.packets and not traffic.problems and not metered.interrupted:
        complain("the capture has no packets")
    if metered.interrupted:
        complain("interrupted; the report covers what was read so far")
    for remark in traffic.remarks:
        complain(remark)
    return traffic.status


_FLOWS = ("flows", "refused", "unanswered", "unsolicited")
_PACKETS = ("client_packets", "server_packets", "attempt_packets")


def tell_left_out(traffic: Traffic) -> None:
    """Print on standard error how many flows a filter excluded, for tables without a row for them."""
    left_out = traffic.left_out
    if not left_out:
        return
    flows, packets = (sum(left_out[name] for name in names) for names in (_FLOWS, _PACKETS))
    rest = "" if traffic.accounting["in_flows"] else "; no flows match"
    complain(f"filter excluded {counted(flows, 'flow')} ({counted(packets, 'packet')}){rest}")


class _NoPandas:
    """A finder that hides pandas from the import system. `importlib.abc`, its base, is slow to import."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Refuse pandas, and leave other modules to the next finder."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


@contextmanager
def without_pandas() -> Iterator[None]:
    """Import pyarrow without pandas, which takes half a second and no command needs.

    pyarrow imports pandas at its first conversion, to check for DataFrames, and only once; an explicit
    import of pandas later still works.
    """
    hidden = _NoPandas()
    sys.meta_path.insert(0, hidden)
    try:
        yield
        import pyarrow as pa

        pa.array([0])
    finally:
        sys.meta_path.remove(hidden)
