"""Dissect the packets of a capture with Wireshark, through pyshark."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from classifier.errors import CaptureError, ExitStatus, MissingExtraError, NotInstalledError
from classifier.flows.transports import NUMBERS
from classifier.sources.tshark import HOW_TO_INSTALL
from classifier.verify.words import ProtocolNames

#: First Python version that pyshark 0.6 fails on: it uses removed parts of asyncio.
_TOO_NEW = (3, 14)
#: Transports that are compared.
TRANSPORTS = ("tcp", "udp")
#: Display filter for packets with payload, near the start of their connection if known; without ICMP errors,
#: which quote other packets.
_FIRST = "((tcp.len > 0 and tcp.seq < 32768) or udp.length > 8) and not icmp and not icmpv6"
#: Ports in a display filter; more cost more than they save, or exceed the length of a command.
_MOST_PORTS = 2_000


@dataclass(frozen=True, slots=True)
class Datagram:
    """A TCP segment or UDP datagram in a packet: source, destination, and the layers inside."""

    proto: int
    source: tuple[str, int]
    target: tuple[str, int]
    inside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dissected:
    """A packet as dissected by Wireshark."""

    #: Number of the packet in the capture, from 1.
    number: int
    time_ns: int
    #: Innermost first; several in a tunnel.
    datagrams: tuple[Datagram, ...]
    #: True if its sender is a server; None where the dissector doesn't show it.
    sender_is_server: bool | None


def require() -> None:
    """Raise NotInstalledError unless pyshark and tshark are installed and work together."""
    if sys.version_info >= _TOO_NEW:
        here = ".".join(map(str, sys.version_info[:2]))
        raise NotInstalledError(
            f"verify needs pyshark, which supports Python 3.11 to 3.13, not {here}; use another Python"
        )
    try:
        import pyshark  # noqa: F401
    except ImportError:
        raise MissingExtraError("verify", "verify") from None
    if shutil.which("tshark") is None:
        raise NotInstalledError(f"verify needs tshark, which is not installed; install it: {HOW_TO_INSTALL}")


def dissect(path: str, ports: Sequence[int], words: ProtocolNames) -> Iterator[Dissected]:
    """Yield the first packets with payload of the flows in a capture, in one pass.

    `ports` are the clients' ports; if there are few, Wireshark prints only packets with one of them.
    CaptureError: tshark fails, perhaps after some packets.
    """
    import pyshark
    from pyshark.capture.capture import TSharkCrashException

    if not os.path.isfile(path):
        message = "not a file; give a file, as Wireshark reads it a second time"
        raise CaptureError(path, message, status=ExitStatus.NO_INPUT)
    with _event_loop():
        capture = pyshark.FileCapture(
            path,
            keep_packets=False,
            use_ek=True,  # nine times faster than XML
            display_filter=_display_filter(ports),
            # Heuristics before port numbers: else TLS on port 8080 would be HTTP.
            override_prefs={"tcp.try_heuristic_first": "TRUE"},
            custom_parameters=["-J", " ".join(("frame ip ipv6 tcp udp", *words.layers()))],
        )
        try:
            for packet in capture:
                found = _dissected(packet, words)
                if found:
                    yield found
        except TSharkCrashException:
            pass  # or it succeeded: asyncio may lose the exit status, so the message below decides
        finally:
            with suppress(TSharkCrashException):
                capture.close()
            # pyshark keeps a "crashed" process and its output until it is removed here.
            capture._running_processes.clear()
            capture.close()
        message = capture._last_error_line or ""
        if message.startswith("tshark: "):
            raise CaptureError(path, message, status=ExitStatus.PARTIAL)


@contextmanager
def _event_loop() -> Iterator[None]:
    """Set a new current event loop for pyshark."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # asyncio's child watchers, since 3.12
            try:
                yield
            finally:
                # pyshark sets its own child watcher, with which others can't start processes.
                asyncio.set_child_watcher(None)  # type: ignore[arg-type]
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _display_filter(ports: Sequence[int]) -> str:
    if len(ports) > _MOST_PORTS:
        return _FIRST
    listed = ", ".join(map(str, sorted(ports)))
    return f"{_FIRST} and (tcp.port in {{{listed}}} or udp.port in {{{listed}}})"


def _dissected(packet: Any, words: ProtocolNames) -> Dissected | None:
    """Convert a packet of pyshark's.

    Its accessors don't support a layer that occurs twice, as in a tunnel, so the raw fields are used.
    """
    layers: dict[str, Any] = {layer.layer_name: layer._fields_dict for layer in packet.layers}
    frame = packet.frame_info._fields_dict
    datagrams = tuple(_datagrams(frame["frame_frame_protocols"].split(":"), layers))
    time_ns = _nanoseconds(frame["frame_frame_time_epoch"])
    if not datagrams or time_ns is None:
        return None
    return Dissected(int(packet.number), time_ns, datagrams[::-1], words.sender_is_server(layers))


def _datagrams(names: list[str], layers: dict[str, Any]) -> Iterator[Datagram]:
    """Yield the datagrams of a packet, outermost first."""
    used: dict[str, int] = {}
    addresses: tuple[str, str] | None = None
    for place, name in enumerate(names):
        if name not in ("ip", "ipv6", *TRANSPORTS):
            continue
        found = layers.get(name)
        parts = found if isinstance(found, list) else [found]
        nth = used.get(name, 0)
        used[name] = nth + 1
        fields = parts[nth] if nth < len(parts) else None
        if not isinstance(fields, dict):
            continue
        try:
            if name in TRANSPORTS:
                if addresses:
                    source, target = (int(fields[f"{name}_{name}_{side}port"]) for side in ("src", "dst"))
                    inside = tuple(names[place + 1 :])
                    ends = (addresses[0], source), (addresses[1], target)
                    yield Datagram(NUMBERS[name], *ends, inside)
            else:
                addresses = fields[f"{name}_{name}_src"], fields[f"{name}_{name}_dst"]
        except (KeyError, TypeError, ValueError):  # truncated
            continue


def _nanoseconds(text: str) -> int | None:
    """Parse a time: seconds since 1970, or ISO 8601, as newer Wiresharks write for Elasticsearch."""
    try:
        return int(Decimal(text) * 1_000_000_000)
    except InvalidOperation:
        pass
    try:
        return int(np.datetime64(text.removesuffix("Z"), "ns").astype(np.int64))
    except ValueError:
        return None
