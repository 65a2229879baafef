"""Payload signatures: patterns of the first bytes of a protocol's messages. Format: rules/README.md.

They are compiled without numpy, which is imported while packets are already being metered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from classifier import _meter
from classifier.errors import RulesError
from classifier.flows.transports import NUMBERS
from classifier.ports.rule_files import FOLDER, read_toml

Value = TypeVar("Value")

#: Transports whose payloads are inspected.
TRANSPORTS = {name: NUMBERS[name] for name in ("tcp", "udp")}
#: Which side sends a message: 1 the client, -1 the server, 0 either.
SENDERS = {"client": 1, "server": -1, "either": 0}


class Certainty(IntEnum):
    """How certainly a message identifies its protocol, and its sender's side."""

    NONE = 0
    #: A hint only.
    WEAK = 1
    #: Usually; the exceptions are known.
    LIKELY = 2
    #: By the specification.
    SURE = 3


class Protocol(NamedTuple):
    """A protocol that payload recognition can identify."""

    name: str
    #: Other protocols run on top of it, so that it doesn't identify the service.
    carrier: bool
    #: Name of its service where nothing else names it.
    service: str
    #: Protocols that its connections begin as.
    over: tuple[str, ...] = ()
    #: It carries tunnelled protocols, whose messages show the sides no more certainly than it does.
    tunnels: bool = False
    #: More specific protocols that replace it where they follow it.
    gives_way_to: tuple[str, ...] = ()
    #: Rank among equally certain protocols of a flow: the highest wins.
    layer: int = 0


class Message(NamedTuple):
    """A kind of message, with its own signature."""

    protocol: Protocol
    message: str
    #: How certainly it identifies its protocol.
    certainty: Certainty
    #: How certainly it identifies its sender's side.
    side: Certainty
    #: Its sender, as in `SENDERS`.
    sender: int
    #: Its sender where the core decrypted it with the sender's own connection ID, or with the peer's.
    opened: int
    answered: int
    #: Number of an endpoint's first messages that must match before it identifies its protocol.
    repeats: int
    #: Ports, one of which an endpoint must have; empty: any port.
    ports: tuple[int, ...]
    #: Ports without which it counts only if the other endpoint's messages match the protocol, too; None: it
    #: counts by itself.
    alone: tuple[int, ...] | None
    #: The core counts it only where it is consistent with other packets of the flow.
    joint: bool = False

    @property
    def by_itself(self) -> bool:
        """True if a single such packet identifies the protocol at any port."""
        return self.alone is None and self.repeats == 1 and not self.joint


class Compiled(NamedTuple):
    """The messages, the core's signatures for them, and service names by ALPN protocol."""

    messages: list[Message]
    signatures: _meter.Signatures
    alpn: dict[str, str]


@cache
def compiled() -> Compiled:
    """Compile the built-in signatures. RulesError: one is invalid."""
    return compile_files([(path, read_toml(path)) for path in sorted((FOLDER / "payload").glob("*.toml"))])


def compile_files(files: list[tuple[Path, dict[str, Any]]]) -> Compiled:
    """Compile the contents of files. RulesError: a signature is invalid."""
    protocols: dict[str, Protocol] = {}
    messages: list[Message] = []
    rules: list[_meter._Rule] = []
    places: list[str] = []
    alpn: dict[str, str] = {}
    for path, content in files:
        alpn |= content.get("alpn", {})
        for entry in content.get("protocol", []):
            for where, message, rule in _entry(path, entry, protocols):
                messages.append(message)
                rules.append(rule)
                places.append(where)
    try:
        signatures = _meter.Signatures(rules)
    except ValueError as error:
        place, reason = error.args
        raise RulesError(f"{places[place]}: {reason}") from None
    return Compiled(messages, signatures, alpn)


def _entry(
    path: Path, entry: dict[str, Any], protocols: dict[str, Protocol]
) -> Iterator[tuple[str, Message, _meter._Rule]]:
    """Yield the messages of a protocol: the place for errors, the message, and its rule for the core."""
    where = f"{path}: protocol {entry.get('name', '?')}"
    _check(where, entry, _PROTOCOL_KEYS)
    transport = _choice(where, "transport", entry["transport"], TRANSPORTS)
    protocol = Protocol(
        name=entry["name"],
        carrier=entry.get("carrier", False),
        service=entry.get("service", entry["name"]),
        over=tuple(entry.get("over", ())),
        tunnels=entry.get("tunnels", False),
        gives_way_to=tuple(entry.get("gives_way_to", ())),
        layer=_layer(entry),
    )
    alone: list[int] | None = entry.get("alone")
    # A protocol may have an entry for each transport, with different services.
    known = protocols.setdefault(f"{protocol.name}/{transport}/{protocol.service}", protocol)
    for message in entry["messages"]:
        place = f"{where}: message {message.get('message', '?')}"
        _check(place, message, _MESSAGE_KEYS)
        side = _choice(place, "certainty", message["certainty"], _CERTAINTIES)
        certainty = _choice(place, "shows", message.get("shows", message["certainty"]), _CERTAINTIES)
        by_itself = alone is None or "ports" in message or message.get("anywhere", False)
        sender = _choice(place, "from", message["from"], SENDERS)
        patterns = message["match"]
        yield (
            place,
            Message(
                protocol=known,
                message=message["message"],
                certainty=certainty,
                side=side,
                sender=sender,
                opened=_choice(place, "opened", message.get("opened", message["from"]), SENDERS),
                answered=_choice(place, "answered", message.get("answered", message["from"]), SENDERS),
                repeats=message.get("repeats", 1),
                ports=tuple(message.get("ports", ())),
                alone=None if by_itself else tuple(alone or ()),
                joint=message.get("extract") in _JOINT,
            ),
            (
                [transport],
                message.get("ports", []),
                [patterns] if isinstance(patterns, str) else patterns,
                message.get("where", []),
                # Messages that depend on the other endpoint come last, so as not to mask independent ones.
                2 * (Certainty.SURE - side) + (not by_itself),
                message.get("extract"),
                message.get("settles", False),
            ),
        )


def _layer(entry: dict[str, Any]) -> int:
    if entry.get("header", False):
        return 0
    if entry.get("carrier", False):
        return 2 if entry.get("over") else 1
    return 3


#: Extractors of the core that check several packets before they match.
_JOINT = ("utp", "rtp")
_CERTAINTIES = {certainty.name.lower(): certainty for certainty in Certainty if certainty}
#: Keys, and whether they are required.
_PROTOCOL_KEYS = {
    **dict.fromkeys(("name", "transport", "source", "messages"), True),
    **dict.fromkeys(("carrier", "service", "over", "tunnels", "header", "gives_way_to", "alone"), False),
}
_MESSAGE_KEYS = {
    **dict.fromkeys(("message", "from", "certainty", "match"), True),
    **dict.fromkeys(("where", "ports", "extract", "opened", "answered", "repeats"), False),
    **dict.fromkeys(("settles", "shows", "anywhere"), False),
}


def _check(where: str, entry: dict[str, Any], keys: dict[str, bool]) -> None:
    for key, needed in keys.items():
        if needed and key not in entry:
            raise RulesError(f"{where}: {key} is missing; add it")
    for key in entry:
        if key not in keys:
            raise RulesError(f"{where}: unknown key {key!r}; choose from {', '.join(keys)}")


def _choice(where: str, key: str, word: str, choices: Mapping[str, Value]) -> Value:
    if word not in choices:
        raise RulesError(f"{where}: unknown {key} {word!r}; choose from {', '.join(choices)}")
    return choices[word]
