"""Lets `classifier live` listen for a long time, and writes down its memory: does it grow, does it lose?

    sudo python benchmarks/live/soak.py --minutes 30

In two network namespaces of its own, joined by a veth pair: every second a thousand new TCP connections of
ten packets with requests and answers, and a port scan of five hundred probes, refused or unanswered. No
connection occurs twice. Linux, root.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.append(str(Path(__file__).parents[1]))  # the layouts of headers are there

from make_capture import ETHERNET, IPV4, MACS, PORTS, TCP
from run import namespaces
from send import MESSAGE, VECTOR, send_some
from traffic import ACK, FIN, PSH, SYN

RST = 0x04
#: What each connection's packets are: from the client, flags, payload.
REQUEST, ANSWER = (
    b"GET / HTTP/1.1\r\nHost: soak.example\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
)
STORY = [
    (True, SYN, b""),
    (False, SYN | ACK, b""),
    (True, ACK, b""),
    (True, PSH | ACK, REQUEST),
    (False, ACK, b""),
    (False, PSH | ACK, ANSWER),
    (True, ACK, b""),
    (True, FIN | ACK, b""),
    (False, FIN | ACK, b""),
    (True, ACK, b""),
]
SERVER_PORTS = np.array([80, 443, 8080, 22, 25, 1494, 5432, 6379])
PAYLOAD_BYTES = max(len(REQUEST), len(ANSWER))
FRAME = np.dtype([*ETHERNET, *IPV4, *PORTS, *TCP, ("payload", "u1", PAYLOAD_BYTES)])
HEADERS_BYTES = FRAME.itemsize - PAYLOAD_BYTES
#: Parts in which the packets of a second are sent.
PARTS = 50
Frames = npt.NDArray[np.void]


def frames(client: Any, server: Any, client_port: Any, server_port: Any, step: int) -> tuple[Frames, int]:
    """One packet of each of n connections, and its length."""
    from_client, flags, payload = STORY[step]
    out = np.zeros(len(client), FRAME)
    out["mac_from"], out["mac_to"] = MACS[from_client * 1], MACS[1 - from_client * 1]
    out["ethertype"], out["version"], out["ttl"], out["next"] = 0x0800, 0x45, 64, 6
    length = HEADERS_BYTES + len(payload)
    out["ip_bytes"] = length - 14
    out["source"], out["destination"] = (client, server) if from_client else (server, client)
    ports = (client_port, server_port) if from_client else (server_port, client_port)
    out["source_port"], out["destination_port"] = ports
    said = [1, 1]  # what client and server have used up of their numbers, from 0 on
    for sender, told, words in STORY[:step]:
        said[not sender] += len(words) + (1 if told & FIN else 0)
    mine = said[not from_client] if step > 1 else 0
    out["seq"], out["ack"] = mine, said[from_client] if flags & ACK else 0
    out["offset"], out["flags"], out["window"] = 0x50, flags, 65_535
    if payload:
        out["payload"][:, : len(payload)] = np.frombuffer(payload, np.uint8)
    return out, length


def second(number: int, flows: int, probes: int) -> list[tuple[Frames, int]]:
    """The packets of one second."""
    which = np.arange(number * flows, (number + 1) * flows)
    client, client_port = 0x0A000000 + which % 60_000, 32_768 + which // 60_000 % 28_000
    servers = 0x0A800000 + which % 200
    found = [
        frames(client, servers, client_port, SERVER_PORTS[which % len(SERVER_PORTS)], step)
        for step in range(len(STORY))
    ]
    which = np.arange(number * probes, (number + 1) * probes)
    scanned = 0x0A800000 + which // 65_536 % 250
    scanner, port = np.full(probes, 0x0AFE0001), which % 65_536
    probe, length = frames(scanner, scanned, np.full(probes, 55_555), port, 0)
    refusal, _ = frames(scanner, scanned, np.full(probes, 55_555), port, 1)
    refusal["flags"] = RST | ACK
    return [*found, (probe, length), (refusal[::2], length)]


def messages(parts: list[tuple[Frames, int]]) -> tuple[Frames, list[Any]]:
    """The packets as the system call wants them, and what has to stay in memory until it is made."""
    vectors = []
    for found, length in parts:
        vector = np.zeros(len(found), VECTOR)
        found = np.ascontiguousarray(found)
        vector["base"] = found.ctypes.data + np.arange(len(found), dtype=np.uint64) * FRAME.itemsize
        vector["bytes"] = length
        vectors.append((found, vector))
    whole = np.concatenate([vector for _, vector in vectors])
    told = np.zeros(len(whole), MESSAGE)
    told["vector"] = whole.ctypes.data + np.arange(len(whole), dtype=np.uint64) * VECTOR.itemsize
    told["vectors"] = 1
    return told, [vectors, whole]


def replay(interface: str, seconds: int, flows: int, probes: int) -> None:
    """Send, second by second; prints how many packets were sent."""
    sent, begun = 0, time.monotonic()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as one:
        one.bind((interface, 0))
        for number in range(seconds):
            told, _kept = messages(second(number, flows, probes))
            edges = np.linspace(0, len(told), PARTS + 1).astype(int)
            for part in range(PARTS):
                time.sleep(max(0, begun + number + part / PARTS - time.monotonic()))
                sent += send_some(one, told[edges[part] : edges[part + 1]])
    print(json.dumps({"packets": sent, "seconds": time.monotonic() - begun}))


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Parse the arguments, let it run, and print memory and losses."""
    parser = argparse.ArgumentParser(description="Watch the memory of a long live capture.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--flows", type=int, default=1_000, help="new connections a second")
    parser.add_argument("--probes", type=int, default=500, help="probes of a port scan a second")
    parser.add_argument(
        "--every", type=float, default=60, metavar="SECONDS", help="look at the memory so often"
    )
    parser.add_argument("--python", default=sys.executable, help="the Python that has classifier installed")
    parser.add_argument("--replay", metavar="INTERFACE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    seconds = round(arguments.minutes * 60)
    if arguments.replay:
        replay(arguments.replay, seconds, arguments.flows, arguments.probes)
        return
    with tempfile.TemporaryDirectory() as scratch, namespaces() as ends:
        said = Path(scratch, "windows.jsonl")
        command = [arguments.python, "-P", "-m", "classifier", "live", "wire", "--format", "jsonl"]
        with open(said, "wb") as file:
            process = subprocess.Popen(
                ["ip", "netns", "exec", ends[1], *command], stdout=file, process_group=0
            )
        try:
            while not said.stat().st_size and process.poll() is None:
                time.sleep(0.1)
            given = ["--replay", "wire", "--minutes", str(arguments.minutes)]
            given += ["--flows", str(arguments.flows), "--probes", str(arguments.probes)]
            sender = subprocess.Popen(
                ["ip", "netns", "exec", ends[0], sys.executable, os.path.abspath(__file__), *given],
                stdout=subprocess.PIPE,
                text=True,
            )
            begun = time.monotonic()
            while sender.poll() is None and process.poll() is None:
                print(f"{time.monotonic() - begun:6.0f} s  {memory_mb(process.pid):6.0f} MB", flush=True)
                try:
                    sender.wait(arguments.every)
                except subprocess.TimeoutExpired:
                    continue
            output, _ = sender.communicate()
            time.sleep(5)
            print(f"  at the end {memory_mb(process.pid):6.0f} MB")
            process.send_signal(signal.SIGTERM)
            ended = time.monotonic()
            process.wait(1800)
            print(f"the final report took {time.monotonic() - ended:.0f} s")
        finally:
            process.kill()
            process.wait()
        windows = [json.loads(line) for line in said.read_text().splitlines()]
    seen = sum(line.get("packets", 0) for line in windows)
    dropped = sum(line.get("dropped", 0) for line in windows)
    sent = json.loads(output)["packets"]
    print(
        f"sent {sent:,}, seen {seen:,}, said to be lost {dropped:,}, lost uncounted {sent - seen - dropped:,}"
    )


if __name__ == "__main__":
    main()
