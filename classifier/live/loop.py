"""Pass the windows of a live capture to the recording, metrics, events and display."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol

import click

from classifier.live.live_capture import LiveCapture
from classifier.live.output.jsonl_events import event_lines, window_line
from classifier.live.windows.running_totals import RunningTotals, WindowChanges
from classifier.live.windows.window import Window

if TYPE_CHECKING:
    from classifier.live.output.recorder import Recorder


class WindowSink(Protocol):
    """A receiver of windows."""

    def take(self, window: Window, totals: RunningTotals, change: WindowChanges) -> None:
        """Receive a window, the totals including it, and its changes."""


class Loop:
    """Runs a live capture to its end, after `for_s` seconds or a number of packets."""

    def __init__(
        self,
        watch: LiveCapture,
        recorder: Recorder | None,
        sinks: list[WindowSink],
        for_s: float | None,
        packets: int | None,
    ) -> None:
        self.watch = watch
        self.recorder = recorder
        self.totals = RunningTotals()
        self.sinks = sinks
        self._for_s = for_s
        self._packets = packets

    def run(self, show: WindowSink | None, say: Callable[[str], None]) -> None:
        """Run to the end; `say` gets notices about the sources. The recording is complete afterwards."""
        time_ns = 0
        try:
            for window in self.watch.windows(for_s=self._for_s, packets=self._packets):
                time_ns = window.time_ns
                change = self.totals.take(window)
                if self.recorder:
                    self.recorder.take(window)
                    window.news += self.recorder.told()
                for sink in self.sinks:
                    sink.take(window, self.totals, change)
                for text in window.news:
                    say(text)
                if show:
                    show.take(window, self.totals, change)
        finally:
            if self.recorder:
                self.recorder.end(time_ns)
                for text in self.recorder.told():
                    say(text)


class Events:
    """Writes the wanted kinds of events to a file, one JSON line each."""

    def __init__(self, wanted: frozenset[str], file: IO[bytes]) -> None:
        self._wanted = wanted
        self._file = file
        self._in_trouble = False

    def take(self, window: Window, totals: RunningTotals, change: WindowChanges) -> None:
        """Write a window's events; a write error loses them, and is reported once."""
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
            window.news.append("events can't be written; everything else continues")
        self._in_trouble = not whole


class JsonLines:
    """Writes windows to standard output, one JSON line each."""

    def take(self, window: Window, totals: RunningTotals, change: WindowChanges) -> None:
        """Write a window."""
        click.echo(json.dumps(window_line(window, totals, change)))
