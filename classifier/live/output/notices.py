"""What is said of the sources while they are listened to: troubles once, other news as it comes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable

from classifier.errors import CaptureError
from classifier.live.capture.capture_source import Tap
from classifier.live.windows.history import History


class News:
    """What was said already."""

    def __init__(self) -> None:
        """Nothing so far."""
        self._troubled: set[Tap] = set()
        self._full = False

    def of(self, taps: Iterable[Tap], history: History) -> list[str]:
        """Take the news of the taps, and say what isn't well with them or the history."""
        news = []
        if history.disk_full and not self._full:
            self._full = True
            news.append(
                f"{tempfile.gettempdir()}: no room for flows that have ended; some will not be in the last "
                "report; everything else goes on"
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
    return f"packets are no longer kept ({trouble}); everything else goes on"
