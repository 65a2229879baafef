"""Every signature against every other protocol's messages, whole and from within, and structured noise.

`messages.py` and `messages.tsv` have a message or more of each signature: a new one fails here until its own
is there. What structured data satisfies needs a second condition: the other end's message, or the port.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from support import structured
from support.messages import EITHER, TALKS, bytes_of

from classifier import payload
from classifier.payload import Certainty
from classifier.ports.rule_files import FOLDER, read_toml
from classifier.ports.rules import Rules
from classifier.services.service_verdict import expected_at, is_expected_at
from classifier.signatures import TRANSPORTS, Message

TABLE = payload.load()
FILE = Path(__file__).parent.parent / "support" / "messages.tsv"
#: A port that no rule and no signature names.
NOWHERE = 61_001
#: Payloads of each kind of noise. `false_matches.py --structured` tries a hundred times as many.
NOISE = 1500

#: What a message may be taken for, and is: DNS in all but the port; DTLS behind a header of its own.
MEANT = {("mdns", "dns"), ("llmnr", "dns"), ("netbios-ns", "dns"), ("capwap", "dtls")}


@cache
def corpus() -> list[tuple[str, int, int, bytes]]:
    """Return protocol, transport, port and bytes of all messages."""
    talks = [(name, proto, port, text) for name, proto, port, *texts in TALKS for text in texts if text]
    lines = [line.split("\t") for line in FILE.read_text().splitlines() if not line.startswith("#")]
    rest = [(name, TRANSPORTS[transport], int(port), text) for name, transport, port, _, text in lines]
    return [(name, proto, port, bytes_of(text)) for name, proto, port, text in (*talks, *EITHER, *rest)]


def by_itself(proto: int, data: bytes) -> Message | None:
    """Return what a payload is taken for away from all known ports, with nothing of the other end's."""
    message = TABLE.find(proto, (NOWHERE, NOWHERE + 1), data)
    return message if message and message.by_itself and message.certainty >= Certainty.LIKELY else None


def test_every_signature_has_a_message() -> None:
    found = {TABLE.compiled.find(proto, (50_001, port), data) for _, proto, port, data in corpus()}
    missing = [TABLE.messages[number] for number in set(range(len(TABLE.messages))) - found]
    assert [(message.protocol.name, message.message) for message in missing] == []


def test_no_whole_message_is_taken_for_another_protocols() -> None:
    wrong = Counter[tuple[str, str]]()
    for name, proto, _, data in corpus():
        for transport in (6, 17):
            message = by_itself(transport, data)
            if message and message.protocol.name != name and transport == proto:
                wrong[name, message.protocol.name] += 1
    assert set(wrong) - MEANT == set(), wrong


def within() -> Iterator[tuple[str, int, bytes]]:
    for name, proto, _, data in corpus():
        for start in range(1, min(len(data) - 8, 120)):
            yield name, proto, data[start:]


def test_no_message_from_within_is_taken_for_another_protocols() -> None:
    wrong = Counter[tuple[str, str]]()
    for name, proto, data in within():
        message = by_itself(proto, data)
        if message and message.protocol.name != name:
            wrong[name, message.protocol.name] += 1
    assert set(wrong) - MEANT == set(), wrong


@pytest.mark.parametrize("kind", structured.KINDS)
def test_structured_noise_is_nothing(kind: str) -> None:
    """Once in a thousand a signature may be wrong about it by itself; most never are."""
    chance = random.Random(kind)
    wrong = Counter[str]()
    for _ in range(NOISE):
        data = structured.payload(kind, chance)
        for proto in (6, 17):
            message = by_itself(proto, data)
            if message:
                wrong[f"{message.protocol.name}: {message.message}"] += 1
    assert {name: count for name, count in wrong.items() if count > NOISE / 1000} == {}


def test_no_signatures_own_port_makes_it_a_mismatch() -> None:
    rules = Rules.load()
    protocols = {(protocol.name, protocol.service): protocol for protocol in TABLE.protocols}
    wrong = [
        (entry["name"], entry["transport"], port)
        for path in sorted((FOLDER / "payload").glob("*.toml"))
        for entry in read_toml(path)["protocol"]
        for port in {
            *entry.get("alone", ()),
            *chain(*(message.get("ports", ()) for message in entry["messages"])),
        }
        if expected_at(here := rules.at(TRANSPORTS[entry["transport"]], port))
        if not is_expected_at(here, protocols[entry["name"], entry.get("service", entry["name"])])
    ]
    assert wrong == []
