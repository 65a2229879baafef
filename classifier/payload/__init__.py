"""Payload recognition: protocol, client and server messages, and announced endpoints of a flow.

The core matches signatures without knowing protocols; this package interprets its hits.
"""

from classifier.payload.expectations import Announced, Endpoints
from classifier.payload.messages import Said, read, told
from classifier.payload.table import Table, load
from classifier.signatures import Certainty, Protocol

__all__ = ["Announced", "Certainty", "Endpoints", "Protocol", "Said", "Table", "load", "read", "told"]
