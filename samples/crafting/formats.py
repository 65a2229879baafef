"""Frames to capture files: pcap in its byte orders and resolutions, pcapng, and compressed."""

import gzip
import io
import struct
from collections.abc import Iterable
from dataclasses import dataclass

import lz4.frame
import zstandard

SNAP_LENGTH = 262_144

# https://www.tcpdump.org/linktypes.html
NULL, ETHERNET, RAW, LOOP, LINUX_SLL, LINUX_SLL2 = 0, 1, 101, 108, 113, 276


@dataclass(frozen=True)
class Frame:
    """What a capture holds of one frame; `wire_bytes` counts what it had before a snap length cut it."""

    time_ns: int
    data: bytes
    wire_bytes: int

    def cut(self, snap_length: int) -> "Frame":
        """The same frame, captured with this snap length."""
        return Frame(self.time_ns, self.data[:snap_length], self.wire_bytes)


@dataclass(frozen=True)
class Interface:
    """A pcapng interface: its link type, and its time unit as a negative power of ten."""

    link_type: int
    decimals: int


def pcap(
    frames: Iterable[Frame],
    link_type: int = ETHERNET,
    *,
    byte_order: str = "<",
    nanoseconds: bool = False,
    snap_length: int = SNAP_LENGTH,
) -> bytes:
    """A pcap file (draft-ietf-opsawg-pcap); frames longer than the snap length are cut."""
    magic, unit_ns = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1_000)
    parts = [struct.pack(f"{byte_order}IHHiIII", magic, 2, 4, 0, 0, snap_length, link_type)]
    for frame in frames:
        held = frame.cut(snap_length)
        seconds, rest_ns = divmod(held.time_ns, 1_000_000_000)
        record = (seconds, rest_ns // unit_ns, len(held.data), held.wire_bytes)
        parts += [struct.pack(f"{byte_order}IIII", *record), held.data]
    return b"".join(parts)


def pcapng(interfaces: Iterable[Interface], frames: Iterable[tuple[int, Frame]]) -> bytes:
    """A little-endian pcapng file (draft-ietf-opsawg-pcapng); each frame with its interface's number."""
    known = list(interfaces)
    parts = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for interface in known:
        resolution = struct.pack("<HHB3xHH", 9, 1, interface.decimals, 0, 0)
        parts.append(_block(1, struct.pack("<HHI", interface.link_type, 0, SNAP_LENGTH) + resolution))
    for number, frame in frames:
        units = frame.time_ns // 10 ** (9 - known[number].decimals)
        lengths = (len(frame.data), frame.wire_bytes)
        head = struct.pack("<IIIII", number, units >> 32, units & 0xFFFFFFFF, *lengths)
        parts.append(_block(6, head + frame.data))
    return b"".join(parts)


def gzipped(data: bytes) -> bytes:
    """`data` as gzip, without a time or a name inside."""
    held = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=held, mtime=0) as target:
        target.write(data)
    return held.getvalue()


def zstandard_compressed(data: bytes) -> bytes:
    """`data` as one Zstandard frame."""
    return zstandard.ZstdCompressor(level=19).compress(data)


def lz4_compressed(data: bytes) -> bytes:
    """`data` as one LZ4 frame."""
    return bytes(lz4.frame.compress(data, content_checksum=True))


def _block(kind: int, body: bytes) -> bytes:
    padded = body + bytes(-len(body) % 4)
    length = struct.pack("<I", len(padded) + 12)
    return struct.pack("<I", kind) + length + padded + length
