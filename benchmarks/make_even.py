"""Writes a capture of packets that are all alike: tiny ones over UDP, or jumbo ones over TCP.

python benchmarks/make_even.py --packets 150000 --payload 8948 --output benchmarks/data/jumbo.pcap
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from make_capture import EPOCH_S, ETHERNET, FILE_HEADER, IPV4, PORTS, RECORD, TCP, UDP, Fields


def even(path: Path, packets: int, payload_bytes: int, flows: int = 1_000) -> None:
    """Write packets that are all alike, of flows that take turns; small payloads are UDP, others TCP."""
    udp = payload_bytes < 1_000
    with path.open("wb") as file:
        FILE_HEADER.tofile(file)
        for begin in range(0, packets, step := max(1, (1 << 24) // (payload_bytes + 70))):
            number = np.arange(begin, min(begin + step, packets))
            headers = ip_headers(number, number % flows, UDP if udp else TCP, payload_bytes)
            if udp:
                headers["udp_bytes"] = payload_bytes + 8
            else:
                headers["seq"] = number // flows * payload_bytes & 0xFFFFFFFF
                headers["offset"], headers["flags"], headers["window"] = 5 << 4, 0x18, 64_240
            body = np.full((len(number), payload_bytes), 0xA5, np.uint8)
            np.concatenate([headers.view(np.uint8).reshape(len(number), -1), body], axis=1).tofile(file)


def ip_headers(
    number: npt.NDArray[np.int64],
    flow: npt.NDArray[np.int64],
    transport: Fields,
    payload_bytes: int,
) -> npt.NDArray[np.void]:
    """Headers of packets, numbered in time, that go from a client of its own for each flow to one server."""
    layout = np.dtype(RECORD + ETHERNET + IPV4 + PORTS + transport)
    out = np.zeros(len(number), layout)
    micros = number * 10
    out["sec"], out["usec"] = EPOCH_S + micros // 1_000_000, micros % 1_000_000
    out["captured"] = out["length"] = layout.itemsize - 16 + payload_bytes
    out["ethertype"], out["version"], out["ttl"] = 0x0800, 0x45, 64
    out["next"] = 17 if transport is UDP else 6
    out["ip_bytes"] = layout.itemsize - 16 - 14 + payload_bytes
    out["id"] = number & 0xFFFF
    out["source"] = 0x0A000000 + flow
    out["destination"] = 0xC6120001
    out["source_port"], out["destination_port"] = 49_152 + flow % 16_384, 2049
    return out


def main() -> None:
    """Parse the arguments and write the capture."""
    parser = argparse.ArgumentParser(description="Write a capture of packets that are all alike.")
    parser.add_argument("--packets", type=int, required=True)
    parser.add_argument(
        "--payload", type=int, required=True, metavar="BYTES", help="from 1000 on TCP, else UDP"
    )
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    even(arguments.output, arguments.packets, arguments.payload)


if __name__ == "__main__":
    main()
