"""Traffic as it happens: the same meter and the same verdicts, window by window.

`sniff()` yields a `Traffic` per window; `Watch` says more, and judges everything once more at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Unpack

from classifier.live.capture.capture_source import Source
from classifier.live.live_capture import Watch, WatchOptions
from classifier.live.windows.window import Window
from classifier.result import Traffic

__all__ = ["Source", "Watch", "WatchOptions", "Window", "sniff"]


def sniff(
    source: Source | Iterable[Source], *, window_s: float = 1.0, **options: Unpack[WatchOptions]
) -> Iterator[Traffic]:
    """Yield the traffic of an interface window by window, until the caller stops asking.

    `source` is an interface's name (`any` on Linux: all of them), several names, an open binary file
    with a capture that still grows, such as a pipe from `tcpdump -w -`, or the Path of a folder that a
    capturing program rotates into. Each `Traffic` has the flows
    that had a packet in the window or ended in it, with their counts since they began. Facts and
    handshake verdicts of flows that have ended are final; inferred verdicts may still change as more is
    seen. `options` are those of `Watch`.

    Raises CaptureError where there is no such interface, or no right to capture on it, CaptureFilterError,
    UserError and RulesError for such options.
    """
    with Watch(source, window_s=window_s, **options) as watch:
        for window in watch.windows():
            yield window.traffic
