"""classifier: which side of every conversation in a capture is the server, and how that is known.

`read(source)` meters a capture and returns a `Traffic`; its `flows`, `services` and `servers` are
pandas DataFrames. `sniff(interface)` yields one per window of a live capture. `Rules` are what it
knows of ports.

Exceptions, all exported here:

    ClassifierError               base of all that this package raises on purpose
    ├── CaptureError              an input that can't be used: file, byte offset, what to try
    ├── RulesError                a rule file: file, line, rule and reason
    ├── FilterError               a condition, time or network given to `Traffic.select`
    ├── CaptureFilterError        a capture filter (tcpdump's) given to `sniff`
    ├── IntervalError             a width of time bins
    ├── FlowError                 a text that names no flow
    │   └── NoSuchFlowError       a flow that isn't in the traffic
    ├── DirectoryError            a file that is no server directory
    ├── NamesError                a hosts file
    ├── UserError                 a user to whom privileges can't be dropped
    ├── MetricsError              an address at which metrics can't be served
    ├── NotWrittenError           a result that can't be written
    └── NotInstalledError         a program that isn't installed
        └── MissingExtraError     an extra that isn't installed

Arguments of a wrong type raise TypeError, impossible values ValueError.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from classifier.errors import (
    CaptureError,
    CaptureFilterError,
    ClassifierError,
    DirectoryError,
    FilterError,
    FlowError,
    IntervalError,
    MetricsError,
    MissingExtraError,
    NamesError,
    NoSuchFlowError,
    NotInstalledError,
    NotWrittenError,
    RulesError,
    UserError,
)

if TYPE_CHECKING:
    from classifier.live import sniff
    from classifier.ports.rules import Rules
    from classifier.reading import read
    from classifier.result import Traffic

    __version__: str

__all__ = [
    "CaptureError",
    "CaptureFilterError",
    "ClassifierError",
    "DirectoryError",
    "FilterError",
    "FlowError",
    "IntervalError",
    "MetricsError",
    "MissingExtraError",
    "NamesError",
    "NoSuchFlowError",
    "NotInstalledError",
    "NotWrittenError",
    "Rules",
    "RulesError",
    "Traffic",
    "UserError",
    "__version__",
    "read",
    "sniff",
]

#: Imported when first used: pyarrow alone takes a tenth of a second.
_HOMES = {
    "read": "classifier.reading",
    "sniff": "classifier.live",
    "Rules": "classifier.ports.rules",
    "Traffic": "classifier.result",
}

if not TYPE_CHECKING:  # to a type checker, a name that isn't here is an error

    def __getattr__(name):
        """Import a public name from where it is defined."""
        if name == "__version__":
            from importlib.metadata import version

            found = version("pcap-classifier")
        elif name in _HOMES:
            found = getattr(import_module(_HOMES[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    """List the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
