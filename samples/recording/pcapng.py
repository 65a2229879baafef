"""Remove the description of the recording machine from a pcapng file; keep packets and statistics."""

import struct
from collections.abc import Iterator

# pcapng (draft-ietf-opsawg-pcapng) §4.1, §4.2
SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
OPTIONS_START = {SECTION_HEADER: 24, INTERFACE_DESCRIPTION: 16}
MACHINE_OPTIONS = {
    SECTION_HEADER: {2, 3},  # shb_hardware, shb_os
    INTERFACE_DESCRIPTION: {12},  # if_os
}


def without_machine(data: bytes) -> bytes:
    """The little-endian pcapng file `data`, without the options that name its hardware and system."""
    return b"".join(_clean(kind, block) for kind, block in _blocks(data))


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        yield kind, data[offset : offset + length]
        offset += length


def _clean(kind: int, block: bytes) -> bytes:
    if kind not in MACHINE_OPTIONS:
        return block
    start = OPTIONS_START[kind]
    kept = b"".join(option for code, option in _options(block[start:-4]) if code not in MACHINE_OPTIONS[kind])
    length = struct.pack("<I", start + len(kept) + 4)
    return block[:4] + length + block[8:start] + kept + length


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        code, length = struct.unpack_from("<HH", data, offset)
        end = offset + 4 + (length + 3) // 4 * 4
        yield code, data[offset:end]
        offset = end
