"""A capture that arrives bit by bit through a pipe."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from support.places import SAMPLES

from classifier.live import LiveCapture, Window

OFFICE = SAMPLES / "office.pcapng"


class Pipe:
    """A pipe, whose reading end a watch takes."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.reading: BinaryIO = os.fdopen(reading, "rb")
        self._writing: BinaryIO | None = os.fdopen(writing, "wb", buffering=0)

    def write(self, data: bytes) -> None:
        assert self._writing
        self._writing.write(data)

    def close(self) -> None:
        if self._writing:
            self._writing.close()
            self._writing = None


@contextmanager
def pipe() -> Iterator[Pipe]:
    one = Pipe()
    try:
        yield one
    finally:
        one.close()
        one.reading.close()


def wait_for(watch: LiveCapture, packets: int) -> None:
    """Wait until a number of packets have been metered."""
    end = time.monotonic() + 30
    while watch.packets < packets:
        assert time.monotonic() < end, f"{watch.packets} of {packets} packets"
        time.sleep(0.01)


def windows_of(data: bytes, pieces: int = 4, **options: Any) -> tuple[LiveCapture, list[Window]]:
    """Feed a capture piece by piece; returns all windows, one for each piece, and the last."""
    with pipe() as one, LiveCapture(one.reading, window_s=0.01, **options) as watch:
        following = watch.windows()
        found = []
        step = len(data) // pieces + 1
        for begin in range(0, len(data), step):
            one.write(data[begin : begin + step])
            found.append(next(following))
        one.close()
        found += following
        return watch, found
