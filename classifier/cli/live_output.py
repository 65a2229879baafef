"""The output of `classifier live`: screen, table or lines, and the final report."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from classifier.cli import common
from classifier.errors import ExitStatus, MissingExtraError, missing_extra
from classifier.reports import TOP
from classifier.wording import counted

if TYPE_CHECKING:
    from classifier.live.loop import Loop, WindowSink
    from classifier.live.output.html_file import HtmlFile
    from classifier.result import Traffic

#: Flows beyond which the final judging takes long enough for a message.
_MANY_FLOWS = 100_000


def form(format: str | None) -> str:
    """Return how to show windows: `screen`, `table` or `jsonl`."""
    terminal = sys.stdout.isatty() and sys.stdin is not None and sys.stdin.isatty()
    if format == "screen" and not terminal:
        raise click.UsageError("--format screen needs a terminal; use --format table or jsonl")
    if format is None and not terminal:
        return "table"
    if format in (None, "screen"):
        try:
            import textual  # noqa: F401
        except ModuleNotFoundError:
            if format:
                raise MissingExtraError("--format screen", "live") from None
            common.complain(missing_extra("the full screen", "live"))
            return "table"
        return "screen"
    return format


def run(loop: Loop, shown: str) -> None:
    """Show windows until the sources end, Ctrl-C, or SIGTERM."""

    def stop(*_: object) -> None:
        loop.watch.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if shown == "screen":
            from classifier.live.output.screen.app import run as run_screen

            for text in run_screen(loop):
                common.complain(text)
            return
        with _shown(shown) as show:
            loop.run(show, common.complain)
    finally:  # from now on the signals end the program
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _shown(how: str) -> Iterator[WindowSink | None]:
    """Yield the output that shows windows without a screen."""
    if how == "jsonl":
        from classifier.live.loop import JsonLines

        yield JsonLines()
    elif how == "events":
        yield None
    else:
        from classifier.live.output import table_view

        if sys.stdout.isatty():
            with table_view.updating() as table:
                yield table
        else:
            yield table_view.AppendedTables()


def last_words(loop: Loop, shown: str, page: HtmlFile | None) -> ExitStatus:
    """Judge all flows once more, for the recording and the reports; return the exit status."""
    watch = loop.watch
    traffic = watch.traffic()
    if traffic.metered.spool.rows > _MANY_FLOWS:
        common.complain(f"judging {traffic.metered.spool.rows:,} flows once more; Ctrl-C skips this")
    if watch.forgotten:
        common.complain(
            counted(
                watch.forgotten,
                "older flow is not in this report; the recording keeps its first verdict",
                "older flows are not in this report; the recording keeps their first verdicts",
            )
        )
    elif loop.recorder:
        loop.recorder.judge_again(traffic)
        for text in loop.recorder.told():
            common.complain(text)
    if shown != "events":
        _report(traffic, shown)
    if page and (trouble := page.write(traffic)):
        common.complain(trouble)
    if not traffic.metered.counters.packets and not traffic.problems:
        common.complain("no packets were received")
        return ExitStatus.OK
    return common.finish(traffic)


def _report(traffic: Traffic, shown: str) -> None:
    from classifier.reports.summary import summary

    if shown == "jsonl":
        click.echo(json.dumps({"report": summary(traffic, TOP)}))
    else:
        from classifier.reports.text.tables import console
        from classifier.reports.text.terminal import print_report

        print_report(console(), summary(traffic, TOP))
