"""A capture cut into files, as a rotating program cuts it."""

from __future__ import annotations

from pathlib import Path

from scapy.utils import PcapReader

from support import frames
from support.frames import Packet


def packets_of(path: Path) -> list[Packet]:
    """All packets of a capture of Ethernet frames."""
    with PcapReader(str(path)) as reader:
        return [Packet(int(packet.time * 10**9), bytes(packet)) for packet in reader]


def rotate(packets: list[Packet], pieces: int, folder: Path) -> list[Path]:
    """Write packets to a number of files, cut between different times."""
    files = []
    at = 0
    for number in range(pieces):
        end = len(packets) * (number + 1) // pieces
        while number < pieces - 1 and packets[end].time_ns == packets[end - 1].time_ns:
            end += 1
        path = folder / f"capture_{number:05}.pcap"
        path.write_bytes(frames.pcap(packets[at:end], frames.ETHERNET))
        files.append(path)
        at = end
    return files
