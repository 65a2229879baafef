"""Files that appear when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def complete_file(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path beside `target`, which becomes `target` when the block ends without an exception.

    Whatever happens, what `target` was is there until then, and nothing else remains. OSError: no such
    place, or it may not be replaced.
    """
    target = os.fspath(target)
    part = Path(f"{target}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
