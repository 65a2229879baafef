"""Linux packet sockets: the built-in capture backend. packet(7)."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys

from classifier import _meter
from classifier.errors import CaptureError, ExitStatus
from classifier.live.capture.bpf import compile_filter
from classifier.live.capture.capture_source import CaptureOptions, CaptureSource
from classifier.live.capture.interfaces import ANY, COOKED, Interface, is_up, loopback

# linux/socket.h, linux/if_ether.h, linux/if_packet.h, asm-generic/socket.h; Python lacks them off Linux.
AF_PACKET = 17
_ALL_PROTOCOLS = 3
_SOL_PACKET = 263
_ADD_MEMBERSHIP, _PROMISCUOUS = 1, 1
_STATISTICS, _AUXILIARY_DATA = 6, 8
_BUFFER_FORCED, _TIMESTAMPS = 33, 35
#: Seconds after which a blocked reader checks whether to stop.
_NOTICE_S = 0.1


class PacketSocket(CaptureSource):
    """One interface, or all of them. Opening the socket needs privileges; binding and reading don't."""

    def __init__(self, interface: Interface, options: CaptureOptions) -> None:
        super().__init__(interface.name, options)
        self._interface = interface
        self._cooked = interface.link_type == COOKED
        self._lost = 0
        self._number = 0
        kind = socket.SOCK_DGRAM if self._cooked else socket.SOCK_RAW
        try:
            self._socket = socket.socket(AF_PACKET, kind, 0)
        except PermissionError:
            raise not_permitted(interface.name) from None
        self._configure()

    def start(self) -> None:
        """Bind the socket, last so that every packet is filtered and timestamped, and start reading."""
        if self._interface.up is False:
            self.note_state(False)
        else:
            self._bind()
        self._live = _meter.live_socket(
            self._socket.dup().detach(),
            self.options.signatures,
            self.options.meter,
            link_type=self._interface.link_type,
            loopback=loopback(),
            snap_bytes=self.options.snap_bytes,
            keep=self.options.keep_descriptor(),
        )

    def look_after(self) -> None:
        """Report that the interface went down or disappeared; bind again when it comes back."""
        if self.name == ANY:
            return
        up = bool(is_up(self.name))
        if up and (not self._up or socket.if_nametoindex(self.name) != self._number):
            try:
                self._bind()
            except OSError:
                up = False
        self.note_state(up)

    @property
    def lost(self) -> int:
        """Packets dropped because the kernel buffer was full. Reading the kernel's counter resets it."""
        counters = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8)
        self._lost += struct.unpack("II", counters)[1]
        return self._lost

    def close(self) -> None:
        """Close this end of the socket; the session closes its own."""
        self._socket.close()

    def _configure(self) -> None:
        options = self.options
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _BUFFER_FORCED, options.buffer_bytes)
        except PermissionError:  # only CAP_NET_ADMIN may exceed the system's limit
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.buffer_bytes)
        granted = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # the kernel doubles it
        if granted < options.buffer_bytes:
            self.news.append(
                f"{self.name}: kernel buffer limited to {granted:,} of {options.buffer_bytes:,} bytes; "
                f"to raise the limit: sudo sysctl net.core.rmem_max={options.buffer_bytes}"
            )
        self._socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMPS, 1)
        self._socket.setsockopt(_SOL_PACKET, _AUXILIARY_DATA, 1)
        timeout = struct.pack("ll", 0, int(_NOTICE_S * 1_000_000))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        if options.filter:
            compile_filter(options.filter, self._interface.link_type).attach(self._socket.fileno())

    def _bind(self) -> None:
        if self.name == ANY:
            _bind_to_all(self._socket)
            return
        self._socket.bind((self.name, _ALL_PROTOCOLS))
        self._number = socket.if_nametoindex(self.name)
        if self.options.promiscuous:
            member = struct.pack("iHH8s", self._number, _PROMISCUOUS, 0, b"")
            try:
                self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, member)
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise


def _bind_to_all(one: socket.socket) -> None:
    """Bind to all interfaces, which `socket.bind` can't express."""
    address = struct.pack("=HHiHBB8s", AF_PACKET, socket.htons(_ALL_PROTOCOLS), 0, 0, 0, 0, b"")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.bind(one.fileno(), address, len(address)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def not_permitted(name: str) -> CaptureError:
    """Return the error for missing permission to capture, with the remedies."""
    return CaptureError(
        name,
        "no permission to capture; run it with sudo, or allow this Python to capture: "
        f"sudo setcap cap_net_raw+ep {os.path.realpath(sys.executable)}; "
        "or install dumpcap and join its group: sudo usermod -aG wireshark $USER, then log in again",
        status=ExitStatus.NO_INPUT,
    )
