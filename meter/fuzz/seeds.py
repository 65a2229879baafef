#!/usr/bin/env python3
"""Write seed inputs for the fuzzers: `python meter/fuzz/seeds.py [DIR]` (DIR/capture, DIR/wire, DIR/meter).

From `samples/` and the crafted formats of `tests/`, so that the corpus has no traffic of strangers. Nothing
here depends on the day or on chance that isn't seeded.
"""

import gzip
import random
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[1] / "samples"
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from formats import craft  # noqa: E402

#: Indices in the table of link types in `checks/wire.rs`.
LINK_TYPES = [
    int(number)
    for table in re.findall(r"LINK_TYPES: \[u16; \d+\] = \[([^]]+)\]", (HERE / "checks/wire.rs").read_text())
    for number in re.findall(r"\d+", table)
]
LARGEST = 4096


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield link type and bytes of each packet of a pcap or (little-endian) pcapng file."""
    if data[:4] == b"\n\r\r\n":
        at, links = 0, []
        while at + 12 <= len(data):
            kind, total = struct.unpack_from("<II", data, at)
            if kind == 1:
                links.append(struct.unpack_from("<H", data, at + 8)[0])
            elif kind == 6:
                interface, _, _, captured = struct.unpack_from("<IIII", data, at + 8)
                yield links[interface], data[at + 28 : at + 28 + captured]
            at += total
        return
    order = "<" if data[:1] in b"\xd4\x4d" else ">"
    link = struct.unpack_from(f"{order}I", data, 20)[0] & 0xFFFF
    at = 24
    while at + 16 <= len(data):
        captured = struct.unpack_from(f"{order}I", data, at + 8)[0]
        yield link, data[at + 16 : at + 16 + captured]
        at += 16 + captured


def block(kind: int, body: bytes, order: str) -> bytes:
    """Put the lengths around the body of a pcapng block."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def pcapng(order: str) -> bytes:
    """Return a capture with every supported block type, and some others."""

    def pack(kinds: str, *values: int) -> bytes:
        return struct.pack(order + kinds, *values)

    data = b"".join(bytes([n]) * 14 for n in range(3))
    section = block(0x0A0D0D0A, pack("IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    described = [
        pack("HHI", 1, 0, 0),
        pack("HHIHHBxxxHHq", 101, 0, 96, 9, 1, 9, 14, 8, -3600) + pack("HH", 0, 0),
        pack("HHIHHBxxx", 189, 0, 0, 9, 1, 0x8A),
    ]
    blocks = [block(1, one, order) for one in described]
    blocks += [block(6, pack("IIIII", n, 0, 99, len(data), 99) + data, order) for n in range(3)]
    blocks.append(block(2, pack("HHIIII", 1, 5, 0, 99, len(data), 99) + data, order))
    blocks.append(block(3, pack("I", len(data)) + data, order))
    blocks.append(block(5, pack("IIIHHQHHQ", 0, 0, 99, 5, 8, 7, 7, 8, 1), order))
    blocks.append(block(0xBAD, b"unknown!", order))
    return section + b"".join(blocks)


def pcaps() -> Iterator[bytes]:
    """Yield the variants of pcap."""
    data = bytes(20)
    for order in "<>":
        for magic, version in [
            (0xA1B2C3D4, (2, 4)),
            (0xA1B23C4D, (2, 4)),
            (0xA1B2CD34, (2, 4)),
            (0xA1B2C3D4, (2, 3)),
            (0xA1B2C3D4, (2, 1)),
            (0xA1B2C3D4, (543, 0)),
        ]:
            header = struct.pack(f"{order}IHHiIII", magic, *version, 0, 0, 65535, 1)
            record = struct.pack(f"{order}IIII", 1, 2, 20, 60) + bytes(8 if magic == 0xA1B2CD34 else 0)
            yield header + (record + data) * 2


def capture_seeds() -> Iterator[bytes]:
    """Yield capture files."""
    for path in sorted(SAMPLES.rglob("*.pcap*")):
        data = path.read_bytes()
        yield data if len(data) <= LARGEST else data[:LARGEST]
    yield from [pcapng("<"), pcapng(">"), pcapng("<") + pcapng(">"), *pcaps()]
    packed = gzip.compress(pcapng("<"), mtime=0)
    lz4 = (SAMPLES / "links/ethernet.pcap.lz4").read_bytes()
    zstd = (SAMPLES / "links/ethernet.pcap.zst").read_bytes()
    skippable = struct.pack("<II", 0x184D2A50, 4) + b"skip"
    yield from [packed, packed + packed, skippable + zstd, skippable + lz4 + lz4, zstd + zstd]
    yield from [gzip.compress(packed, mtime=0), b"PK\x03\x04" + bytes(30), b"plain text\n", b""]


def sample_frames() -> list[tuple[int, bytes]]:
    """Yield every distinct packet of the samples."""
    found: dict[tuple[int, bytes], None] = {}
    for path in sorted(SAMPLES.rglob("*.pcap")) + sorted(SAMPLES.rglob("*.pcapng")):
        found.update(dict.fromkeys((link, data[:600]) for link, data in frames(path.read_bytes())))
    return list(found)


def crafted_frames() -> Iterator[tuple[int, bytes]]:
    """Yield the first and last packet of each link type, encapsulation and transport."""
    for name, data in craft.captures().items():
        made = list(frames(data))
        yield from made if name in craft.TRANSPORTS else [made[0], made[-1]]


def wire_seeds() -> Iterator[bytes]:
    """Yield frames with the header that `checks/wire.rs` reads."""
    for link, data in [*sample_frames(), *crafted_frames()]:
        number = LINK_TYPES.index(link)
        yield bytes([number, 0]) + struct.pack(">H", 40) + data
        yield bytes([number, 1]) + struct.pack(">HH", 20, 1000) + data


def meter_seeds() -> Iterator[bytes]:
    """Yield scripts as `checks/traffic.rs` reads them."""
    rng = random.Random(1)
    for number in range(120):
        script = bytes([number])
        for _ in range(rng.randrange(4, 60)):
            kind = rng.choice([0, 0, 0, 0, 0x10, 0x20, 8, 10, 11, 13, 14, 0x80])
            script += bytes([kind, rng.choice([1, 1, 1, 5, 130, 192, 193, 194, 195, 200, 255])])
            if kind & 15 == 0:
                shape = rng.choice([0, 0, 0, 3, 3, 5, 8, 11, 0x43, 0x40, 0x4B, 4, 6])
                ends, ports = rng.choice([(1, 8), (4, 1)])
                flags = rng.choice([2, 0x12, 0x10, 0x18, 0x11, 4, 0x14])
                script += bytes([shape, ends, ports, flags, rng.choice([0, 10, 25, 0x51, 0x8C, 7])])
                if shape & 0x40:
                    script += bytes([rng.choice([8, 0x18, 1, 9, 0x43])])
                if kind & 0x80:
                    script += bytes([rng.choice([0, 1, 10, 255])])
            elif kind in (8, 10):
                script += bytes([rng.randrange(256)])
            elif kind == 14:
                script += bytes([rng.randrange(40), rng.randrange(256)])
        yield script
    links = [101, 1, 0, 113, 276, 9, 105]
    chosen = [(link, data) for link, data in [*sample_frames()[::40], *crafted_frames()] if link in links]
    for at in range(0, len(chosen), 8):
        script = b"\0"
        for link, data in chosen[at : at + 8]:
            script += bytes([12, 1, links.index(link)]) + struct.pack(">H", len(data)) + data
        yield script


def main() -> None:
    """Write the files, named by number."""
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "seeds"
    for target, seeds in [("capture", capture_seeds()), ("wire", wire_seeds()), ("meter", meter_seeds())]:
        folder = into / target
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        for count, seed in enumerate(seeds, 1):
            (folder / f"seed-{count:04}").write_bytes(seed)
        print(f"{target}: {count} seeds", file=sys.stderr)


if __name__ == "__main__":
    main()
