"""`classifier live`: the services on an interface, as they happen."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from classifier.cli import common
from classifier.cli import live_output as showing
from classifier.cli import live_setup as setup
from classifier.cli.option_groups import Sectioned, option
from classifier.cli.quantities import MOST_FLOWS, duration, size
from classifier.errors import ExitStatus

if TYPE_CHECKING:
    from classifier.live.loop import Sink

_CAPTURE, _OUTPUT = "Capturing", "Recording and reporting"


def _kinds(context: click.Context, parameter: click.Parameter, text: str | None) -> frozenset[str]:
    """Read a list of events."""
    from classifier.live.output.jsonl_events import EVENTS

    kinds = frozenset(text.split(",")) if text else frozenset()
    if unknown := kinds - set(EVENTS):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(EVENTS)}")
    return kinds


#: Options that only a recording heeds.
_OF_RECORDINGS = ("rotate_s", "rotate_bytes")


@click.command(cls=Sectioned, short_help="The services on an interface, as they happen.")
@click.argument("sources", nargs=-1, metavar="INTERFACE…")
@click.option("-f", "--filter", metavar="FILTER", help='Only these packets, as of tcpdump: "tcp port 443".')
@click.option(
    "--window",
    "window_s",
    type=duration,
    default="1s",
    show_default=True,
    metavar="TIME",
    help="Look so often.",
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
@click.option("--pcap", "keep", metavar="FILE", help="Keep the packets as well, whole, as pcapng.")
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
    "snap_bytes",
    type=click.IntRange(64, 262_144),
    metavar="BYTES",
    help="Read so much of each packet.  [default: 2048; with --pcap all]",
)
@option(
    _CAPTURE,
    "--buffer",
    "buffer_bytes",
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
    "tcp_idle_s",
    type=duration,
    default="300s",
    show_default=True,
    metavar="TIME",
    help="A TCP flow ends when it has been silent for so long.",
)
@option(
    _CAPTURE,
    "--udp-idle",
    "udp_idle_s",
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
    "settle_s",
    type=duration,
    default="10m",
    show_default=True,
    metavar="TIME",
    help="With --follow: take the newest file, too, once it hasn't grown for so long.",
)
@option(
    _OUTPUT,
    "--rotate",
    "rotate_s",
    type=duration,
    default="1h",
    show_default=True,
    metavar="TIME",
    help="--write begins a new file after that time …",
)
@option(
    _OUTPUT,
    "--rotate-size",
    "rotate_bytes",
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
    rotate_s: float,
    rotate_bytes: int,
    html: str | None,
    no_decapsulate: bool,
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
    _check_capture(sources, capture["follow"], capture["state"])
    _check_output(format, write, events, events_file)
    shown = "events" if events and not events_file else showing.form(format)
    with ExitStack() as stack:
        page = setup.open_page(html, stack)  # it needs pandas; all else does without
        with common.without_pandas():
            pass
        setup.preload(shown, write, metrics, html)
        from classifier.live.loop import Events, Loop

        sinks: list[Sink] = []
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
    """Raise UsageError where options about capturing don't go together."""
    if not sources and not follow:
        raise click.UsageError("Missing argument 'INTERFACE…'.")
    if twice := next((source for source in sources if sources.count(source) > 1), None):
        raise click.UsageError(f"{twice} is named twice; once is enough")
    if state and not follow:
        raise click.UsageError("--state notes how far --follow DIR is; add that")


def _check_output(
    format: str | None, write: str | None, events: frozenset[str], events_file: str | None
) -> None:
    """Raise UsageError where options about output don't go together."""
    if events_file and not events:
        raise click.UsageError("--events-file needs --events new-server,mismatch")
    if events and not events_file and format:
        raise click.UsageError(
            "--events takes standard output; add --events-file FILE, or leave --format out"
        )
    source = click.get_current_context().get_parameter_source
    if not write and any(source(name) == ParameterSource.COMMANDLINE for name in _OF_RECORDINGS):
        raise click.UsageError("--rotate and --rotate-size are of recordings; add --write DIR/NAME.parquet")
    if write and not write.endswith(".parquet"):
        raise click.UsageError(f"--write {write}: name a file DIR/NAME.parquet; a time is added to its name")
