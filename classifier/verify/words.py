"""Map Wireshark's protocol names and request/response fields to this program's: `rules/wireshark.toml`."""

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
class ProtocolNames:
    """The contents of the file."""

    #: Layers that aren't a protocol.
    nothing: frozenset[str]
    #: This program's names, by Wireshark's, where they differ.
    names: Mapping[str, frozenset[str]]
    #: By field: values that only clients send, and values that only servers send.
    sides: Mapping[str, tuple[frozenset[str], frozenset[str]]]

    def protocols(self, layers: Iterable[str]) -> list[str]:
        """Return the layers that are protocols, each once, by Wireshark's names."""
        named = (layer for layer in layers if layer not in self.nothing and not layer.startswith("_ws"))
        return list(dict.fromkeys(named))

    def ours(self, protocols: Iterable[str]) -> frozenset[str]:
        """Return this program's names for protocols by Wireshark's names."""
        listed = list(protocols)
        return frozenset(listed).union(*(self.names.get(name, ()) for name in listed))

    def sender_is_server(self, layers: Mapping[str, Any]) -> bool | None:
        """Return whether a packet's fields show a server as its sender; None if they don't show the sender.

        `layers` has the fields of each layer, by Wireshark's name, or a list of these if it occurs several
        times. A field is keyed as in Elasticsearch's mapping: `dns_dns_flags_response`.
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
        """Return the layers that `sender_is_server` uses."""
        return sorted({field.partition(".")[0] for field in self.sides})


@cache
def load() -> ProtocolNames:
    """Load the built-in mapping."""
    path = FOLDER / "wireshark.toml"
    content = read_toml(path)
    try:
        return ProtocolNames(
            frozenset(content["nothing"]),
            {name: frozenset(ours) for name, ours in content["names"].items()},
            {
                field: (frozenset(values.get("client", ())), frozenset(values.get("server", ())))
                for field, values in content["sides"].items()
            },
        )
    except KeyError as error:
        raise RulesError(f"{path}: {error.args[0]} is missing; add it") from None
