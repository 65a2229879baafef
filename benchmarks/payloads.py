"""The first bytes that each service of the made-up capture puts in its payloads.

A payload is one of these templates followed by noise. Fields that depend on the packet (a length that must
agree with the segment, the server's name, a transaction id) are left open here and filled in for all packets
of a template at once.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NAME = b"s0000.example.net"
"""A server's name; the four digits are its number."""

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Template:
    """The first bytes of a payload, and where its open fields are (-1: there is none)."""

    data: bytes
    length_at: int = -1
    length_width: int = 2
    length_extra: int = 0
    """Added to the number of bytes behind the length field."""
    little_endian: bool = False
    token_at: tuple[int, ...] = ()
    """Two bytes that are the same in all messages of a flow."""
    exact: bool = False
    """The payload is the template and no more."""

    def render(self, payload_bytes: Ints, server: Ints, token: Ints) -> Bytes:
        """One row of bytes for each packet."""
        rows = np.tile(np.frombuffer(self.data, np.uint8), (len(payload_bytes), 1))
        if self.length_at >= 0:
            width = self.length_width
            value = payload_bytes - self.length_at - width + self.length_extra
            _put(rows, self.length_at, width, value, self.little_endian)
        for at in self.token_at:
            _put(rows, at, 2, token)
        digits = self.data.find(NAME) + 1
        for place in range(4) if digits else ():
            rows[:, digits + place] = 0x30 + server // 10 ** (3 - place) % 10
        return rows


def _put(rows: Bytes, at: int, width: int, value: Ints, little_endian: bool = False) -> None:
    for byte in range(width):
        shift = 8 * (byte if little_endian else width - 1 - byte)
        rows[:, at + byte] = (value >> shift) & 0xFF


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _extension(kind: int, body: bytes) -> bytes:
    return _u16(kind) + _u16(len(body)) + body


def _handshake(kind: int, body: bytes) -> bytes:
    """One TLS record with one handshake message, RFC 8446 §4 and §5.1."""
    message = bytes([kind]) + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + _u16(len(message)) + message


def _client_hello() -> bytes:
    names = b"\x00" + _u16(len(NAME)) + NAME
    extensions = (
        _extension(0, _u16(len(names)) + names)
        + _extension(10, b"\x00\x04\x00\x1d\x00\x17")
        + _extension(13, b"\x00\x06\x04\x03\x08\x04\x04\x01")
        + _extension(16, b"\x00\x0c\x02h2\x08http/1.1")
        + _extension(43, b"\x04\x03\x04\x03\x03")
        + _extension(51, b"\x00\x24\x00\x1d\x00\x20" + bytes(range(32)))
    )
    hello = b"\x03\x03" + bytes(range(32)) + b"\x20" + bytes(range(32))
    hello += b"\x00\x06\x13\x01\x13\x02\xc0\x2f" + b"\x01\x00" + _u16(len(extensions)) + extensions
    return _handshake(1, hello)


def _server_hello() -> bytes:
    extensions = _extension(43, b"\x03\x04") + _extension(51, b"\x00\x1d\x00\x20" + bytes(range(32)))
    hello = b"\x03\x03" + bytes(range(32, 64)) + b"\x20" + bytes(range(32)) + b"\x13\x01\x00"
    return _handshake(2, hello + _u16(len(extensions)) + extensions)


def _dns(flags: int, answer: bytes) -> Template:
    question = b"\x05s0000\x07example\x03net\x00\x00\x01\x00\x01"
    counts = b"\x00\x01" + (b"\x00\x01" if answer else b"\x00\x00") + bytes(4)
    return Template(b"\x00\x00" + _u16(flags) + counts + question + answer, token_at=(0,), exact=True)


