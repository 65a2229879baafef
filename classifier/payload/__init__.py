"""What a flow's first payloads show: the protocol, who says what of it, the name that the client asked for.

The core looks for signatures and knows no protocol; here its hits are read back.
"""

from classifier.payload.expectations import Announced, Endpoints
from classifier.payload.messages import Said, read, told
from classifier.payload.table import Table, load
from classifier.signatures import Certainty, Protocol

__all__ = ["Announced", "Certainty", "Endpoints", "Protocol", "Said", "Table", "load", "read", "told"]
