"""classifier: which side of every conversation in a capture is the server, and how that is known.

`read(source)` meters a capture and returns a `Traffic`; its `flows`, `services` and `servers` are
pandas DataFrames. `sniff(interface)` yields one per window of a live capture. `Rules` are what it
knows of ports. `CaptureError` is raised for an input that can't be used, `RulesError` for such rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from classifier.errors import CaptureError, ClassifierError, RulesError

if TYPE_CHECKING:
    from classifier.live import sniff
    from classifier.pipeline import read
    from classifier.services.rules import Rules
    from classifier.traffic import Traffic

__all__ = ["CaptureError", "ClassifierError", "Rules", "RulesError", "Traffic", "read", "sniff"]


def __getattr__(name: str) -> Any:
    # pyarrow takes a tenth of a second to import: not before it is needed.
    if name == "read":
        from classifier.pipeline import read

        return read
    if name == "sniff":
        from classifier.live import sniff

        return sniff
    if name == "Rules":
        from classifier.services.rules import Rules

        return Rules
    if name == "Traffic":
        from classifier.traffic import Traffic

        return Traffic
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
