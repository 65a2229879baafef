"""Switch an interface's offloads off: without them the recording would show packets no wire ever carries."""

import array
import fcntl
import socket
import struct
import sys

# linux/sockios.h and linux/ethtool.h
SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM = 0x17
ETHTOOL_STSO = 0x1F
ETHTOOL_SGSO = 0x24
ETHTOOL_SGRO = 0x2C


def switch_off(interface: str, feature: int) -> None:
    """Set one of the ETHTOOL_S… features of `interface` to 0."""
    value = array.array("B", struct.pack("II", feature, 0))
    request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCETHTOOL, request)


if __name__ == "__main__":
    for each in (ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO, ETHTOOL_STXCSUM):
        switch_off(sys.argv[1], each)
