"""Captures at URLs, read through fsspec: s3, gs, https, ssh and its other protocols."""

from __future__ import annotations

from typing import IO, Any

from classifier.errors import CaptureError, ExitStatus, MissingExtraError
from classifier.sources import path_kinds

#: Bytes fetched at a time; captures are read sequentially.
BLOCK_BYTES = 8 << 20


def filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec filesystem of a URL, and the path on it."""
    scheme = url.partition("://")[0]
    missing = MissingExtraError(f"{path_kinds.shown(url)}: reading {scheme}://", "remote")
    try:
        from fsspec import available_protocols
        from fsspec.core import url_to_fs
    except ImportError:
        raise missing from None
    if scheme.lower() not in available_protocols():
        message = f"unsupported URL scheme {scheme}://; check the URL"
        raise CaptureError(path_kinds.shown(url), message, status=ExitStatus.NO_INPUT)
    try:
        return url_to_fs(url)  # type: ignore[no-any-return]
    except ImportError:
        raise missing from None
    except Exception as error:
        raise unusable(url, error) from error


def opened(url: str) -> IO[bytes]:
    """Open a URL for reading. CaptureError: it can't be opened."""
    files, path = filesystem(url)
    try:
        file: IO[bytes] = files.open(path, "rb", block_size=BLOCK_BYTES, cache_type="readahead")
    except Exception as error:
        raise unusable(url, error) from error
    return file


class RemoteFile:
    """A capture at a URL. A failed connection ends it, see `problem`. CaptureError: it can't be opened."""

    def __init__(self, url: str) -> None:
        self._failure: Exception | None = None
        self._file = opened(url)

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        try:
            data: bytes = self._file.read(size)
        except Exception as error:  # each filesystem raises its own
            self._failure = error
            return b""
        return data

    def problem(self) -> str | None:
        """Return the error of reading, if any."""
        return f"download failed ({_reason(self._failure)}); try again" if self._failure else None

    def close(self) -> None:
        """Close it."""
        self._file.close()


def unusable(name: str, error: Exception) -> CaptureError:
    """Return why a URL can't be used, as an exception."""
    # For http, fsspec raises FileNotFoundError for any error; only a server's answer has a status.
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) and cause and not hasattr(cause, "status"):
        message = f"can't be downloaded ({_reason(cause)}); check the URL, and that the server is up"
    elif isinstance(error, FileNotFoundError):
        message = "no such file; check the URL"
    elif isinstance(error, PermissionError):
        message = "no permission to read; check the credentials for the store"
    else:
        message = f"can't be opened ({_reason(error)}); check the URL"
    return CaptureError(path_kinds.shown(name), message, status=ExitStatus.NO_INPUT)


def _reason(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
