"""Live capture: the same meter and the same verdicts as for files, window by window.

`sniff()` yields a `Traffic` per window; `LiveCapture` gives more detail, and judges all flows once more
at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Unpack

from classifier.live.capture.capture_source import Source
from classifier.live.live_capture import LiveCapture, LiveOptions
from classifier.live.windows.window import Window
from classifier.result import Traffic

__all__ = ["LiveCapture", "LiveOptions", "Source", "Window", "sniff"]


def sniff(
    source: Source | Iterable[Source], *, window_s: float = 1.0, **options: Unpack[LiveOptions]
) -> Iterator[Traffic]:
    """Yield the traffic of an interface window by window, until the iterator is closed.

    `source` is the name of an interface (`any` on Linux: all of them), several names, an open binary file
    with a growing capture, such as a pipe from `tcpdump -w -`, or the Path of a folder that a capture
    program rotates into. Each `Traffic` has the flows that had a packet in the window or ended in it, with
    their counts since they began. Facts and handshake verdicts of ended flows are final; inferred verdicts
    may still change as more is seen. `options` are those of `LiveCapture`.

    CaptureError: no such interface, or no permission to capture. CaptureFilterError, UserError, RulesError:
    an option is invalid.
    """
    with LiveCapture(source, window_s=window_s, **options) as watch:
        for window in watch.windows():
            yield window.traffic
