"""Notices about the sources of a live capture: each problem once, other news as it happens."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable

from classifier.errors import CaptureError
from classifier.live.capture.capture_source import CaptureSource
from classifier.live.windows.history import History


class Notices:
    """The problems reported so far."""

    def __init__(self) -> None:
        self._troubled: set[CaptureSource] = set()
        self._full = False

    def of(self, sources: Iterable[CaptureSource], history: History) -> list[str]:
        """Return the sources' news, and new problems of the sources or the history."""
        news = []
        if history.disk_full and not self._full:
            self._full = True
            news.append(
                f"{tempfile.gettempdir()}: disk full; the final report will miss some ended flows; "
                "everything else continues"
            )
        for source in sources:
            news += source.news
            source.news = []
            trouble = source.trouble or (
                source.keep_problem and CaptureError(source.name, _kept(source.keep_problem))
            )
            if trouble and source not in self._troubled:
                self._troubled.add(source)
                news.append(str(trouble))
        return news


def _kept(trouble: str) -> str:
    return f"packets are no longer saved ({trouble}); everything else continues"
