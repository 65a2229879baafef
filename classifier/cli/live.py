"""`classifier live`: the services on an interface, as they happen."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from classifier.cli import common
from classifier.cli.quantities import MOST_FLOWS, duration, size
from classifier.cli.sections import Sectioned, option
from classifier.errors import CaptureError, ExitStatus, MissingExtraError, missing_extra

if TYPE_CHECKING:
    from classifier.live import Watch
    from classifier.live.loop import Loop, Sink
    from classifier.live.page import Page
    from classifier.live.recorder import Recorder
    from classifier.traffic import Traffic

TOP = 20
#: So many flows take their time.
_MANY_FLOWS = 100_000
_CAPTURE, _OUTPUT = "Capturing", "Recording and reporting"


def _kinds(context: click.Context, parameter: click.Parameter, text: str | None) -> frozenset[str]:
    """Read a list of events."""
    from classifier.live.lines import EVENTS

    kinds = frozenset(text.split(",")) if text else frozenset()
    if unknown := kinds - set(EVENTS):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(EVENTS)}")
    return kinds


@click.command(cls=Sectioned, short_help="The services on an interface, as they happen.")
@click.argument("sources", nargs=-1, metavar="INTERFACE…")
@click.option("-f", "--filter", metavar="FILTER", help='Only these packets, as of tcpdump: "tcp port 443".')
@click.option(
    "--window", type=duration, default="1s", show_default=True, metavar="TIME", help="Look so often."
)
@click.option("--for", "for_s", type=duration, metavar="TIME", help="End after that time: 60s, 5m, 2h.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End once N packets have come.")
@click.option(
    "--format",
    type=click.Choice(["screen", "table", "jsonl"]),
    help="jsonl is one line a window.  [default: screen on a terminal, else table]",
)
@click.option("--write", metavar="DIR/NAME.parquet", help="Record flows in DIR, in files that turn over.")
@click.option("--follow", metavar="DIR", help="Take the files that a capturing program rotates into DIR.")
@click.option("--pcap", metavar="FILE", help="Keep the packets as well, whole, as pcapng.")
@option(
    _CAPTURE,
    "--engine",
    type=click.Choice(["socket", "dumpcap", "tcpdump"]),
    help="What captures.  [default: the first that may; see `classifier interfaces`]",
)
@option(_CAPTURE, "--promiscuous", is_flag=True, help="Also packets that are for others.")
@option(
    _CAPTURE,
    "--snap",
    type=click.IntRange(64, 262_144),
    metavar="BYTES",
    help="Read so much of each packet.  [default: 2048; with --pcap all]",
)
@option(
    _CAPTURE,
    "--buffer",
    type=size,
    default="64M",
    show_default=True,
    metavar="SIZE",
    help="The kernel's buffer: for bursts that are faster than the reader.",
)
@option(
    _CAPTURE,
    "--user",
    metavar="NAME",
    help="Become NAME before the first packet is parsed.  [default as root: who called sudo, else nobody]",
)
@option(
    _CAPTURE,
    "--tcp-idle",
    type=duration,
    default="300s",
    show_default=True,
    metavar="TIME",
    help="A TCP flow ends when it has been silent for so long.",
)
@option(
    _CAPTURE,
    "--udp-idle",
    type=duration,
    default="120s",
    show_default=True,
    metavar="TIME",
    help="A UDP flow ends when it has been silent for so long.",
)
@option(
    _CAPTURE,
    "--max-flows",
    type=click.IntRange(1, MOST_FLOWS),
    default=250_000,
    show_default=True,
    metavar="N",
    help="Keep at most so many active flows in memory; past that, idle ones end early.",
)
@option(_CAPTURE, "--no-decapsulate", is_flag=True, help="Don't look into tunnels: show the outer flows.")
@option(_CAPTURE, "--rules", metavar="FILE", help="Your own rules of ports; see classifier rules --help.")
@option(
    _CAPTURE,
    "--state",
    metavar="FILE",
    help="With --follow: note in FILE which files were taken and which flows are open, and go on there.",
)
@option(
    _CAPTURE,
    "--settle",
    type=duration,
    default="10m",
    show_default=True,
    metavar="TIME",
    help="With --follow: take the newest file, too, once it hasn't grown for so long.",
)
@option(
    _OUTPUT,
    "--rotate",
    type=duration,
    default="1h",
    show_default=True,
    metavar="TIME",
    help="--write begins a new file after that time …",
)
@option(
    _OUTPUT,
    "--rotate-size",
    type=size,
    default="256M",
    show_default=True,
    metavar="SIZE",
    help="… or after so many bytes of facts.",
)
@option(
    _OUTPUT,
    "--html",
    metavar="FILE",
    help="Write the last report as one page for browsers, too. Needs the extra web.",
)
@option(_OUTPUT, "--metrics", metavar="HOST:PORT", help="Serve metrics for Prometheus: 127.0.0.1:9464.")
@option(
    _OUTPUT,
    "--events",
    metavar="KINDS",
    callback=_kinds,
    help="One JSON line per event in place of the table: new-server,mismatch.",
)
@option(
    _OUTPUT, "--events-file", metavar="FILE", help="Append the events to FILE, beside the screen or table."
)
def live(
    sources: tuple[str, ...],
    for_s: float | None,
    count: int | None,
    format: str | None,
    write: str | None,
    metrics: str | None,
    events: frozenset[str],
    events_file: str | None,
    rotate: float,
    rotate_size: int,
    html: str | None,
    **capture: Any,
) -> ExitStatus:
    """Show which services run over an interface now, who serves them, and how much they carry.

    INTERFACE is one of `classifier interfaces`, several, or `any`; - is standard input: a capture that
    still grows, such as one from another machine. --follow takes each file that dumpcap or tcpdump has
    finished in a folder. Ctrl-C, or q on the screen, ends it with a report; so does SIGTERM. Started as
    root, it becomes another user before it parses the first packet.

    Verdicts of handshakes are final; inferred ones may change while more is seen, and are made once
    more at the end, for the report and the recording (of the latest million flows).

    \b
    Examples:
      classifier live eth0
      classifier live eth0 eth1 --filter "not port 22" --for 5m
      classifier live any --format jsonl | jq '.services[0]'
      classifier live eth0 --write /var/lib/classifier/flows.parquet --metrics 127.0.0.1:9464
      ssh host tcpdump -U -w - not port 22 | classifier live -
      classifier live --follow /captures --state follow.state --write flows/flows.parquet
    """
    if not sources and not capture["follow"]:
        raise click.UsageError("Missing argument 'INTERFACE…'.")
    if capture["state"] and not capture["follow"]:
        raise click.UsageError("--state notes how far --follow DIR is; add that")
    if events_file and not events:
        raise click.UsageError("--events-file needs --events new-server,mismatch")
    if events and not events_file and format:
        raise click.UsageError(
            "--events takes standard output; add --events-file FILE, or leave --format out"
        )
    if write and not write.endswith(".parquet"):
        raise click.UsageError(f"--write {write}: name a file DIR/NAME.parquet; a time is added to its name")
    only_events = bool(events) and not events_file
    shown = "events" if only_events else _format(format)
    with ExitStack() as stack:
        page = _page(html, stack)  # it needs pandas; all else does without
        common.keep_pandas_out()
        _preload(shown, write, metrics, html)
        from classifier.live.loop import Events, Loop

        sinks: list[Sink] = []
        watch = stack.enter_context(_watch(sources, capture))
        recorder = _recorder(write, watch, rotate, rotate_size)
        if metrics:
            sinks.append(_metrics(metrics, stack))
        if events:
            sinks.append(Events(events, stack.enter_context(_events_to(events_file))))
        loop = Loop(watch, recorder, sinks, for_s, count)
        _run(loop, shown)
        return _last_words(loop, shown, page)


def _format(format: str | None) -> str:
    """Choose how to show it."""
    terminal = sys.stdout.isatty() and sys.stdin is not None and sys.stdin.isatty()
    if format == "screen" and not terminal:
        raise click.UsageError("a screen needs a terminal; use --format table or jsonl")
    if format is None and not terminal:
        return "table"
    if format in (None, "screen"):
        try:
            import textual  # noqa: F401
        except ModuleNotFoundError:
            if format:
                raise MissingExtraError("a screen", "live") from None
            click.echo(f"classifier: {missing_extra('the full screen', 'live')}", err=True)
            return "table"
        return "screen"
    return format


def _preload(shown: str, write: str | None, metrics: str | None, html: str | None) -> None:
    """Import all that is needed as long as it may be read: the user that this becomes need not be able to."""
    from classifier.live import preload

    preload.load(screen=shown == "screen", recording=bool(write), page=bool(html))
    if metrics:
        try:
            import prometheus_client  # noqa: F401
        except ModuleNotFoundError:
            raise MissingExtraError("--metrics", "live") from None


def _page(path: str | None, stack: ExitStack) -> Page | None:
    if path is None:
        return None
    from classifier.live.page import Page

    return stack.enter_context(Page(path))


def _watch(sources: tuple[str, ...], capture: dict[str, Any]) -> Watch:
    from classifier.live import Watch
    from classifier.live.privileges import default_user

    if "-" in sources and (sys.stdin is None or sys.stdin.isatty()):
        raise CaptureError(
            "-",
            "standard input is a terminal; pipe a capture into it: "
            "ssh host tcpdump -U -w - | classifier live -",
            status=ExitStatus.NO_INPUT,
        )
    followed = [Path(capture["follow"])] if capture["follow"] else []
    return Watch(
        [*(sys.stdin.buffer if source == "-" else source for source in sources), *followed],
        window_s=capture["window"],
        engine=capture["engine"],
        filter=capture["filter"],
        promiscuous=capture["promiscuous"],
        snap_bytes=capture["snap"],
        buffer_bytes=capture["buffer"],
        keep=capture["pcap"],
        tcp_idle_s=capture["tcp_idle"],
        udp_idle_s=capture["udp_idle"],
        max_flows=capture["max_flows"],
        decapsulate=not capture["no_decapsulate"],
        rules=capture["rules"],
        user=capture["user"] or default_user(),
        state=capture["state"],
        settle_s=capture["settle"],
    )


def _recorder(write: str | None, watch: Watch, rotate_s: float, rotate_bytes: int) -> Recorder | None:
    if write is None:
        return None
    from classifier.live.recorder import Recorder

    return Recorder(
        Path(write),
        watch.idle,
        watch.rules,
        watch.decapsulate,
        rotate_s,
        rotate_bytes,
        known=lambda: watch.servers,
    )


def _metrics(address: str, stack: ExitStack) -> Sink:
    from classifier.live.metrics import Metrics

    served = Metrics(address)
    stack.callback(served.close)
    return served


@contextmanager
def _events_to(path: str | None) -> Iterator[IO[bytes]]:
    from classifier.live.taps import not_writable

    if path is None:
        yield sys.stdout.buffer
        return
    try:
        with open(path, "ab", buffering=0) as file:
            yield file
    except OSError as error:
        raise not_writable(path, error) from error


def _run(loop: Loop, shown: str) -> None:
    """Show windows until the end: that of the sources, Ctrl-C, or SIGTERM."""

    def stop(*_: object) -> None:
        loop.watch.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if shown == "screen":
            from classifier.live.screen.app import run

            for text in run(loop):
                common.complain(text)
            return
        with _shown(shown) as show:
            loop.run(show, common.complain)
    finally:  # from now on they end the program
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _shown(how: str) -> Iterator[Sink | None]:
    """Yield what shows windows without a screen."""
    if how == "jsonl":
        from classifier.live.loop import JsonLines

        yield JsonLines()
    elif how == "events":
        yield None
    else:
        from classifier.live import plain

        if sys.stdout.isatty():
            with plain.updating() as table:
                yield table
        else:
            yield plain.Lines()


def _last_words(loop: Loop, shown: str, page: Page | None) -> ExitStatus:
    """Judge everything once more, for the recording and the reports."""
    watch = loop.watch
    traffic = watch.traffic()
    if traffic.metered.spool.rows > _MANY_FLOWS:
        common.complain(f"judging {traffic.metered.spool.rows:,} flows once more; Ctrl-C leaves that out")
    if watch.forgotten:
        common.complain(
            f"{watch.forgotten:,} older flows are not in this report, and keep the verdicts of their time "
            "in a recording"
        )
    elif loop.recorder:
        loop.recorder.judge_again(traffic)
        for text in loop.recorder.told():
            common.complain(text)
    if shown != "events":
        _report(traffic, shown)
    if page and (trouble := page.write(traffic)):
        common.complain(trouble)
    if not traffic.metered.packets and not traffic.problems:
        common.complain("no packet came")
        return ExitStatus.OK
    return common.finish(traffic)


def _report(traffic: Traffic, shown: str) -> None:
    from classifier.reports.summary import summary

    if shown == "jsonl":
        click.echo(json.dumps({"report": summary(traffic, TOP)}))
    else:
        from classifier.reports.tables import console
        from classifier.reports.terminal import print_report

        print_report(console(), summary(traffic, TOP))
