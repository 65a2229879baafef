"""The final report of a live capture as an HTML page."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType

from classifier.live.capture.capture_source import not_writable
from classifier.reports import html
from classifier.reports.report import Report
from classifier.result import Traffic


class HtmlFile:
    """A file for the page, opened before privileges are dropped; a context manager.

    MissingExtraError: the extra `web` is missing. CaptureError: the file can't be written.
    """

    def __init__(self, path: str) -> None:
        html.check()
        self._path = path
        try:
            self._file = open(path, "wb")
        except OSError as error:
            raise not_writable(path, error) from error

    def __enter__(self) -> HtmlFile:
        """Return itself."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close the file."""
        with suppress(OSError):  # a full disk was reported by `write`
            self._file.close()

    def write(self, traffic: Traffic) -> str | None:
        """Write the page; return an error message, or None."""
        try:
            self._file.write(Report(traffic).to_html().encode())
            self._file.flush()
        except OSError as error:
            return f"{self._path}: the page can't be written ({error.strerror})"
        return None
