"""Archives of captures: members are read one after the other, and never extracted to disk.

A member's name is only displayed. Archives are treated as hostile: headers are limited in size, only one
block is held, and links, devices, sparse files and nested archives are skipped.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from classifier.errors import CaptureError, ExitStatus
from classifier.sources import discovery, path_kinds
from classifier.sources.inputs import Input, not_there

#: Maximum bytes of a tar header; tarfile itself believes any length.
MOST_HEADER_BYTES = 1 << 20
_UNPACK: dict[str, Callable[[IO[bytes]], Any]] = {
    **dict.fromkeys((".gz", ".tgz"), gzip.open),
    **dict.fromkeys((".bz2", ".tbz", ".tbz2"), bz2.open),
    **dict.fromkeys((".xz", ".txz"), lzma.open),
}
#: Exceptions that the libraries raise for corrupt archives.
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, RuntimeError, NotImplementedError, ValueError),
)


class Member:
    """A member as a binary file, given its decompressed stream. A failure ends it, see `problem`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._failure: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        try:
            return self._file.read(size)
        except _DAMAGE as error:
            self._failure = error
            return b""

    def problem(self) -> str | None:
        """Return the error of decompression, if any."""
        return f"decompression failed ({_reason(self._failure)})" if self._failure else None

    def close(self) -> None:
        """Close it."""
        self._file.close()


def members(archive: Input, remarks: list[str]) -> Iterator[Input]:
    """Yield the captures in an archive, each to be read before the next; skipped members go to `remarks`.

    CaptureError: it can't be read, or not to its end, or has no captures.
    """
    path = str(archive.file)
    skipped: list[str] = []
    found = 0
    try:
        with _opened(archive) as file:
            for member, stream in _zipped(file) if path_kinds.is_zip(path) else _tarred(file, path):
                if stream is None or not path_kinds.is_capture(member):
                    skipped.append(member)
                    continue
                found += 1
                # The colon distinguishes it from paths in the file system.
                name = f"{archive.name}:{member}"
                yield Input(name, Member(stream), None, archive.via, begins_at=file.tell())
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno:
            raise not_there(archive.name, error) from error
        message = f"can't be read as an archive ({_reason(error)}); check that it is complete"
        status = ExitStatus.PARTIAL if found else ExitStatus.NOT_A_CAPTURE
        raise CaptureError(archive.name, message, status=status) from None
    if not found:
        raise discovery.nothing_in(archive.name, skipped)
    discovery.note_skipped(archive.name, skipped, remarks)


def _opened(archive: Input) -> IO[bytes]:
    name = str(archive.file)
    if not path_kinds.is_url(name):
        return open(name, "rb")
    from classifier.sources import remote

    return remote.opened(name)


def _zipped(file: IO[bytes]) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                continue
            if kind not in (0, stat.S_IFREG):
                yield member.filename, None
                continue
            with archive.open(member) as stream:
                yield member.filename, stream


def _tarred(file: IO[bytes], name: str) -> Iterator[tuple[str, IO[bytes] | None]]:
    unpack = next((how for ending, how in _UNPACK.items() if name.lower().endswith(ending)), None)
    forward: Any = _Forward(unpack(file) if unpack else file)
    archive: Any
    with tarfile.open(fileobj=forward, mode="r:") as archive:
        while member := archive.next():
            archive.members.clear()  # tarfile would keep all members
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                yield member.name, None
            else:
                yield member.name, archive.extractfile(member)
    if any(forward.last):  # an archive ends in zeros; tarfile also stops at a corrupt header
        raise tarfile.ReadError(f"corrupt before byte {forward.tell():,} of the decompressed archive")


class _Forward:
    """A stream that tarfile can only read forward, in limited amounts."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at = 0
        #: The bytes read last.
        self.last = b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MOST_HEADER_BYTES:
            raise tarfile.ReadError(f"a header claims {size:,} bytes")
        self.last = self._file.read(size)
        self._at += len(self.last)
        return self.last

    def tell(self) -> int:
        return self._at

    def seek(self, to: int) -> int:
        if to < self._at:
            raise tarfile.ReadError("a header points backwards")
        while self._at < to and self.read(min(to - self._at, MOST_HEADER_BYTES)):
            pass
        return self._at


def _reason(error: Exception | None) -> str:
    return str(error) or type(error).__name__
