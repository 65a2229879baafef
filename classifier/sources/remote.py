"""Captures behind URLs, read through fsspec: s3, gs, https, ssh and whatever else it knows."""

from __future__ import annotations

from typing import IO, Any

from classifier.errors import CaptureError, ExitStatus, MissingExtraError
from classifier.sources import path_kinds

#: So much is fetched at a time; captures are read from front to back.
BLOCK_BYTES = 8 << 20


def filesystem(url: str) -> tuple[Any, str]:
    """Return what fsspec reads a URL with, and the path that it has there."""
    scheme = url.partition("://")[0]
    missing = MissingExtraError(f"{path_kinds.shown(url)}: reading {scheme}://", "remote")
    try:
        from fsspec import available_protocols
        from fsspec.core import url_to_fs
    except ImportError:
        raise missing from None
    if scheme.lower() not in available_protocols():
        message = f"{scheme}:// is no kind of URL that can be read; check it"
        raise CaptureError(path_kinds.shown(url), message, status=ExitStatus.NO_INPUT)
    try:
        return url_to_fs(url)  # type: ignore[no-any-return]
    except ImportError:
        raise missing from None
    except Exception as error:
        raise unusable(url, error) from error


def opened(url: str) -> IO[bytes]:
    """Open a URL for reading; CaptureError if that can't be done."""
    files, path = filesystem(url)
    try:
        file: IO[bytes] = files.open(path, "rb", block_size=BLOCK_BYTES, cache_type="readahead")
    except Exception as error:
        raise unusable(url, error) from error
    return file


class RemoteFile:
    """A capture behind a URL. Where the connection fails it ends, and says so."""

    def __init__(self, url: str) -> None:
        """Open it; CaptureError if that can't be done."""
        self._failure: Exception | None = None
        self._file = opened(url)

    def read(self, size: int = -1) -> bytes:
        """Return some bytes."""
        try:
            data: bytes = self._file.read(size)
        except Exception as error:  # each filesystem has its own
            self._failure = error
            return b""
        return data

    def problem(self) -> str | None:
        """Say why reading failed."""
        return f"fetching it failed ({_reason(self._failure)}); try again" if self._failure else None

    def close(self) -> None:
        """Close it."""
        self._file.close()


def unusable(name: str, error: Exception) -> CaptureError:
    """Return why a URL can't be used, as an exception."""
    # Of http fsspec says that a file isn't there, whatever went wrong; only a server gives a status.
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) and cause and not hasattr(cause, "status"):
        message = f"can't be fetched ({_reason(cause)}); check the URL, and whether its server runs"
    elif isinstance(error, FileNotFoundError):
        message = "there is no such file; check the URL"
    elif isinstance(error, PermissionError):
        message = "no permission to read it; check the credentials that its store asks for"
    else:
        message = f"can't be opened: {_reason(error)}"
    return CaptureError(path_kinds.shown(name), message, status=ExitStatus.NO_INPUT)


def _reason(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
