"""Hands the windows of a watch to all that want them: the recording, metrics, events, what is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol

import click

from classifier.live.live_capture import Watch
from classifier.live.output.jsonl_events import event_lines, window_line
from classifier.live.windows.running_totals import Change, Ledger
from classifier.live.windows.window import Window

if TYPE_CHECKING:
    from classifier.live.output.recorder import Recorder


class Sink(Protocol):
    """What takes windows."""

    def take(self, window: Window, ledger: Ledger, change: Change) -> None:
        """Take a window, the sums with it, and what it brought."""


class Loop:
    """The windows of a watch, up to the end."""

    def __init__(
        self,
        watch: Watch,
        recorder: Recorder | None,
        sinks: list[Sink],
        for_s: float | None,
        packets: int | None,
    ) -> None:
        """Take what wants the windows, and when to end."""
        self.watch = watch
        self.recorder = recorder
        self.ledger = Ledger()
        self.sinks = sinks
        self._for_s = for_s
        self._packets = packets

    def run(self, show: Sink | None, say: Callable[[str], None]) -> None:
        """Go on until the end; what happened to the sources is said. The recording is complete afterwards."""
        time_ns = 0
        try:
            for window in self.watch.windows(for_s=self._for_s, packets=self._packets):
                time_ns = window.time_ns
                change = self.ledger.take(window)
                if self.recorder:
                    self.recorder.take(window)
                    window.news += self.recorder.told()
                for sink in self.sinks:
                    sink.take(window, self.ledger, change)
                for text in window.news:
                    say(text)
                if show:
                    show.take(window, self.ledger, change)
        finally:
            if self.recorder:
                self.recorder.end(time_ns)
                for text in self.recorder.told():
                    say(text)


class Events:
    """Writes events, a JSON line each."""

    def __init__(self, wanted: frozenset[str], file: IO[bytes]) -> None:
        """Take the kinds that are wanted, and where to write."""
        self._wanted = wanted
        self._file = file
        self._in_trouble = False

    def take(self, window: Window, ledger: Ledger, change: Change) -> None:
        """Write a window's events; where there is no room they are lost, which is told once."""
        lines = [json.dumps(line) + "\n" for line in event_lines(change, self._wanted)]
        data = "".join(lines).encode()
        try:
            whole = self._file.write(data) == len(data)
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError:
            whole = False
        if not whole and not self._in_trouble:
            window.news.append("events can't be written; everything else goes on")
        self._in_trouble = not whole


class JsonLines:
    """Writes windows to standard output, a JSON line each."""

    def take(self, window: Window, ledger: Ledger, change: Change) -> None:
        """Write a window."""
        click.echo(json.dumps(window_line(window, ledger, change)))
