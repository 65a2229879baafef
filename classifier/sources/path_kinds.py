"""What names say: which are URLs, archives, captures."""

from __future__ import annotations

import os
import re

_PACKED = r"(\.(gz|zst|lz4))?"
#: Rotating programs put numbers into the name or behind it: day-7.pcap, day.pcap12. bz2 and xz aren't read.
_CAPTURE = re.compile(rf"\.(pcap|pcapng|cap|ntar|dmp)\d*{_PACKED}$", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(tar|tar\.gz|tgz|tar\.bz2|tbz2?|tar\.xz|txz|zip)$", re.IGNORECASE)
#: One letter is a drive of Windows.
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_url(text: str) -> bool:
    """Whether it begins like s3:// or https://."""
    return bool(_URL.match(text))


def is_capture(name: str) -> bool:
    """Whether a file of that name is taken for a capture where nobody named it: in a folder or an archive."""
    base = re.split(r"[/\\]", name)[-1]
    return not base.startswith(".") and bool(_CAPTURE.search(base))


def is_archive(name: str) -> bool:
    """Whether a file of that name is opened as an archive of captures."""
    return bool(_ARCHIVE.search(name))


def is_zip(name: str) -> bool:
    """Whether an archive is a zip."""
    return name.lower().endswith(".zip")


def shown(path: str) -> str:
    """Return a path as text: names need not be, and what isn't UTF-8 in them becomes U+FFFD."""
    return os.fsencode(path).decode(errors="replace")
