"""Recognise URLs, archives and captures by their names."""

from __future__ import annotations

import os
import re

_PACKED = r"(\.(gz|zst|lz4))?"
#: Rotated files have numbers in the name or after it: day-7.pcap, day.pcap12. bz2 and xz aren't supported.
_CAPTURE = re.compile(rf"\.(pcap|pcapng|cap|ntar|dmp)\d*{_PACKED}$", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(tar|tar\.gz|tgz|tar\.bz2|tbz2?|tar\.xz|txz|zip)$", re.IGNORECASE)
#: A single letter is a Windows drive.
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_url(text: str) -> bool:
    """Return whether a text begins with a scheme, such as s3:// or https://."""
    return bool(_URL.match(text))


def is_capture(name: str) -> bool:
    """Return whether a file in a folder or an archive is a capture, by its name."""
    base = re.split(r"[/\\]", name)[-1]
    return not base.startswith(".") and bool(_CAPTURE.search(base))


def is_archive(name: str) -> bool:
    """Return whether a file is an archive of captures, by its name."""
    return bool(_ARCHIVE.search(name))


def is_zip(name: str) -> bool:
    """Return whether an archive is a zip file, by its name."""
    return name.lower().endswith(".zip")


def shown(path: str) -> str:
    """Return a path as text; bytes that aren't UTF-8 become U+FFFD."""
    return os.fsencode(path).decode(errors="replace")
