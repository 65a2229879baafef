"""Structured noise: what messages look like of protocols that no signature knows.

Random bytes are too kind to signatures: real payloads have counters, lengths, zeros, versions and text.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from typing import Literal

Order = Literal["big", "little"]
WORDS = (
    "OK ERROR HELLO PING PONG GET SET LIST DATA END USER PASS STAT INFO LOGIN QUIT VERSION STATUS ACK NAK "
    "READY START STOP NAME VALUE HELP AUTH TYPE RETR TOP NICK PUB SUB MSG SEND OPEN CLOSE MODE LOAD SAVE REST"
).split()


def _order(chance: random.Random) -> Order:
    return "little" if chance.random() < 0.3 else "big"


def _word(chance: random.Random, most: int = 12) -> bytes:
    return "".join(chance.choices(string.ascii_letters, k=chance.randint(1, most))).encode()


def ber(tag: int, body: bytes, long_form: bool = False) -> bytes:
    """Return an element of ASN.1's basic encoding."""
    length = len(body)
    if long_form:
        return bytes([tag, 0x84]) + length.to_bytes(4, "big") + body
    if length < 128:
        return bytes([tag, length]) + body
    return bytes([tag, 0x82]) + length.to_bytes(2, "big") + body


def asn1(chance: random.Random, depth: int = 0) -> bytes:
    """Return nested elements: small integers, texts, sequences, applications' and contexts' tags."""
    body = b""
    for _ in range(chance.randint(1, 4)):
        kind = chance.random()
        if kind < 0.3:
            width = chance.choice([1, 1, 2, 4])
            body += ber(2, chance.randrange(1 << (8 * width - 1)).to_bytes(width, "big"))
        elif kind < 0.5:
            body += ber(4, _word(chance))
        elif kind < 0.6:
            body += ber(10, bytes([chance.randrange(8)]))
        elif kind < 0.7:
            body += ber(1, b"\xff")
        elif depth < 3:
            tag = chance.choice(
                [0x30, 0x31, *range(0x60, 0x7F), *range(0xA0, 0xA8), *range(0x80, 0x84), 0x42]
            )
            body += ber(tag, asn1(chance, depth + 1), chance.random() < 0.3)
    return body if depth else ber(chance.choice([0x30, 0x30, 0x60, 0xA0]), body, chance.random() < 0.3)


def counters(chance: random.Random) -> bytes:
    """Return numbers of one width that count up, or stay."""
    width, order, step = chance.choice([1, 2, 4, 8]), _order(chance), chance.choice([0, 1, 1, 2, 4, 100])
    start = chance.randrange(1 << chance.choice([4, 8, min(31, 8 * width)]))
    numbers = ((start + step * place) % (1 << 8 * width) for place in range(chance.randint(2, 80)))
    return b"".join(number.to_bytes(width, order) for number in numbers)


def elements(chance: random.Random) -> bytes:
    """Return types, lengths and values."""
    type_width, length_width, order = chance.choice([1, 2, 2, 4]), chance.choice([1, 2, 2, 4]), _order(chance)
    body = b""
    for _ in range(chance.randint(1, 6)):
        value = chance.choice(
            [chance.randbytes(chance.randint(0, 8)), bytes(chance.randint(0, 8)), _word(chance)]
        )
        counted = len(value) + chance.choice([0, 0, type_width + length_width])
        kind = chance.randrange(chance.choice([4, 20, 256]))
        body += kind.to_bytes(type_width, order) + counted.to_bytes(length_width, order) + value
    return body


def zeros(chance: random.Random) -> bytes:
    """Return a fixed record of which few fields are set."""
    record = bytearray(chance.choice([4, 6, 8, 10, 12, 16, 20, 23, 24, 32, 48, 64, 100, 200, 1200, 1460]))
    for _ in range(chance.randint(0, 6)):
        record[chance.randrange(len(record))] = chance.choice([1, 2, 3, 4, 5, 8, 16, 32, 64, 128, 255])
    return bytes(record)


