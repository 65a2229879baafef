"""The last report as a page for browsers."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType

from classifier.live.capture.capture_source import not_writable
from classifier.reports import html
from classifier.reports.report import Report
from classifier.result import Traffic


class Page:
    """A file for the page, opened while this program still has all its rights; a context manager."""

    def __init__(self, path: str) -> None:
        """Empty the file. MissingExtraError: a page needs the extra `web`; CaptureError: no such place."""
        html.check()
        self._path = path
        try:
            self._file = open(path, "wb")
        except OSError as error:
            raise not_writable(path, error) from error

    def __enter__(self) -> Page:
        """Return itself."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close the file."""
        with suppress(OSError):  # where the disk is full, that was told
            self._file.close()

    def write(self, traffic: Traffic) -> str | None:
        """Write the page; returns what went wrong, if anything."""
        try:
            self._file.write(Report(traffic).to_html().encode())
            self._file.flush()
        except OSError as error:
            return f"{self._path}: the page can't be written ({error.strerror})"
        return None
