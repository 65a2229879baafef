"""classifier: which side of every conversation in a capture is the server, with the evidence.

`read(source)` reads a capture and returns a `Traffic`; its `flows`, `services` and `servers` are
pandas DataFrames. `sniff(interface)` yields one per window of a live capture. `Rules` are the port rules.

Exceptions, all exported here:

    ClassifierError               base of all exceptions of this package
    ├── CaptureError              an input that can't be read: file, byte offset, what to do
    ├── RulesError                an invalid rule file: file, line, rule and reason
    ├── FilterError               an invalid condition, time or network given to `Traffic.select`
    ├── CaptureFilterError        an invalid capture filter (as in tcpdump) given to `sniff`
    ├── IntervalError             an invalid width of time bins
    ├── FlowError                 a text that doesn't identify a flow
    │   └── NoSuchFlowError       a flow that isn't in the traffic
    ├── DirectoryError            a file that is not a server directory
    ├── NamesError                an invalid hosts file
    ├── UserError                 a user that privileges can't be dropped to
    ├── MetricsError              an address where metrics can't be served
    ├── NotWrittenError           a result that can't be written
    └── NotInstalledError         a program that isn't installed
        └── MissingExtraError     an extra that isn't installed

Arguments of a wrong type raise TypeError, invalid values ValueError.
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

#: Modules of names that are imported on first use: pyarrow alone takes a tenth of a second.
_HOMES = {
    "read": "classifier.reading",
    "sniff": "classifier.live",
    "Rules": "classifier.ports.rules",
    "Traffic": "classifier.result",
}

if not TYPE_CHECKING:  # type checkers must still report unknown names

    def __getattr__(name):
        """Import a public name from the module that defines it."""
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
    """Return the public names, including those not imported yet."""
    return sorted({*globals(), *__all__})
