"""Wireshark's words for protocols, and its fields that tell who speaks, in ours: `rules/wireshark.toml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from classifier.errors import RulesError
from classifier.ports.rule_files import FOLDER, read_toml

_ANY = "*"
_TRUTH = {"true": "1", "false": "0"}


@dataclass(frozen=True)
class Words:
    """The file's content."""

    #: Layers that name no protocol.
    nothing: frozenset[str]
    #: Ours for each of Wireshark's names that is another.
    names: Mapping[str, frozenset[str]]
    #: By field: the values that only a client sends, and those that only a server does.
    sides: Mapping[str, tuple[frozenset[str], frozenset[str]]]

    def protocols(self, layers: Iterable[str]) -> list[str]:
        """Return the layers that name a protocol, each once, in Wireshark's words."""
        named = (layer for layer in layers if layer not in self.nothing and not layer.startswith("_ws"))
        return list(dict.fromkeys(named))

    def ours(self, protocols: Iterable[str]) -> frozenset[str]:
        """Return all that protocols in Wireshark's words may mean in ours."""
        listed = list(protocols)
        return frozenset(listed).union(*(self.names.get(name, ()) for name in listed))

    def sender_is_server(self, layers: Mapping[str, Any]) -> bool | None:
        """Say what a packet's fields tell of its sender; None for nothing.

        `layers` has the fields of each layer by Wireshark's name for it, or a list of such where it
        occurs several times. A field is keyed as in Elasticsearch's mapping: `dns_dns_flags_response`.
        """
        for field, (client, server) in self.sides.items():
            layer = field.partition(".")[0]
            found = layers.get(layer)
            key = f"{layer}_{field.replace('.', '_')}"
            for fields in found if isinstance(found, list) else [found]:
                if not isinstance(fields, dict) or key not in fields:
                    continue
                value = fields[key]
                for one in value if isinstance(value, list) else [value]:
                    text = str(one).lower()
                    text = _TRUTH.get(text, text)
                    if text in client or _ANY in client:
                        return False
                    if text in server or _ANY in server:
                        return True
        return None

    def layers(self) -> list[str]:
        """Return the layers that `sender_is_server` looks at."""
        return sorted({field.partition(".")[0] for field in self.sides})


@cache
def load() -> Words:
    """Load the words that come with the program."""
    path = FOLDER / "wireshark.toml"
    content = read_toml(path)
    try:
        return Words(
            frozenset(content["nothing"]),
            {name: frozenset(ours) for name, ours in content["names"].items()},
            {
                field: (frozenset(told.get("client", ())), frozenset(told.get("server", ())))
                for field, told in content["sides"].items()
            },
        )
    except KeyError as error:
        raise RulesError(f"{path}: {error.args[0]} is missing") from None
