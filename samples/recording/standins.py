"""Small stand-ins for programs that would be too much to ask for: NTP, a syslog sink, datagrams."""

import argparse
import socket
import struct
import time

NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970
NTP_PACKET = struct.Struct("!BBbb11I")  # RFC 5905 §7.3
MODE_CLIENT, MODE_SERVER = 3, 4
VERSION_4 = 4 << 3

# An SNMPv1 get of sysDescr.0, community "public" (RFC 1157).
SNMP_GET = bytes.fromhex("302602010004067075626c6963a019020101020100020100300e300c06082b060102010101000500")
# A multicast DNS question for _ipp._tcp.local (RFC 6762).
MDNS_QUESTION = bytes.fromhex("000000000001000000000000045f697070045f746370056c6f63616c00000c0001")
DATAGRAMS = {"snmp": SNMP_GET, "mdns": MDNS_QUESTION}


def ntp_server(address: str) -> None:
    """Answer NTP clients until ended (RFC 5905, mode 4)."""
    with _udp(address, 123) as server:
        while True:
            request, client = server.recvfrom(512)
            if len(request) < NTP_PACKET.size:
                continue
            sent = NTP_PACKET.unpack_from(request)[-2:]
            now = _ntp_now()
            roots = (0, 0, 0x7F7F0101)
            answer = (VERSION_4 | MODE_SERVER, 2, 6, -20, *roots, *now, *sent, *now, *_ntp_now())
            server.sendto(NTP_PACKET.pack(*answer), client)


def ntp_client(address: str, source_port: int) -> None:
    """Ask `address` for the time twice; from port 123 as `ntpd` does, or from any (0) as `sntp` does."""
    with _udp("", source_port) as client:
        client.settimeout(3)
        for _ in range(2):
            question = (VERSION_4 | MODE_CLIENT, 0, 6, -20, *(0,) * 9, *_ntp_now())
            client.sendto(NTP_PACKET.pack(*question), (address, 123))
            client.recvfrom(512)
            time.sleep(0.5)


def syslog_server(address: str) -> None:
    """Receive syslog datagrams until terminated, and never answer (RFC 5426)."""
    with _udp(address, 514) as server:
        while True:
            server.recvfrom(2048)


def send(kind: str, address: str, port: int, source_port: int) -> None:
    """Send one datagram of `DATAGRAMS` and wait for nothing."""
    with _udp("", source_port) as client:
        client.sendto(DATAGRAMS[kind], (address, port))


def knock(address: str, ports: list[int]) -> None:
    """Try to connect to each port, as a scanner does."""
    for port in ports:
        try:
            socket.create_connection((address, port), timeout=1).close()
        except OSError:
            pass


def abort(address: str, port: int) -> None:
    """Speak to a Redis server, then reset the connection instead of closing it."""
    with socket.create_connection((address, port), timeout=3) as client:
        client.sendall(b"*1\r\n$4\r\nPING\r\n")
        client.recv(64)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _udp(address: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((address, port))
    return bound


def _ntp_now() -> tuple[int, int]:
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return seconds + NTP_EPOCH_S, (nanoseconds << 32) // 1_000_000_000


def parser() -> argparse.ArgumentParser:
    """The command line: one command per function above."""
    top = argparse.ArgumentParser(description=__doc__)
    commands = top.add_subparsers(required=True)
    for function in (ntp_server, syslog_server, ntp_client, send, knock, abort):
        command = commands.add_parser(function.__name__.replace("_", "-"), help=function.__doc__)
        command.set_defaults(function=function)
        if function is send:
            command.add_argument("kind", choices=DATAGRAMS)
        command.add_argument("address")
        if function in (send, abort):
            command.add_argument("port", type=int)
        if function in (send, ntp_client):
            command.add_argument("--source-port", type=int, default=0)
        if function is knock:
            command.add_argument("ports", type=int, nargs="+")
    return top


if __name__ == "__main__":
    given = vars(parser().parse_args())
    given.pop("function")(**given)