def versioned(chance: random.Random) -> bytes:
    """Return a header of a low version, with type, flags, length and id in some order, and a body."""
    body = chance.choice([counters, elements, zeros, text])(chance)[:200]
    kind = bytes([chance.randrange(chance.choice([4, 16, 64, 256]))])
    flags = chance.choice([b"", b"\0", b"\0\0", b"\1", b"\x80", b"\xc0"])
    number = chance.choice([b"", bytes(4), bytes(8), chance.randrange(1 << 16).to_bytes(4, "big")])
    width = chance.choice([1, 2, 2, 3, 4])
    header = 1 + len(kind) + len(flags) + width + len(number)
    length = (len(body) + chance.choice([0, header, header, width])) % (1 << 8 * width)
    parts = [kind, flags, length.to_bytes(width, _order(chance)), number]
    if chance.random() < 0.4:
        chance.shuffle(parts)
    return bytes([chance.choice([1, 1, 1, 2, 3, 4, 0x10, 0x20, 0x11, 0x21, 0])]) + b"".join(parts) + body


def length_first(chance: random.Random) -> bytes:
    """Return a message behind its length."""
    body = chance.choice([counters, elements, zeros, text, versioned, asn1])(chance)[:1200]
    width = chance.choice([2, 2, 3, 4, 4])
    counted = (len(body) + chance.choice([0, 0, width])) % (1 << 8 * width)
    return counted.to_bytes(width, _order(chance)) + body


def text(chance: random.Random) -> bytes:
    """Return lines of words, JSON, XML, base64, or what a receiver of satellites writes."""
    word = chance.choice(WORDS)
    match chance.randrange(6):
        case 0:
            return json.dumps({word.lower(): chance.randrange(1000), "id": [1, None]}).encode()
        case 1:
            return f'<?xml version="1.0"?><{word.lower()} id="{chance.randrange(99)}"/>'.encode()
        case 2:
            return base64.b64encode(chance.randbytes(chance.randint(10, 300)))
        case 3:
            return f"$GPGGA,{chance.randrange(10**6)},{chance.random():.4f},N\r\n".encode()
        case _:
            first = chance.choice(
                ["", f"{chance.randrange(600)} ", ":", "#", "*", "+", "-", "$", "<", "/", "@"]
            )
            words = [
                chance.choice([chance.choice(WORDS), str(chance.randrange(10**5)), _word(chance, 9).decode()])
                for _ in range(chance.randint(1, 8))
            ]
            ending = chance.choice(["\n", "\r\n", "\r\n", "", "\0"])
            return (first + chance.choice(" ,:=|").join(words) + ending).encode()


def media(chance: random.Random) -> bytes:
    """Return the beginning of a frame of video or sound, or of a box of MP4."""
    match chance.randrange(4):
        case 0:
            return bytes([0, 0, 0, 1, chance.choice([0x67, 0x65, 0x41])]) + chance.randbytes(400)
        case 1:
            return bytes(
                [0x47, chance.choice([0, 0x40, 0x1F]), chance.randrange(256), 0x10]
            ) + chance.randbytes(184)
        case 2:
            return chance.randrange(8, 2000).to_bytes(4, "big") + b"moof" + chance.randbytes(100)
        case _:
            return bytes([9]) + chance.randrange(5000).to_bytes(3, "big") + bytes(7) + chance.randbytes(100)


def encapsulated(chance: random.Random) -> bytes:
    """Return a frame of Ethernet behind a small header."""
    header = chance.choice([[1, 0, 0, 1, 1], [0, 0, 0, 0], [2, 0, 8, 0], [1, 0]])
    addresses = bytes([0, 0x1B, 0x21]) + chance.randbytes(3) + bytes([0, 0x0C, 0x29]) + chance.randbytes(3)
    return bytes(header) + addresses + b"\x08\0\x45\0" + chance.randbytes(60)


KINDS: dict[str, Callable[[random.Random], bytes]] = {
    "asn.1": asn1,
    "counters": counters,
    "types and lengths": elements,
    "zeros": zeros,
    "low versions": versioned,
    "length first": length_first,
    "text": text,
    "media": media,
    "frames": encapsulated,
}


def payload(kind: str, chance: random.Random) -> bytes:
    """Return a message of some kind; of three in ten only what follows some place within."""
    data = KINDS[kind](chance)[:2000]
    if chance.random() < 0.3 and len(data) > 12:
        data = data[chance.randrange(1, len(data) - 8) :]
    return data
