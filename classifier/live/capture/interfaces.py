"""The interfaces of this machine, and their link types."""

from __future__ import annotations

import socket
import struct
import sys
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

#: Name for all interfaces.
ANY = "any"
LINUX = sys.platform == "linux"
#: LINKTYPE_ numbers of the tcpdump registry.
ETHERNET, COOKED = 1, 113
#: LINKTYPE_ numbers and names by hardware type (`ARPHRD_`, linux/if_arp.h). Packets of other types are read
#: without their link header.
_HARDWARE = {
    1: (ETHERNET, "Ethernet"),
    772: (ETHERNET, "loopback"),
    65534: (101, "raw IP (tun)"),
    801: (105, "802.11"),
    802: (119, "802.11 with Prism header"),
    803: (127, "802.11 with radiotap"),
}
_SYSTEM = Path("/sys/class/net")
_UP = 1


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface."""

    name: str
    #: None where the system doesn't report it.
    up: bool | None
    #: LINKTYPE_ number of packets from a packet socket.
    link_type: int
    kind: str
    addresses: tuple[str, ...]


def interfaces() -> list[Interface]:
    """Return the interfaces, `any` last where the system has it."""
    found = [_interface(name) for _, name in socket.if_nameindex()]
    if LINUX:
        found.append(Interface(ANY, True, COOKED, "all interfaces", ()))
    return found


def find(name: str) -> Interface | None:
    """Return the interface of that name."""
    return next((interface for interface in interfaces() if interface.name == name), None)


def is_up(name: str) -> bool | None:
    """Return whether an interface exists and is up; None where the system doesn't report it."""
    if name == ANY or not LINUX:
        return None
    try:
        return bool(int((_SYSTEM / name / "flags").read_text(), 16) & _UP)
    except OSError:
        return False


def loopback() -> int:
    """Return the index of the loopback interface; 0 if there is none."""
    try:
        return socket.if_nametoindex("lo")
    except OSError:
        return 0


def _interface(name: str) -> Interface:
    if not LINUX:
        return Interface(name, None, ETHERNET, "", ())
    try:
        hardware = int((_SYSTEM / name / "type").read_text())
    except OSError:  # the interface has just disappeared
        hardware = 0
    link_type, kind = _HARDWARE.get(hardware, (COOKED, f"without link header (ARPHRD {hardware})"))
    return Interface(name, is_up(name), link_type, kind, (*_ipv4(name), *_ipv6(name)))


def _ipv4(name: str) -> list[str]:
    """Return the interface's first IPv4 address."""
    if sys.platform != "linux":
        return []
    import fcntl

    siocgifaddr = 0x8915
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, siocgifaddr, struct.pack("256s", name.encode()[:15]))
        except OSError:
            return []
    return [socket.inet_ntoa(answer[20:24])]


def _ipv6(name: str) -> list[str]:
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return []
    fields = (line.split() for line in lines)
    return [str(IPv6Address(int(address, 16))) for address, *_, owner in fields if owner == name]
