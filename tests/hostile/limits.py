#!/usr/bin/env python3
"""Measure the limits: `python tests/hostile/limits.py CASE [--packets N]`. One line: time, memory, accounts.

Nothing is written to disk: captures are made while they are read. Each case wants a process of its own,
because memory is measured as the most that the process ever had.
"""

from __future__ import annotations

import argparse
import gzip
import io
import resource
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

import classifier

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
SECTION = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
INTERFACE = struct.pack("<IIHHII", 1, 20, 1, 0, 0, 20)


class Made(io.RawIOBase):
    """A binary file made of pieces on demand."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill what fits."""
        into = memoryview(buffer)
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(into), len(self._rest))
        into[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def pack(how: str, data: bytes) -> bytes:
    """Compress."""
    return gzip.compress(data, 9) if how == "gzip" else pa.Codec(how).compress(data, asbytes=True)


def block_bomb(how: str) -> Iterator[bytes]:
    """Make about 12 GB of zeros in unknown pcapng blocks of almost 4 GB."""
    part = 1 << 26
    zeros = pack(how, bytes(part))
    total = 63 * part + 12
    yield pack(how, SECTION)
    for _ in range(3):
        yield pack(how, struct.pack("<II", 0xBAD, total))
        yield from (zeros for _ in range(63))
        yield pack(how, struct.pack("<I", total))


def frame_bomb(how: str) -> Iterator[bytes]:
    """Make 10 GB of zeros in the longest frames of a pcap file."""
    frames = pack(how, (struct.pack("<IIII", 1, 0, 262144, 262144) + bytes(262144)) * 256)
    yield pack(how, PCAP)
    yield from (frames for _ in range(160))


def message_bomb(how: str) -> Iterator[bytes]:
    """Make 10 GB of zeros in D-Bus messages of 128 MiB, the longest that are believed."""
    size = 1 << 27
    message = pack(how, struct.pack("<IIII", 1, 0, size, size) + bytes(size))
    yield pack(how, PCAP[:20] + struct.pack("<I", 231))
    yield from (message for _ in range(80))


def interfaces() -> Iterator[bytes]:
    """Make sections with all the interfaces that are allowed, again and again."""
    yield from (SECTION + INTERFACE * 65_536 for _ in range(200))


def claims(kind: int) -> Iterator[bytes]:
    """Claim a block of 4 GB, and end."""
    yield SECTION + INTERFACE + struct.pack("<II", kind, 0xFFFFFFFC) + bytes(100_000)


def flood(packets: int, sources: int, ports: int) -> Iterator[bytes]:
    """Make a SYN flood, a microsecond between packets; forged sources, and initial numbers all new."""
    rng = np.random.default_rng(1)
    record = np.dtype(
        [
            *(("seconds", "<u4"), ("fraction", "<u4"), ("captured", "<u4"), ("original", "<u4")),
            *(("ethernet", "V14"), ("ip", "V12"), ("source", ">u4"), ("destination", ">u4")),
            *(("source_port", ">u2"), ("port", ">u2"), ("sequence", ">u4"), ("rest", "V12")),
        ]
    )
    yield PCAP
    for begin in range(0, packets, 100_000):
        count = min(100_000, packets - begin)
        number = np.arange(begin, begin + count)
        rows = np.zeros(count, dtype=record)
        rows["seconds"], rows["fraction"] = 1_700_000_000 + number // 1_000_000, number % 1_000_000
        rows["captured"] = rows["original"] = 54
        rows["ethernet"] = np.void(bytes(12) + b"\x08\0")
        rows["ip"] = np.void(struct.pack(">BBHIBBH", 0x45, 0, 40, 0, 64, 6, 0))
        rows["source"] = rng.integers(0x0B000000, 0x0B000000 + sources, count)
        rows["destination"] = 0xC0000201
        rows["source_port"] = 1024 + rng.integers(0, ports, count)
        rows["port"] = 80
        rows["sequence"] = rng.integers(0, 1 << 32, count)
        rows["rest"] = np.void(b"\0\0\0\0\x50\x02" + bytes(6))
        yield rows.tobytes()


def cases(packets: int) -> dict[str, Callable[[], Iterator[bytes]]]:
    """Name the cases."""
    made: dict[str, Callable[[], Iterator[bytes]]] = {
        "flood": lambda: flood(packets, 1 << 31, 60_000),
        "flood-one-source": lambda: flood(packets, 1, 60_000),
        "flood-one-key": lambda: flood(packets, 1, 1),
        "interfaces": interfaces,
        "claims-unknown": lambda: claims(0xBAD),
        "claims-packet": lambda: claims(6),
        "claims-section": lambda: claims(0x0A0D0D0A),
    }
    for how in ("gzip", "zstd", "lz4"):
        made[f"block-bomb-{how}"] = partial(block_bomb, how)
        made[f"frame-bomb-{how}"] = partial(frame_bomb, how)
        made[f"message-bomb-{how}"] = partial(message_bomb, how)
    return made


def rss_mb() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run one case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=sorted(cases(0)))
    parser.add_argument("--packets", type=int, default=10_000_000)
    parser.add_argument("--max-flows", type=int)
    given = parser.parse_args()
    pieces = cases(given.packets)[given.case]()
    options = {} if given.max_flows is None else {"max_flows": given.max_flows}
    before, begun = rss_mb(), time.monotonic()
    try:
        traffic = classifier.read(Made(pieces), **options)  # type: ignore[arg-type]
    except classifier.CaptureError as error:
        print(f"{given.case}: {error}; {time.monotonic() - begun:.1f} s, {before:.0f} → {rss_mb():.0f} MB")
        return
    metered, metered_mb = time.monotonic() - begun, rss_mb()
    services = traffic.totals.services()
    accounting = {name: count for name, count in traffic.accounting.items() if count}
    told = sum(
        sum(services[name].to_pylist()) for name in ("client_packets", "server_packets", "attempt_packets")
    )
    print(
        f"{given.case}: {accounting}, services tell {told}; rows {traffic.metered.spool.rows}, "
        f"evicted {traffic.metered.counters.evicted}; problems {[str(one) for one in traffic.problems]}; "
        f"metered in {metered:.1f} s, all in {time.monotonic() - begun:.1f} s; "
        f"memory {before:.0f} → {metered_mb:.0f} → {rss_mb():.0f} MB"
    )


if __name__ == "__main__":
    main()
