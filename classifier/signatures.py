"""The signatures: what the first bytes of a protocol's messages look like. Format: rules/README.md.

They are compiled without numpy: packets are being metered while it is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from classifier import _meter
from classifier.errors import RulesError
from classifier.ports.rule_files import FOLDER, read_toml

Value = TypeVar("Value")

TRANSPORTS = {"tcp": 6, "udp": 17}
#: Says the sender of a message: it is the client, the server, or that tells nothing.
SENDERS = {"client": 1, "server": -1, "either": 0}


class Certainty(IntEnum):
    """How surely a message shows its protocol, and its sender's side."""

    NONE = 0
    #: A hint only.
    WEAK = 1
    #: As a rule; the exceptions are known.
    LIKELY = 2
    #: By the specification.
    SURE = 3


class Protocol(NamedTuple):
    """A protocol that payload recognition knows."""

    name: str
    #: Others ride on it, so that it alone says little about the service.
    carrier: bool
    #: What its service is called where nothing else names it.
    service: str
    #: It begins as one of these, and goes on as what it is.
    over: tuple[str, ...] = ()
    #: What follows is inside of it, and goes its way: that shows the sides no more surely than it does.
    tunnels: bool = False
    #: Protocols that say more than it does where they follow it.
    gives_way_to: tuple[str, ...] = ()
    #: Its place among equally certain protocols of one flow: the highest is chosen.
    layer: int = 0


class Message(NamedTuple):
    """A kind of message, by a signature of its own."""

    protocol: Protocol
    message: str
    #: How surely it shows its protocol.
    certainty: Certainty
    #: How surely it shows its sender's side.
    side: Certainty
    #: As in `SENDERS`.
    sender: int
    #: The same where the core has decrypted it with its own keys, or with those of the peer's.
    opened: int
    answered: int
    #: It shows its protocol only if so many of an end's first messages look like it.
    repeats: int
    #: It counts only where one end has one of these; empty: anywhere.
    ports: tuple[int, ...]
    #: Where no end has one of these, it counts only if the other end's messages show the protocol too;
    #: None: it counts by itself.
    alone: tuple[int, ...] | None
    #: The core counts it only where it agrees with other packets of the flow.
    joint: bool = False

    @property
    def by_itself(self) -> bool:
        """Return whether a single such packet shows the protocol at any port."""
        return self.alone is None and self.repeats == 1 and not self.joint


class Compiled(NamedTuple):
    """The messages, the core's signatures for them, and names of services by application protocol."""

    messages: list[Message]
    signatures: _meter.Signatures
    alpn: dict[str, str]


@cache
def compiled() -> Compiled:
    """Compile the signatures that come with the program; RulesError names a wrong one."""
    return compile_files([(path, read_toml(path)) for path in sorted((FOLDER / "payload").glob("*.toml"))])


def compile_files(files: list[tuple[Path, dict[str, Any]]]) -> Compiled:
    """Compile the contents of files; RulesError names a wrong signature."""
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
    """Yield the messages of a protocol: where each stands, what it means, and its rule for the core."""
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
    # One protocol may stand at several transports, with another service at each.
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
                # Those that need the other end's come last: what needs nobody's must not be hidden by them.
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


#: What the core reads of several packets before it believes them.
_JOINT = ("utp", "rtp")
_CERTAINTIES = {certainty.name.lower(): certainty for certainty in Certainty if certainty}
#: Keys, and whether they must be there.
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
            raise RulesError(f"{where}: {key} is missing")
    for key in entry:
        if key not in keys:
            raise RulesError(f"{where}: {key!r} is no key; there are {', '.join(keys)}")


def _choice(where: str, key: str, word: str, choices: Mapping[str, Value]) -> Value:
    if word not in choices:
        raise RulesError(f"{where}: {key} {word!r} is none of {', '.join(choices)}")
    return choices[word]
