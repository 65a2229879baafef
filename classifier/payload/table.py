"""The properties of all signatures, as arrays."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from classifier import _meter, signatures
from classifier.signatures import Message


class MessageTable:
    """All signatures, in the order of their numbers, with their properties as arrays."""

    def __init__(self, messages: list[Message], compiled: _meter.Signatures, alpn: dict[str, str]) -> None:
        self.messages = messages
        self.compiled = compiled
        #: Service names by ALPN protocol. RFC 7301.
        self.alpn = alpn
        self.protocols = list(dict.fromkeys(message.protocol for message in messages))
        places = {protocol: place for place, protocol in enumerate(self.protocols)}
        # A slot holds the signature's number plus 2; 0 is no packet, 1 no match.
        self.protocol = _array([-1, -1, *(places[message.protocol] for message in messages)])
        self.certainty = _array([0, 0, *(message.certainty for message in messages)])
        self.side = _array([0, 0, *(message.side for message in messages)])
        self.sender = _array([0, 0, *(message.sender for message in messages)])
        self.opened = _array([0, 0, *(message.opened for message in messages)])
        self.answered = _array([0, 0, *(message.answered for message in messages)])
        self.repeats = _array([1, 1, *(message.repeats for message in messages)])
        self.tunnels = _array([0, 0, *(message.protocol.tunnels for message in messages)])
        self.layer = _array([protocol.layer for protocol in self.protocols])
        #: By protocol: indices of the more specific ones that replace it.
        self.gives_way_to = {
            place: [other for name in protocol.gives_way_to for other in self._named(name)]
            for place, protocol in enumerate(self.protocols)
            if protocol.gives_way_to
        }
        #: Ports where a message counts by itself; elsewhere it needs the other endpoint's.
        self.alone = {
            number: np.array(message.alone, dtype=np.uint16)
            for number, message in enumerate(messages, 2)
            if message.alone is not None
        }
        #: 0 and all of these ports; and the index there of each port, 0 for others.
        self.homes = np.unique([0, *(port for ports in self.alone.values() for port in ports)])
        self.home = np.zeros(1 << 16, dtype=np.int64)
        self.home[self.homes] = np.arange(len(self.homes))
        self.needs_both = np.zeros(len(messages) + 2, dtype=bool)
        self.needs_both[list(self.alone)] = True

    def _named(self, name: str) -> list[int]:
        return [place for place, protocol in enumerate(self.protocols) if protocol.name == name]

    def find(self, proto: int, ports: tuple[int, int], payload: bytes) -> Message | None:
        """Return the message that a payload matches."""
        number = self.compiled.find(proto, ports, payload)
        return None if number is None else self.messages[number]


def _array(numbers: list[int]) -> npt.NDArray[np.int16]:
    return np.array(numbers, dtype=np.int16)


@cache
def load() -> MessageTable:
    """Load the built-in signatures. RulesError: one is invalid."""
    return MessageTable(*signatures.compiled())
