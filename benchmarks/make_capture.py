"""Writes a large capture of made-up but regular traffic: the same arguments give the same bytes.

    python benchmarks/make_capture.py --packets 3200000 --flows 120000 --output benchmarks/data/large.pcap

Classic pcap, Ethernet, microseconds. IPv4 header checksums are right; TCP and UDP checksums are not computed,
as in a capture from a host with checksum offload.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from payloads import SERVICES
from traffic import SYN, Flows, Kind, Packets, plan_flows, plan_packets

DEFAULT = Path(__file__).parent / "data" / "large.pcap"
PACKETS, FLOWS, SEED = 3_200_000, 120_000, 1
EPOCH_S = 1_700_000_000
CHUNK = 40_000
"""Packets rendered at a time."""

Fields = list[tuple[Any, ...]]
FILE_HEADER = np.array([0xA1B2C3D4, 0x00040002, 0, 0, 262_144, 1], "<u4")
RECORD: Fields = [("sec", "<u4"), ("usec", "<u4"), ("captured", "<u4"), ("length", "<u4")]
ETHERNET: Fields = [("mac_to", ">u2", 3), ("mac_from", ">u2", 3), ("ethertype", ">u2")]
IPV4: Fields = [
    ("version", "u1"), ("tos", "u1"), ("ip_bytes", ">u2"), ("id", ">u2"), ("fragment", ">u2"),
    ("ttl", "u1"), ("next", "u1"), ("check", ">u2"), ("source", ">u4"), ("destination", ">u4"),
]  # fmt: skip
IPV6: Fields = [
    ("version", ">u4"), ("ip_bytes", ">u2"), ("next", "u1"), ("ttl", "u1"),
    ("source", ">u8", 2), ("destination", ">u8", 2),
]  # fmt: skip
PORTS: Fields = [("source_port", ">u2"), ("destination_port", ">u2")]
TCP: Fields = [
    ("seq", ">u4"), ("ack", ">u4"), ("offset", "u1"), ("flags", "u1"),
    ("window", ">u2"), ("checksum", ">u2"), ("urgent", ">u2"),
]  # fmt: skip
OPTIONS: Fields = [("options", "u1", 12)]
UDP: Fields = [("udp_bytes", ">u2"), ("checksum", ">u2")]
SYN_OPTIONS = np.frombuffer(bytes.fromhex("020405b4 01030307 01010402"), np.uint8)
MACS = np.array([[0x0200, 0x0000, 0x0001], [0x0200, 0x0000, 0x0002]])


def headers(flows: Flows, packets: Packets, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
    """All headers of `rows`, which share IP version, transport and whether they carry SYN."""
    flow, from_client = packets.flow[rows], packets.from_client[rows]
    ipv6, udp = bool(flows.ipv6[flow[0]]), bool(flows.kind[flow[0]] >= Kind.QUIC)
    syn = bool(packets.flags[rows[0]] & SYN)
    transport = UDP if udp else TCP + OPTIONS * syn
    layout = np.dtype(RECORD + ETHERNET + (IPV6 if ipv6 else IPV4) + PORTS + transport)
    out = np.zeros(len(rows), layout)

    wire_bytes = layout.itemsize - 16 + packets.payload_bytes[rows]
    out["sec"] = EPOCH_S + packets.time_us[rows] // 1_000_000
    out["usec"] = packets.time_us[rows] % 1_000_000
    out["captured"] = out["length"] = wire_bytes
    out["mac_from"], out["mac_to"] = MACS[from_client * 1], MACS[~from_client * 1]
    out["ethertype"] = 0x86DD if ipv6 else 0x0800
    out["next"] = 17 if udp else 6
    out["ttl"] = np.where(from_client, 64, 57)
    if ipv6:
        out["version"] = 6 << 28
        out["ip_bytes"] = wire_bytes - 54
    else:
        out["version"], out["fragment"] = 0x45, 0x4000
        out["ip_bytes"] = wire_bytes - 14
        out["id"] = rows & 0xFFFF

    client, server = flows.client[flow], flows.server[flow]
    for name, sent in (("source", from_client), ("destination", ~from_client)):
        if ipv6:
            out[name][:, 0] = np.where(sent, 0x20010DB8_00010000, 0x20010DB8_00020000)
            out[name][:, 1] = np.where(sent, client, server) + 1
        else:
            out[name] = np.where(sent, 0x0A000000 + client + 256, 0xC6120000 + server + 1)
        ports = np.array([s.port for s in SERVICES])[flows.service[flow]]
        out[name + "_port"] = np.where(sent, flows.client_port[flow], ports)
    if not ipv6:
        out["check"] = _ipv4_checksum(out)

    if udp:
        out["udp_bytes"] = packets.payload_bytes[rows] + 8
        out["checksum"] = 0xFFFF if ipv6 else 0  # RFC 8200 §8.1 forbids zero
    else:
        out["seq"], out["ack"], out["flags"] = packets.seq[rows], packets.ack[rows], packets.flags[rows]
        out["offset"], out["window"] = (5 + 3 * syn) << 4, 64_240
        if syn:
            out["options"] = SYN_OPTIONS
    return out


def _ipv4_checksum(out: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    start = 16 + 14
    words = out.view(np.uint8).reshape(len(out), -1)[:, start : start + 20].reshape(-1, 10, 2)
    total = words[:, :, 0].sum(1, np.int64) * 256 + words[:, :, 1].sum(1, np.int64)
    total = (total & 0xFFFF) + (total >> 16)
    return np.asarray(~((total & 0xFFFF) + (total >> 16)) & 0xFFFF, np.int64)


def render(
    flows: Flows, packets: Packets, rows: npt.NDArray[np.int64], noise: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """The bytes of some successive packets, with their pcap record headers."""
    flow, message = packets.flow[rows], packets.message[rows]
    udp = flows.kind[flow] >= Kind.QUIC
    syn = (packets.flags[rows] & SYN) != 0
    header_bytes = 16 + 14 + 20 + 20 * flows.ipv6[flow] + np.where(udp, 8, 20 + 12 * syn)
    end = np.cumsum(header_bytes + packets.payload_bytes[rows])
    body = end - packets.payload_bytes[rows]
    out = np.resize(noise, int(end[-1]))

    group = flows.ipv6[flow] * 4 + udp * 2 + syn
    for value in np.unique(group):
        chosen = np.flatnonzero(group == value)
        block = headers(flows, packets, rows[chosen])
        _scatter(out, (body - header_bytes)[chosen], block.view(np.uint8).reshape(len(chosen), -1))

    script = np.where(message < 0, -1, flows.service[flow] * 4 + message)
    for value in np.unique(script[script >= 0]):
        chosen = np.flatnonzero(script == value)
        template = SERVICES[value // 4].says[value % 4]
        named = flow[chosen]
        payload_bytes = packets.payload_bytes[rows[chosen]]
        block = template.render(payload_bytes, flows.server[named], flows.token[named])
        _scatter(out, body[chosen], block)
    return out


def _scatter(out: npt.NDArray[np.uint8], at: npt.NDArray[np.int64], block: npt.NDArray[np.uint8]) -> None:
    out[at[:, None] + np.arange(block.shape[1])] = block


def make(path: Path, packet_count: int = PACKETS, flow_count: int = FLOWS, seed: int = SEED) -> None:
    """Write the capture to `path`; the file appears there only when it is whole."""
    rng = np.random.default_rng(seed)
    flows = plan_flows(rng, flow_count, packet_count)
    packets = plan_packets(rng, flows)
    noise = rng.integers(0, 256, 1 << 20, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        FILE_HEADER.tofile(file)
        for start in range(0, packet_count, CHUNK):
            rows = np.arange(start, min(start + CHUNK, packet_count))
            render(flows, packets, rows, noise).tofile(file)
    partial.replace(path)


def main() -> None:
    """Parse the arguments and write the capture."""
    parser = argparse.ArgumentParser(description="Write a large, deterministic capture.")
    parser.add_argument("--packets", type=int, default=PACKETS)
    parser.add_argument("--flows", type=int, default=FLOWS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--output", type=Path, default=DEFAULT)
    arguments = parser.parse_args()
    make(arguments.output, arguments.packets, arguments.flows, arguments.seed)
    print(f"{arguments.output}: {arguments.packets} packets, {arguments.flows} flows")


if __name__ == "__main__":
    main()
