"""Choose the capture backend of an interface: the user's choice, or the first one permitted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, cast

from classifier.errors import CaptureError, ExitStatus
from classifier.live.capture import external_capture, interfaces
from classifier.live.capture.capture_source import CaptureOptions, CaptureSource, Source, StreamSource
from classifier.live.capture.follow import FollowedFolder
from classifier.live.capture.packet_socket import AF_PACKET, PacketSocket, not_permitted
from classifier.live.capture.privileges import is_root

SOCKET = "socket"
ENGINES = (SOCKET, *external_capture.COMMANDS)


def open_sources(
    source: Source | Iterable[Source], engine: str | None, options: CaptureOptions
) -> list[CaptureSource]:
    """Open the sources; CaptureError names the one that can't be captured, and what to do."""
    if sys.platform == "win32":
        raise CaptureError(
            "live", "not available on Windows; capture to a file instead", status=ExitStatus.NO_INPUT
        )
    one = isinstance(source, str | bytes) or hasattr(source, "read") or not isinstance(source, Iterable)
    sources: list[Any] = [source] if one else list(cast("Iterable[Source]", source))
    for each in sources:
        if not isinstance(each, str | Path) and not hasattr(each, "read"):
            raise TypeError(
                "a live source must be the name of an interface, the Path of a folder, an open binary file, "
                f"or an iterable of these; not {type(each).__name__}"
            )
    if not sources:
        raise CaptureError("live", "no interface given; name one", status=ExitStatus.NO_INPUT)
    opened: list[CaptureSource] = []
    try:
        for each in sources:
            opened.append(_open(each, engine, _own_file(options, each, len(sources))))
    except BaseException:
        for each in opened:
            each.close()
        raise
    return opened


def rights() -> dict[str, bool]:
    """Return whether each installed backend is permitted to capture."""
    may: dict[str, bool] = {}
    if interfaces.LINUX:
        may[SOCKET] = _may_open_sockets()
    inherited = may.get(SOCKET, False) and is_root()
    for program in external_capture.installed():
        may[program] = inherited or external_capture.has_rights(program) or _may_read_bpf_devices()
    return may


def _open(source: Source, engine: str | None, options: CaptureOptions) -> CaptureSource:
    if not isinstance(source, str):
        if options.filter:
            raise CaptureError(
                "live",
                "--filter applies to interfaces, not to streams or folders; filter at the source: "
                f"tcpdump -w - {options.filter}",
                status=ExitStatus.USAGE,
            )
        return FollowedFolder(source, options) if isinstance(source, Path) else StreamSource(source, options)
    interface = interfaces.find(source)
    if interface is None:
        there = ", ".join(found.name for found in interfaces.interfaces())
        raise CaptureError(source, f"no such interface; choose from {there}", status=ExitStatus.NO_INPUT)
    may = rights()
    if engine is None:
        engine = next((name for name, allowed in may.items() if allowed), None)
        if engine is None:
            raise not_permitted(source)
    if engine == SOCKET:
        if not interfaces.LINUX:
            raise CaptureError(
                source, "packet sockets exist only on Linux; use --engine tcpdump", status=ExitStatus.NO_INPUT
            )
        return PacketSocket(interface, options)
    if not may.get(engine, True):
        raise not_permitted(source)
    return external_capture.ExternalCapture(source, engine, options)


def _own_file(options: CaptureOptions, source: Source, sources: int) -> CaptureOptions:
    """Give each of several sources its own packet file: keep.pcapng becomes keep-eth0.pcapng."""
    if options.keep is None or sources == 1:
        return options
    path = PurePath(options.keep)
    name = source if isinstance(source, str) else "stream"
    return replace(options, keep=str(path.with_stem(f"{path.stem}-{name}")))


def _may_open_sockets() -> bool:
    import socket

    try:
        socket.socket(AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError:
        return False
    return True


def _may_read_bpf_devices() -> bool:
    """Return whether this is BSD or macOS with readable /dev/bpf*."""
    return os.access("/dev/bpf0", os.R_OK)
