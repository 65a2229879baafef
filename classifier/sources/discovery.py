"""Find the inputs that a user names: files, patterns, folders, URLs, standard input."""

from __future__ import annotations

import glob
import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from classifier.errors import CaptureError, ExitStatus
from classifier.sources import path_kinds
from classifier.sources.inputs import Input, Source, Via, not_there
from classifier.wording import listed

#: Skipped files named in a remark.
_NAMED = 3
#: Schemes whose listings are links of a page, which may lead anywhere.
_UNLISTED = ("http://", "https://")


@dataclass
class FoundInputs:
    """The inputs, remarks on skipped files, and the program that reads them (None: the core)."""

    via: Via | None = None
    inputs: list[Input] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def find(source: Source | Iterable[Source], via: Via | None = None) -> FoundInputs:
    """Find the inputs that `source` names. CaptureError: one doesn't exist.

    Each file is read once, whatever paths and links lead to it. Folders are searched recursively for files
    with names of captures or archives; links to folders aren't followed.
    """
    sources = _several(source)
    if not sources:
        raise CaptureError("input", "no capture given; name one", status=ExitStatus.NO_INPUT)
    found = FoundInputs(via)
    seen: set[tuple[int, int]] = set()
    again = []
    for one in sources:
        before = len(found.inputs)
        for each in _inputs(one, seen, found.remarks):
            each.via = via
            found.inputs.append(each)
        if len(found.inputs) == before:
            again.append(path_kinds.shown(os.fspath(one)))  # type: ignore[arg-type]
    if again:
        found.remarks.append(f"given more than once, read once: {listed(again, _NAMED)}")
    return found


def _several(source: object) -> list[Source]:
    """Return the sources as a list. TypeError: one isn't a source."""
    one = isinstance(source, _ONE) or hasattr(source, "read") or not isinstance(source, Iterable)
    sources: list[Any] = [source] if one else list(source)  # type: ignore[call-overload]
    for each in sources:
        if isinstance(each, io.TextIOBase):
            raise TypeError(f"{_NEEDED}, not an open text file; open it with mode 'rb'")
        if not isinstance(each, str | os.PathLike) and not hasattr(each, "read"):
            hint = "; wrap bytes in io.BytesIO" if isinstance(each, bytes | bytearray) else ""
            raise TypeError(f"{_NEEDED}, not {type(each).__name__}{hint}")
    return sources


_ONE = (str, os.PathLike, bytes, bytearray, Mapping)
_NEEDED = "a source must be a path, pattern, URL or open binary file, or an iterable of these"


def _inputs(source: Source, seen: set[tuple[int, int]], remarks: list[str]) -> Iterator[Input]:
    if not isinstance(source, str | os.PathLike):
        yield Input(str(getattr(source, "name", "stream")), source, None, waits=True)
        return
    path = os.fspath(source)
    if not path:
        message = "empty path; check the argument"
        raise CaptureError("''", message, status=ExitStatus.NO_INPUT)
    if path == "-":
        yield from _once([_standard_input()], seen)
    elif path_kinds.is_url(path):
        yield from _behind_url(path, remarks)
    elif glob.has_magic(path) and not os.path.lexists(path):
        matched = sorted(glob.glob(path, recursive=True))
        if not matched:
            message = "no such file, and no match as a pattern; check the path"
            raise CaptureError(path_kinds.shown(path), message, status=ExitStatus.NO_INPUT)
        for match in matched:
            yield from _local(match, seen, remarks)
    else:
        yield from _local(path, seen, remarks)


def _standard_input() -> Input:
    if sys.stdin is None or sys.stdin.isatty():
        is_what = "a terminal" if sys.stdin else "closed"
        raise CaptureError(
            "-",
            f"standard input is {is_what}; pipe a capture into it: tcpdump -w - | classifier report -",
            status=ExitStatus.NO_INPUT,
        )
    # Unbuffered: data in a pipe is read immediately.
    return Input("standard input", sys.stdin.buffer.raw, None, waits=True)  # type: ignore[union-attr]


def _local(path: str, seen: set[tuple[int, int]], remarks: list[str]) -> Iterator[Input]:
    """Yield the file of a path, or the captures in a folder."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise not_there(path_kinds.shown(path), error) from error
    if stat.S_ISDIR(status.st_mode):
        yield from _once(_in_folder(path, remarks), seen)
    elif stat.S_ISREG(status.st_mode):
        yield from _once([Input(path_kinds.shown(path), path, status.st_size)], seen)
    else:
        yield from _once([Input(path_kinds.shown(path), path, None, waits=True)], seen)


def _once(inputs: Iterable[Input], seen: set[tuple[int, int]]) -> Iterator[Input]:
    """Yield each file once, whatever links lead to it."""
    for each in inputs:
        status = os.stat(each.file if isinstance(each.file, str) else each.file.fileno())  # type: ignore[union-attr]
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            yield each


def _in_folder(path: str, remarks: list[str]) -> Iterator[Input]:
    """Yield the captures and archives in a folder and below, sorted by name."""
    skipped: list[str] = []
    found = 0

    def not_listed(error: OSError) -> None:
        raise not_there(path_kinds.shown(error.filename or path), error) from error

    for folder, below, files in os.walk(path, onerror=not_listed):
        below.sort()
        for file in sorted(files):
            whole = os.path.join(folder, file)
            if not wanted(file) or not os.path.isfile(whole):
                skipped.append(path_kinds.shown(whole))
                continue
            found += 1
            yield Input(path_kinds.shown(whole), whole, os.stat(whole).st_size)
    if not found:
        raise nothing_in(path_kinds.shown(path), skipped)
    note_skipped(path_kinds.shown(path), skipped, remarks)


def _behind_url(url: str, remarks: list[str]) -> Iterator[Input]:
    """Yield the captures of a URL: the file itself, matches of a pattern, or the files in a folder."""
    from classifier.sources import remote

    files, path = remote.filesystem(url)
    try:
        if url.lower().startswith(_UNLISTED):
            yield Input(url, url, files.info(path).get("size"))
            return
        if files.exists(path) and not files.isdir(path):
            yield Input(url, url, files.info(path).get("size"))
            return
        pattern = any(sign in path for sign in "*?[")
        listing = files.glob(path, detail=True) if pattern else files.find(path, detail=True)
    except Exception as error:
        raise remote.unusable(url, error) from error
    skipped: list[str] = []
    captures = []
    for name, about in sorted(listing.items()):
        if about.get("type") == "file" and (pattern or wanted(name)):
            captures.append(Input(whole := files.unstrip_protocol(name), whole, about.get("size")))
        else:
            skipped.append(name)
    if not captures:
        raise nothing_in(url, skipped)
    note_skipped(url, skipped, remarks)
    yield from captures


def wanted(name: str) -> bool:
    """Return whether a file in a folder is read, by its name."""
    return path_kinds.is_capture(name) or path_kinds.is_archive(name)


def nothing_in(place: str, skipped: list[str]) -> CaptureError:
    """Return the error for a folder or an archive without captures."""
    others = f", only {listed(skipped, _NAMED)}; name captures directly" if skipped else "; check the path"
    return CaptureError(place, f"no files with a capture's extension{others}", status=ExitStatus.NO_INPUT)


def note_skipped(place: str, skipped: list[str], remarks: list[str]) -> None:
    """Add a remark on skipped files."""
    if skipped:
        remarks.append(f"{place}: skipped files without a capture's extension: {listed(skipped, _NAMED)}")
