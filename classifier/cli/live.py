"""`classifier live`: the services on an interface, live."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from classifier.cli import common
from classifier.cli import live_output as showing
from classifier.cli import live_setup as setup
from classifier.cli.option_groups import GroupedCommand, option
from classifier.cli.quantities import MOST_FLOWS, duration, size
from classifier.errors import ExitStatus

if TYPE_CHECKING:
    from classifier.live.loop import WindowSink

_CAPTURE, _OUTPUT = "Capture", "Recording and reporting"


def _kinds(context: click.Context, parameter: click.Parameter, text: str | None) -> frozenset[str]:
    """Parse a list of event kinds."""
    from classifier.live.output.jsonl_events import EVENTS

    kinds = frozenset(text.split(",")) if text else frozenset()
    if unknown := kinds - set(EVENTS):
        raise click.BadParameter(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(EVENTS)}")
    return kinds


#: Options that apply only to recordings.
_OF_RECORDINGS = ("rotate_s", "rotate_bytes")


@click.command(cls=GroupedCommand, short_help="Show the services on an interface, live.")
@click.argument("sources", nargs=-1, metavar="INTERFACE…")
@click.option("-f", "--filter", metavar="FILTER", help='Capture filter, as in tcpdump: "tcp port 443".')
@click.option(
    "--window",
    "window_s",
    type=duration,
    default="1s",
    show_default=True,
    metavar="TIME",
    help="Window length.",
)
@click.option("--for", "for_s", type=duration, metavar="TIME", help="Stop after TIME: 60s, 5m, 2h.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="Stop after N packets.")
@click.option(
    "--format",
    type=click.Choice(["screen", "table", "jsonl"]),
    help="jsonl: one line per window.  [default: screen on a terminal, else table]",
)
@click.option("--write", metavar="DIR/NAME.parquet", help="Record flows to rotated files in DIR.")
@click.option("--follow", metavar="DIR", help="Read the files that a capture program rotates into DIR.")
@click.option("--pcap", "keep", metavar="FILE", help="Also save full packets as pcapng.")
@option(
    _CAPTURE,
    "--engine",
    type=click.Choice(["socket", "dumpcap", "tcpdump"]),
    help="Capture backend.  [default: the first one permitted; see `classifier interfaces`]",
)
@option(_CAPTURE, "--promiscuous", is_flag=True, help="Put the interface into promiscuous mode.")
@option(
    _CAPTURE,
    "--snap",
    "snap_bytes",
    type=click.IntRange(64, 262_144),
    metavar="BYTES",
    help="Snapshot length: bytes captured of each packet.  [default: 2048; with --pcap: all]",
)
@option(
    _CAPTURE,
    "--buffer",
    "buffer_bytes",
    type=size,
    default="64M",
    show_default=True,
    metavar="SIZE",
    help="Kernel buffer, for bursts faster than the reader.",
)
@option(
    _CAPTURE,
    "--user",
    metavar="NAME",
    help="Drop privileges to NAME before parsing.  [default as root: the user of sudo, else nobody]",
)
@option(
    _CAPTURE,
    "--tcp-idle",
    "tcp_idle_s",
    type=duration,
    default="300s",
    show_default=True,
    metavar="TIME",
    help="TCP idle timeout.",
)
@option(
    _CAPTURE,
    "--udp-idle",
    "udp_idle_s",
    type=duration,
    default="120s",
    show_default=True,
    metavar="TIME",
    help="UDP idle timeout.",
)
@option(
    _CAPTURE,
    "--max-flows",
    type=click.IntRange(1, MOST_FLOWS),
    default=250_000,
    show_default=True,
    metavar="N",
    help="Maximum flows held in memory; beyond this the longest-idle flows end early.",
)
@option(_CAPTURE, "--no-decapsulate", is_flag=True, help="Report outer flows; do not decapsulate tunnels.")
@option(_CAPTURE, "--rules", metavar="FILE", help="Your own port rules; see classifier rules --help.")
@option(
    _CAPTURE,
    "--state",
    metavar="FILE",
    help="With --follow: save progress and open flows to FILE, and resume from it.",
)
@option(
    _CAPTURE,
    "--settle",
    "settle_s",
    type=duration,
    default="10m",
    show_default=True,
    metavar="TIME",
    help="With --follow: read the newest file, too, once it hasn't grown for TIME.",
)
@option(
    _OUTPUT,
    "--rotate",
    "rotate_s",
    type=duration,
    default="1h",
    show_default=True,
    metavar="TIME",
    help="With --write: start a new file after TIME …",
)
@option(
    _OUTPUT,
    "--rotate-size",
    "rotate_bytes",
    type=size,
    default="256M",
    show_default=True,
    metavar="SIZE",
    help="… or after SIZE of flow data, whichever is first.",
)
@option(
    _OUTPUT,
    "--html",
    metavar="FILE",
    help="Also write the final report as one HTML page. Needs the extra web.",
)
@option(_OUTPUT, "--metrics", metavar="HOST:PORT", help="Serve metrics for Prometheus: 127.0.0.1:9464.")
@option(
    _OUTPUT,
    "--events",
    metavar="KINDS",
    callback=_kinds,
    help="Print one JSON line per event instead of the table: new-server,mismatch.",
)
@option(
    _OUTPUT, "--events-file", metavar="FILE", help="Append the events to FILE, and keep the screen or table."
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
    rotate_s: float,
    rotate_bytes: int,
    html: str | None,
    no_decapsulate: bool,
    **capture: Any,
) -> ExitStatus:
    """Show the services on an interface, their servers and their traffic, live.

    INTERFACE is one or more of `classifier interfaces`, or `any`; - is standard input: a growing capture,
    such as one streamed from another host. --follow reads each file that dumpcap or tcpdump completes in a
    folder. Ctrl-C, SIGTERM, or q on the screen stops and prints a report. Started as root, it drops
    privileges before it parses the first packet.

    Confirmed verdicts are final. Inferred ones may change as more is seen; they are made again at the
    end, for the report and the recording (the latest million flows).

    \b
    Examples:
      classifier live eth0
      classifier live eth0 eth1 --filter "not port 22" --for 5m
      classifier live any --format jsonl | jq '.services[0]'
      classifier live eth0 --write /var/lib/classifier/flows.parquet --metrics 127.0.0.1:9464
      ssh host tcpdump -U -w - not port 22 | classifier live -
      classifier live --follow /captures --state follow.state --write flows/flows.parquet
    """
    _check_capture(sources, capture["follow"], capture["state"])
    _check_output(format, write, events, events_file)
    shown = "events" if events and not events_file else showing.form(format)
    with ExitStack() as stack:
        page = setup.open_page(html, stack)  # the page needs pandas, nothing else does
        with common.without_pandas():
            pass
        setup.preload(shown, write, metrics, html)
        from classifier.live.loop import Events, Loop

        sinks: list[WindowSink] = []
        watch = stack.enter_context(setup.open_watch(sources, decapsulate=not no_decapsulate, **capture))
        recorder = setup.open_recorder(write, watch, rotate_s, rotate_bytes)
        if metrics:
            sinks.append(setup.serve_metrics(metrics, stack))
        if events:
            sinks.append(Events(events, stack.enter_context(setup.events_to(events_file))))
        loop = Loop(watch, recorder, sinks, for_s, count)
        showing.run(loop, shown)
        return showing.last_words(loop, shown, page)


def _check_capture(sources: tuple[str, ...], follow: str | None, state: str | None) -> None:
    """Raise UsageError for capture options that can't be combined."""
    if not sources and not follow:
        raise click.UsageError("Missing argument 'INTERFACE…'.")
    if twice := next((source for source in sources if sources.count(source) > 1), None):
        raise click.UsageError(f"{twice} is given twice; give it once")
    if state and not follow:
        raise click.UsageError("--state saves the progress of --follow DIR; add --follow")


def _check_output(
    format: str | None, write: str | None, events: frozenset[str], events_file: str | None
) -> None:
    """Raise UsageError for output options that can't be combined."""
    if events_file and not events:
        raise click.UsageError("--events-file needs --events new-server,mismatch")
    if events and not events_file and format:
        raise click.UsageError(
            "--events writes to standard output; add --events-file FILE, or remove --format"
        )
    source = click.get_current_context().get_parameter_source
    if not write and any(source(name) == ParameterSource.COMMANDLINE for name in _OF_RECORDINGS):
        raise click.UsageError("--rotate and --rotate-size need a recording; add --write DIR/NAME.parquet")
    if write and not write.endswith(".parquet"):
        raise click.UsageError(
            f"--write {write}: not a Parquet file; give DIR/NAME.parquet (a time is added)"
        )
