"""Makes a large capture of real packets: a folder of captures, repeated with other addresses and times.

    python benchmarks/make_real.py ../captures --bytes 1000000000 --output benchmarks/data/real.pcap

Needs Wireshark's `editcap`, which reads whatever is in the folder. Captures of Ethernet only, one after the
other; in each repetition unicast addresses differ by one octet, and time goes on. Header checksums stay as
they were.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

ETHERNET = 1
FILE_HEADER = np.array([0xA1B2C3D4, 0x00040002, 0, 0, 262_144, ETHERNET], "<u4").tobytes()
RECORD_BYTES = 16
IPV4, IPV6, VLANS = 0x0800, 0x86DD, (0x8100, 0x88A8)
EPOCH_S = 1_700_000_000
#: Seconds between the captures.
GAP_S = 1


def main() -> None:
    """Read the arguments, and write the capture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bytes", type=int, default=10**9)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    part = given.output.with_name(f"{given.output.name}.part")
    with part.open("wb") as file:
        file.write(FILE_HEADER)
        for piece in repeated(list(packets(given.folder))):
            file.write(piece.tobytes())
            if file.tell() >= given.bytes:
                break
    os.replace(part, given.output)
    print(f"{given.output}: {given.output.stat().st_size:,} bytes")


def packets(folder: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the packets of all captures: microseconds since the first, and the bytes captured."""
    begin_us = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
            done = subprocess.run(
                ["editcap", "-F", "pcap", path, file.name], capture_output=True, check=False
            )
            data = Path(file.name).read_bytes()
        if done.returncode or len(data) < 24 or int.from_bytes(data[20:24], "little") != ETHERNET:
            print(f"{path}: left out", file=sys.stderr)
            continue
        found = list(records(data))
        first_us = min((time_us for time_us, _ in found), default=0)
        for time_us, packet in found:
            yield begin_us + time_us - first_us, packet
        begin_us += max((time_us - first_us for time_us, _ in found), default=0) + GAP_S * 1_000_000


def records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield time and bytes of the packets of a classic pcap."""
    at = 24
    while at + RECORD_BYTES <= len(data):
        seconds, micros, captured = np.frombuffer(data, "<u4", 3, at).tolist()
        yield seconds * 1_000_000 + micros, data[at + RECORD_BYTES : at + RECORD_BYTES + captured]
        at += RECORD_BYTES + captured


def repeated(found: list[tuple[int, bytes]]) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield all packets as they stand in a file, again and again with other addresses and times."""
    sizes = np.array([RECORD_BYTES + len(packet) for _, packet in found])
    starts = np.cumsum(sizes) - sizes
    whole = np.zeros(sizes.sum(), np.uint8)
    varied = []
    for start, (_, packet) in zip(starts.tolist(), found, strict=True):
        length = np.array([len(packet)] * 2, "<u4").tobytes()
        whole[start + 8 : start + RECORD_BYTES + len(packet)] = np.frombuffer(length + packet, np.uint8)
        varied += [start + RECORD_BYTES + octet for octet in octets(packet)]
    places = starts[:, None] + np.arange(8)
    times_us = np.array([time_us for time_us, _ in found])
    original = whole[varied]
    for number in range(256):
        now_us = times_us + number * (int(times_us.max()) + GAP_S * 1_000_000)
        stamps = np.stack([EPOCH_S + now_us // 1_000_000, now_us % 1_000_000], axis=1).astype("<u4")
        whole[places] = stamps.view(np.uint8)
        whole[varied] = original ^ number
        yield whole


def octets(packet: bytes) -> Iterator[int]:
    """Yield the places of the octets that vary: the second of each IPv4 address, the eighth of IPv6."""
    at, kind = 12, int.from_bytes(packet[12:14], "big")
    while kind in VLANS:
        at += 4
        kind = int.from_bytes(packet[at : at + 2], "big")
    at += 2
    first, size, octet, multicast = {IPV4: (12, 4, 1, 224), IPV6: (8, 16, 7, 255)}.get(kind, (0, 0, 0, 0))
    if size and len(packet) >= at + first + 2 * size:
        for address in (at + first, at + first + size):
            if packet[address] < multicast:
                yield address + octet


if __name__ == "__main__":
    main()
