"""Payload recognition: protocol, client and server messages, and announced endpoints of a flow.

The core matches signatures without knowing protocols; this package interprets its hits.
"""

from classifier.payload.expectations import ExpectedEndpoints, Purpose
from classifier.payload.messages import PayloadFindings, findings, labels
from classifier.payload.table import MessageTable, load
from classifier.signatures import Certainty, Protocol

__all__ = [
    "Certainty",
    "ExpectedEndpoints",
    "MessageTable",
    "PayloadFindings",
    "Protocol",
    "Purpose",
    "findings",
    "labels",
    "load",
]
