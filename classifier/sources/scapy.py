"""Read captures through scapy, with all of its link types.

scapy dissects each packet up to its IP header; the IP packets go to the meter in a pcapng stream. A packet
without an IP header goes there unchanged, and is counted by reason.
"""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from classifier.errors import CaptureError, ExitStatus, Remedy, missing_extra

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: LINKTYPE_RAW: frames begin with the IP header.
_RAW = 101
_NS = 1_000_000_000


class ScapyFile(io.RawIOBase):
    """A binary file with the IP packets that scapy finds, as pcapng. CaptureError: scapy can't open it."""

    def __init__(self, name: str, source: str | BinaryIO) -> None:
        try:
            import scapy.layers.all  # noqa: F401  # registers the layers of each link type
            from scapy.error import Scapy_Exception
            from scapy.utils import RawPcapReader
        except ImportError:
            message = missing_extra("--via scapy", "scapy")
            raise CaptureError(name, message, status=ExitStatus.NOT_INSTALLED) from None
        logging.getLogger("scapy").setLevel(logging.CRITICAL)
        try:
            self._reader = RawPcapReader(source)  # type: ignore[arg-type]  # takes files, too
        except (Scapy_Exception, EOFError) as error:
            raise CaptureError(name, f"scapy: {error}", remedy=Remedy.TRY_TSHARK) from None
        self._blocks = _pcapng(_frames(self._reader))
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, into: WriteableBuffer) -> int:
        """Fill a buffer from the next blocks."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        target = memoryview(into)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def problem(self) -> None:
        """Return None: scapy treats corruption as the end of the capture."""

    def close(self) -> None:
        """Close the capture."""
        if not self.closed:
            self._reader.close()
        super().close()


#: Link type, time in nanoseconds, bytes on the wire, captured bytes.
_Frame = tuple[int, int, int, bytes]


def _frames(reader: Any) -> Iterator[_Frame]:
    """Yield the packets, cut down to the IP packet where scapy finds one."""
    from scapy.config import conf
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6

    per_second = _NS if getattr(reader, "nano", False) else 1_000_000
    for data, about in reader:
        if hasattr(about, "linktype"):  # pcapng
            link_type = about.linktype
            ticks = (about.tshigh or 0) << 32 | (about.tslow or 0)
            time_ns = ticks * _NS // about.tsresol
        else:
            link_type = reader.linktype
            time_ns = about.sec * _NS + about.usec * (_NS // per_second)
        layer = conf.l2types.num2layer.get(link_type)
        stop: Any = (IP, IPv6)
        packet = layer(data, stop_dissection_after=stop) if layer and data else None
        while packet and not isinstance(packet, IP | IPv6):
            packet = packet.payload
        if packet:
            # Wire bytes include outer headers, unless the IP length is 0 and derived from the frame's length.
            outer_bytes = 0 if _tells_its_length(packet) else len(data) - len(packet.original)
            yield _RAW, time_ns, about.wirelen - outer_bytes, packet.original
        else:
            yield link_type, time_ns, about.wirelen, data


def _tells_its_length(packet: Any) -> bool:
    """Return whether an IP header has a length; 0 is filled in by the network card."""
    return bool(packet.len if packet.version == 4 else packet.plen)


def _pcapng(frames: Iterator[_Frame]) -> Iterator[bytes]:
    """Yield frames as pcapng blocks, with an interface per link type."""
    yield _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    interfaces: dict[int, int] = {}
    for link_type, time_ns, wire_bytes, data in frames:
        if link_type not in interfaces:
            interfaces[link_type] = len(interfaces)
            nanoseconds = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
            yield _block(1, struct.pack("<HHI", link_type, 0, 0) + nanoseconds)
        time = time_ns >> 32 & 0xFFFF_FFFF, time_ns & 0xFFFF_FFFF
        head = struct.pack("<5I", interfaces[link_type], *time, len(data), max(wire_bytes, 0))
        yield _block(6, head + data)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
