"""Capture filters in tcpdump's syntax, compiled for the kernel. pcap-filter(7).

libpcap compiles them; tcpdump, Wireshark and most systems include it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from classifier.errors import CaptureFilterError

#: Bytes of a packet that a filter passes: all.
_SNAP_BYTES = 262_144
#: DLT_ numbers that differ from LINKTYPE_: raw IP, which sockets without link headers also deliver.
_DLT = {101: 12, 113: 12}
_DLT_NAMES = {1: "EN10MB", 12: "RAW", 105: "IEEE802_11", 119: "PRISM_HEADER", 127: "IEEE802_11_RADIO"}


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.POINTER(_Instruction)))


@dataclass(frozen=True, slots=True)
class CaptureFilter:
    """A compiled filter: instructions of eight bytes (`struct sock_filter`)."""

    code: bytes

    def attach(self, fileno: int) -> None:
        """Attach the filter to a socket (Linux)."""
        import socket

        so_attach_filter = 26
        code = ctypes.create_string_buffer(self.code, len(self.code))
        instructions = ctypes.cast(code, ctypes.POINTER(_Instruction))
        program = _Program(len(self.code) // 8, instructions)
        with socket.socket(fileno=fileno) as one:
            try:
                one.setsockopt(socket.SOL_SOCKET, so_attach_filter, bytes(program))
            finally:
                one.detach()


def compile_filter(text: str, link_type: int) -> CaptureFilter:
    """Compile a filter for packets of a LINKTYPE_ number.

    CaptureFilterError: the filter is invalid.
    """
    dlt = _DLT.get(link_type, link_type)
    library = _libpcap()
    attempt = _by_tcpdump if library is None else _by_libpcap
    code, complaint = attempt(text, dlt)
    if code is None:
        raise CaptureFilterError(_described(text, complaint, lambda part: attempt(part, dlt)[0] is not None))
    return CaptureFilter(code)


def _libpcap() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("pcap")
    try:
        library = ctypes.CDLL(name) if name else None
    except OSError:
        return None
    if library is not None:
        library.pcap_open_dead.restype = ctypes.c_void_p
        library.pcap_geterr.restype = ctypes.c_char_p
        library.pcap_geterr.argtypes = [ctypes.c_void_p]
        library.pcap_compile.argtypes = [
            *(ctypes.c_void_p, ctypes.POINTER(_Program), ctypes.c_char_p, ctypes.c_int, ctypes.c_uint)
        ]
        library.pcap_freecode.argtypes = [ctypes.POINTER(_Program)]
        library.pcap_close.argtypes = [ctypes.c_void_p]
    return library


def _by_libpcap(text: str, dlt: int) -> tuple[bytes | None, str]:
    """Return the code, or None and an error message."""
    library = _libpcap()
    assert library is not None
    optimise, no_netmask = 1, 0xFFFFFFFF
    handle = library.pcap_open_dead(dlt, _SNAP_BYTES)
    program = _Program()
    try:
        if library.pcap_compile(handle, ctypes.byref(program), text.encode(), optimise, no_netmask):
            return None, library.pcap_geterr(handle).decode(errors="replace")
        code = ctypes.string_at(program.instructions, program.length * 8)
        library.pcap_freecode(ctypes.byref(program))
        return code, ""
    finally:
        library.pcap_close(handle)


def _by_tcpdump(text: str, dlt: int) -> tuple[bytes | None, str]:
    """Return the code, or None and an error message."""
    command = ["tcpdump", "-ddd", "-s", str(_SNAP_BYTES), "-y", _DLT_NAMES.get(dlt, "RAW"), "--", text]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CaptureFilterError("--filter needs libpcap; install libpcap, tcpdump or Wireshark") from None
    if done.returncode:
        return None, done.stderr.strip().rpartition("tcpdump: ")[2]
    _, *lines = done.stdout.split("\n")
    instructions = (map(int, line.split()) for line in lines if line)
    return b"".join(bytes(_Instruction(*numbers)) for numbers in instructions), ""


def _described(text: str, complaint: str, compiles: Callable[[str], bool]) -> str:
    """Describe an error and its place: the word after the longest part that compiles by itself."""
    words = text.split(" ")
    heads = (" ".join(words[:count]) for count in range(len(words) - 1, 0, -1))
    sound = next((head for head in heads if compiles(head)), "")
    place = len(sound) + 1 if sound else 0
    complaint = complaint.removeprefix("can't parse filter expression: ")
    return f"invalid capture filter at {text[place:]!r} (character {place + 1}): {complaint}"
