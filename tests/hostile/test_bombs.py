"""Small files that unpack to large ones."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import pytest

PACKETS = 6_000
PACKET_BYTES = 65_000


def bomb(path: Path) -> int:
    """Write a capture of 390 MB that packs to less than a thousandth; return its size."""
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
    packet = struct.pack("<IIII", 1, 0, PACKET_BYTES, PACKET_BYTES) + bytes(PACKET_BYTES)
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(header)
        for _ in range(PACKETS):
            file.write(packet)
    return len(header) + PACKETS * len(packet)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")
def test_memory_does_not_follow_the_unpacked_size(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pcap.gz"
    unpacked = bomb(path)
    assert path.stat().st_size < unpacked / 500
    # A process of its own, since memory is measured as the most that a process ever had.
    code = (
        "import sys, classifier\n"
        "packets = classifier.read(sys.argv[1]).accounting['packets']\n"
        "status = dict(line.split(':') for line in open('/proc/self/status'))\n"
        "print(packets, status['VmHWM'].split()[0])"
    )
    command = [sys.executable, "-P", "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    packets, peak_kb = map(int, done.stdout.split())
    assert packets == PACKETS
    # Most of it is the interpreter and its libraries.
    assert peak_kb * 1024 < unpacked / 2
