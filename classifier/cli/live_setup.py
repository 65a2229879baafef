"""The parts of `classifier live`: sources, recording, and the outputs that receive its windows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from classifier.errors import CaptureError, ExitStatus, MissingExtraError

if TYPE_CHECKING:
    from classifier.live import LiveCapture
    from classifier.live.loop import WindowSink
    from classifier.live.output.html_file import HtmlFile
    from classifier.live.output.recorder import Recorder


def preload(shown: str, write: str | None, metrics: str | None, html: str | None) -> None:
    """Import everything needed before privileges are dropped: the later user may not read the files."""
    from classifier.live.preload import load

    load(screen=shown == "screen", recording=bool(write), page=bool(html))
    if metrics:
        try:
            import prometheus_client  # noqa: F401
        except ModuleNotFoundError:
            raise MissingExtraError("--metrics", "live") from None


def open_page(path: str | None, stack: ExitStack) -> HtmlFile | None:
    """Open the file of `--html` before privileges are dropped."""
    if path is None:
        return None
    from classifier.live.output.html_file import HtmlFile

    return stack.enter_context(HtmlFile(path))


def open_watch(sources: tuple[str, ...], follow: str | None, user: str | None, **capture: Any) -> LiveCapture:
    """Open the sources and start reading; `capture` is passed to `LiveCapture`."""
    from classifier.live import LiveCapture
    from classifier.live.capture.privileges import default_user

    if "-" in sources and (sys.stdin is None or sys.stdin.isatty()):
        raise CaptureError(
            "-",
            "standard input is a terminal; pipe a capture into it: "
            "ssh host tcpdump -U -w - | classifier live -",
            status=ExitStatus.NO_INPUT,
        )
    followed = [Path(follow)] if follow else []
    taken = [*(sys.stdin.buffer if source == "-" else source for source in sources), *followed]
    return LiveCapture(taken, user=user or default_user(), **capture)


def open_recorder(
    write: str | None, watch: LiveCapture, rotate_s: float, rotate_bytes: int
) -> Recorder | None:
    """Open the recording of `--write`."""
    if write is None:
        return None
    from classifier.live.output.recorder import Recorder

    return Recorder(
        Path(write),
        watch.idle,
        watch.rules,
        watch.decapsulate,
        rotate_s,
        rotate_bytes,
        known=lambda: watch.servers,
    )


def serve_metrics(address: str, stack: ExitStack) -> WindowSink:
    """Serve metrics until the stack closes."""
    from classifier.live.output.metrics import Metrics

    served = Metrics(address)
    stack.callback(served.close)
    return served


@contextmanager
def events_to(path: str | None) -> Iterator[IO[bytes]]:
    """Open `--events-file`, by default standard output."""
    from classifier.live.capture.capture_source import not_writable

    if path is None:
        yield sys.stdout.buffer
        return
    try:
        with open(path, "ab", buffering=0) as file:
            yield file
    except OSError as error:
        raise not_writable(path, error) from error
