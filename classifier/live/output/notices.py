"""Notices about the sources of a live capture: each problem once, other news as it happens."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable

from classifier.errors import CaptureError
from classifier.live.capture.capture_source import Tap
from classifier.live.windows.history import History


class News:
    """The problems reported so far."""

    def __init__(self) -> None:
        self._troubled: set[Tap] = set()
        self._full = False

    def of(self, taps: Iterable[Tap], history: History) -> list[str]:
        """Return the taps' news, and new problems of the taps or the history."""
        news = []
        if history.disk_full and not self._full:
            self._full = True
            news.append(
                f"{tempfile.gettempdir()}: disk full; the final report will miss some ended flows; "
                "everything else continues"
            )
        for tap in taps:
            news += tap.news
            tap.news = []
            trouble = tap.trouble or (tap.keep_problem and CaptureError(tap.name, _kept(tap.keep_problem)))
            if trouble and tap not in self._troubled:
                self._troubled.add(tap)
                news.append(str(trouble))
        return news


def _kept(trouble: str) -> str:
    return f"packets are no longer saved ({trouble}); everything else continues"
