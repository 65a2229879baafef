"""Damaged copies of captures, the same for the same seed."""

from __future__ import annotations

import gzip
import itertools
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

#: Captures are cut to this, so that a variant takes milliseconds.
LARGEST_BYTES = 1 << 20
#: Numbers that break things: none, one, the limits of types, what is just too long.
NUMBERS = [0, 1, 3, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x40000, 0x40001, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def records(data: bytes) -> list[int]:
    """Return where packet records (pcap) or blocks (pcapng) begin, and the end."""
    at = 0
    places = []
    if data[:4] == b"\n\r\r\n":
        while at + 12 <= len(data):
            places.append(at)
            (total,) = struct.unpack_from("<I" if data[8:9] == b"\x4d" else ">I", data, at + 4)
            if total < 12:
                break
            at += total
    elif data[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d"):
        order = "<" if data[0] in b"\xd4\x4d" else ">"
        at = 24
        while at + 16 <= len(data):
            places.append(at)
            at += 16 + struct.unpack_from(f"{order}I", data, at + 8)[0]
    return [*places, min(at, len(data))]


def flip(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Flip some bits."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 3, 20, 200])):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def flip_headers(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Overwrite bytes near the beginnings of packets, where the headers are."""
    out = bytearray(data)
    places = records(data)
    for _ in range(rng.choice([2, 10, 60])):
        at = rng.choice(places) + rng.randrange(110)
        if at < len(out):
            out[at] = rng.choice([0, 1, 0x45, 0x60, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(out)


def lengths(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Overwrite four bytes, mostly a record's lengths or times."""
    out = bytearray(data)
    places = records(data)
    for _ in range(rng.choice([1, 1, 4])):
        at = rng.choice(places) + rng.choice([0, 4, 8, 12, 16, 20, 24, rng.randrange(60)])
        if at + 4 <= len(out):
            struct.pack_into(rng.choice("<>") + "I", out, at, rng.choice(NUMBERS))
    return bytes(out)


def cut(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Keep a beginning."""
    return data[: rng.randrange(len(data))]


def hole(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Leave something out of the middle."""
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice([1, 4, 100, 5000]) :]


def _pieces(data: bytes) -> tuple[bytes, list[bytes]]:
    places = records(data)
    ends = [data[a:b] for a, b in itertools.pairwise(places)]
    return data[: places[0]], [*ends, data[places[-1] :]]


def reorder(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Shuffle packets: time runs back."""
    head, pieces = _pieces(data)
    first = pieces[:2] if data[:4] == b"\n\r\r\n" else []
    rest = pieces[len(first) :]
    rng.shuffle(rest)
    return head + b"".join(first + rest)


def duplicate(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Repeat packets, often and at other places."""
    head, pieces = _pieces(data)
    for _ in range(rng.choice([1, 5, 50])):
        pieces.insert(rng.randrange(len(pieces) + 1), rng.choice(pieces))
    return head + b"".join(pieces)


def drop(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Lose packets: first fragments, handshakes, section headers."""
    head, pieces = _pieces(data)
    kept = rng.choice([0.5, 0.9, 0.99])
    return head + b"".join(piece for piece in pieces if rng.random() < kept)


def splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Go on in another file."""
    mine, yours = records(data), records(other)
    if rng.random() < 0.5:
        return data[: rng.choice(mine)] + other[rng.choice(yours) :]
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def snap(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Cut every packet of a pcap file to a snap length; its lengths are kept true."""
    if data[:4] != b"\xd4\xc3\xb2\xa1":
        return cut(rng, data, other)
    length = rng.randrange(100)
    out = [data[:24]]
    places = records(data)
    for at, end in itertools.pairwise(places):
        kept = min(length, end - at - 16)
        out.append(data[at : at + 8] + struct.pack("<I", kept) + data[at + 12 : at + 16 + kept])
    return b"".join(out)


def times(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Overwrite timestamps of a pcap file."""
    out = bytearray(data)
    for at in records(data):
        if rng.random() < 0.3 and at + 8 <= len(out):
            struct.pack_into("<II", out, at, rng.choice(NUMBERS), rng.choice(NUMBERS))
    return bytes(out)


def link_type(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Claim another link type."""
    at = records(data)[1] + 8 if data[:4] == b"\n\r\r\n" and len(records(data)) > 1 else 20
    out = bytearray(data)
    if at + 2 <= len(out):
        known = [
            0,
            1,
            9,
            12,
            50,
            51,
            101,
            104,
            105,
            107,
            108,
            113,
            119,
            127,
            163,
            192,
            204,
            228,
            229,
            239,
            276,
        ]
        struct.pack_into("<H", out, at, rng.choice([*known, rng.randrange(300)]))
    return bytes(out)


def packed(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Pack with gzip, then damage."""
    out = gzip.compress(data[:65536], 1, mtime=0)
    return rng.choice([flip, cut, hole, splice])(rng, out, other)


MUTATIONS: list[Callable[[random.Random, bytes, bytes], bytes]] = [
    *(flip, flip_headers, flip_headers, lengths, cut, hole, reorder, duplicate, drop, splice, snap, times),
    *(link_type, packed),
]


def variants(
    captures: list[Path], count: int, seed: int, only: int | None = None
) -> Iterator[tuple[int, str, bytes]]:
    """Yield number, description and bytes of each variant; one or two mutations on a capture."""
    files: dict[Path, bytes] = {}

    def load(rng: random.Random) -> tuple[Path, bytes]:
        path = rng.choice(captures)
        if path not in files:
            with path.open("rb") as file:
                files[path] = file.read(LARGEST_BYTES)
        return path, files[path]

    for number in range(count) if only is None else [only]:
        rng = random.Random(f"{seed}/{number}")
        (path, data), (_, other) = load(rng), load(rng)
        names = []
        for mutation in rng.sample(MUTATIONS, rng.choice([1, 1, 2])):
            if data and other:
                data = mutation(rng, data, other)
                names.append(mutation.__name__)
        yield number, f"{path.name} {'+'.join(names)}", data