RECORD = b"\x17\x03\x03\x00\x00"
HELLO = _server_hello()
TLS = (
    Template(_client_hello(), exact=True),
    Template(HELLO + RECORD, length_at=len(HELLO) + 3),
    Template(RECORD, length_at=3),
    Template(RECORD, length_at=3),
)
HTTP = (
    Template(b"GET /index.html HTTP/1.1\r\nHost: " + NAME + b"\r\nUser-Agent: bench\r\n\r\n", exact=True),
    Template(b"HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: application/octet-stream\r\n\r\n"),
    Template(bytes(16)),
    Template(bytes(16)),
)
SSH_PACKET = Template(bytes(4) + b"\x08\xc0", length_at=0, length_width=4)
SSH = (
    Template(b"SSH-2.0-OpenSSH_9.6\r\n", exact=True),
    Template(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", exact=True),
    SSH_PACKET,
    SSH_PACKET,
)
SMTP = (
    Template(b"EHLO client.example.net\r\n", exact=True),
    Template(b"220 " + NAME + b" ESMTP ready\r\n", exact=True),
    Template(b"MAIL FROM:<a@example.net>\r\n", exact=True),
    Template(b"250 2.1.0 Ok\r\n", exact=True),
)
MYSQL = (
    Template(
        bytes(3) + b"\x01\x05\xa6\x0f\x00\x00\x00\x00\x01\x21" + bytes(23) + b"bench\x00\x00",
        length_at=0, length_width=3, length_extra=-1, little_endian=True, exact=True,
    ),
    Template(
        bytes(3) + b"\x00\x0a8.0.36\x00\x01\x02\x03\x04abcdefgh\x00\xff\xf7\x21\x02\x00\x0f\x80\x15"
        + bytes(10) + b"abcdefghijkl\x00",
        length_at=0, length_width=3, length_extra=-1, little_endian=True, exact=True,
    ),
    Template(
        bytes(3) + b"\x00\x03SELECT '",
        length_at=0, length_width=3, length_extra=-1, little_endian=True,
    ),
    Template(
        bytes(3) + b"\x01\x00\x00\x00\x02\x00\x00\x00",
        length_at=0, length_width=3, length_extra=-1, little_endian=True,
    ),
)  # fmt: skip
POSTGRES = (
    Template(b"\x00\x00\x00\x14\x00\x03\x00\x00user\x00bench\x00\x00", exact=True),
    Template(b"R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I", exact=True),
    Template(b"d\x00\x00\x00\x00", length_at=1, length_width=4, length_extra=4),
    Template(b"d\x00\x00\x00\x00", length_at=1, length_width=4, length_extra=4),
)
REDIS = (
    Template(b"*2\r\n$3\r\nGET\r\n$5\r\ns0000\r\n", exact=True),
    Template(b"+OK\r\n", exact=True),
    Template(b"*2\r\n$3\r\nGET\r\n$5\r\ns0000\r\n", exact=True),
    Template(b"$12\r\nabcdefghijkl\r\n", exact=True),
)
# RFC 9000 §17.2.2 and §17.3.1: an Initial each way, then short headers. Connection ids end with the token.
CLIENT_ID, SERVER_ID, FIRST_ID = b"CCCCCC\x00\x00", b"SSSSSS\x00\x00", b"FFFFFF\x00\x00"
QUIC = (
    Template(
        b"\xc3\x00\x00\x00\x01\x08" + FIRST_ID + b"\x08" + CLIENT_ID + b"\x00\x00\x00",
        length_at=24, length_extra=0x4000, token_at=(12, 21),
    ),
    Template(
        b"\xc3\x00\x00\x00\x01\x08" + CLIENT_ID + b"\x08" + SERVER_ID + b"\x00\x00\x00",
        length_at=24, length_extra=0x4000, token_at=(12, 21),
    ),
    Template(b"\x43" + SERVER_ID, token_at=(7,)),
    Template(b"\x43" + CLIENT_ID, token_at=(7,)),
)  # fmt: skip
ANSWER = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xc6\x12\x00\x01"
DNS = (_dns(0x0100, b""), _dns(0x8180, ANSWER)) * 2
NTP = (
    Template(b"\x23\x00\x06\xec" + bytes(44), token_at=(42,), exact=True),
    Template(b"\x24\x02\x06\xec" + bytes(8) + b"GPS\x00" + bytes(32), token_at=(26,), exact=True),
) * 2


@dataclass(frozen=True)
class Service:
    """Servers behind one port: their number, their share of the flows, and their messages.

    `says` is: the client's first message, the server's first, the client's others, the server's others.
    """

    port: int
    share: float
    servers: int
    says: tuple[Template, ...]
    server_first: bool = False
    one_request: bool = False


TCP_SERVICES = (
    Service(443, 0.58, 150, TLS),
    Service(80, 0.09, 60, HTTP, one_request=True),
    Service(8080, 0.03, 20, HTTP, one_request=True),
    Service(22, 0.04, 40, SSH, server_first=True),
    Service(25, 0.03, 12, SMTP, server_first=True),
    Service(993, 0.05, 10, TLS),
    Service(3306, 0.05, 16, MYSQL, server_first=True),
    Service(5432, 0.05, 16, POSTGRES),
    Service(6379, 0.04, 12, REDIS),
    Service(8443, 0.03, 20, TLS),
    Service(853, 0.01, 6, TLS),
)
QUIC_SERVICE = Service(443, 1.0, 80, QUIC)
DNS_SERVICE = Service(53, 1.0, 8, DNS)
NTP_SERVICE = Service(123, 1.0, 6, NTP)
SERVICES = (*TCP_SERVICES, QUIC_SERVICE, DNS_SERVICE, NTP_SERVICE)
