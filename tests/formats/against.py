"""Which conversations tshark sees in a capture, innermost packets only, and which we see."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import classifier

#: Transport, then address and port of both ends, in one order.
Conversation = tuple[str, tuple[str, int], tuple[str, int]]

TSHARK = shutil.which("tshark")
PORTS = {"tcp": "tcp", "udp": "udp", "udplite": "udp", "sctp": "sctp", "dccp": "dccp"}
FIELDS = ["frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst"]
FIELDS += [f"{name}.{end}port" for name in ("tcp", "udp", "sctp", "dccp") for end in ("src", "dst")]
#: Nothing is put together: what we don't do either.
APART = [
    *("-o", "ip.defragment:FALSE"),
    *("-o", "ipv6.defragment:FALSE"),
    *("-o", "tcp.desegment_tcp_streams:FALSE"),
    *("-o", "sctp.reassembly:FALSE"),
]


def conversation(transport: str, source: tuple[str, int], destination: tuple[str, int]) -> Conversation:
    """A conversation, the same for both directions."""
    first, second = sorted([source, destination])
    return (transport, first, second)


def by_tshark(capture: Path, *options: str) -> set[Conversation]:
    """The conversations that tshark dissects, by the innermost transport of each frame."""
    assert TSHARK
    fields = [option for field in FIELDS for option in ("-e", field)]
    # UDP-Lite's ports are those of UDP to tshark.
    command = [TSHARK, "-n", "-r", str(capture), *APART, *options, "-T", "fields"]
    result = subprocess.run(
        [*command, "-E", "occurrence=a", *fields], capture_output=True, text=True, check=False
    )
    found = set()
    for line in result.stdout.splitlines():
        told = innermost(dict(zip(FIELDS, (value.split(",") for value in line.split("\t")), strict=False)))
        if told:
            found.add(told)
    return found


def innermost(values: dict[str, list[str]]) -> Conversation | None:
    """The last transport of a frame, with the addresses before it; what ICMP quotes is not of the frame."""
    addresses: tuple[str, str] | None = None
    told = None
    for protocol in values["frame.protocols"][0].split(":"):
        if protocol in ("icmp", "icmpv6"):
            break
        if protocol in ("ip", "ipv6") and values[f"{protocol}.src"] and values[f"{protocol}.src"][0]:
            addresses = (values[f"{protocol}.src"].pop(0), values[f"{protocol}.dst"].pop(0))
        name = PORTS.get(protocol)
        if name and addresses and values[f"{name}.srcport"] and values[f"{name}.srcport"][0]:
            source = (addresses[0], int(values[f"{name}.srcport"].pop(0)))
            destination = (addresses[1], int(values[f"{name}.dstport"].pop(0)))
            told = conversation(protocol, source, destination)
    return told


def by_us(capture: Path) -> set[Conversation]:
    """The conversations of `Traffic.flows`."""
    flows = classifier.read(capture).flows
    columns = ["proto", "client_ip", "client_port", "server_ip", "server_port"]
    return {
        conversation(proto, (client_ip, client_port), (server_ip, server_port))
        for proto, client_ip, client_port, server_ip, server_port in flows[columns].itertuples(index=False)
    }
