"""Made-up captures of any size, written while they are read: they take no room.

python benchmarks/streams.py packets 100000000 | classifier report -
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import make_capture
import numpy as np
from make_capture import FILE_HEADER, TCP
from make_even import ip_headers

BASE_PACKETS, BASE_FLOWS = 100_000, 3_700
#: Bytes that packets are cut to, and the duration of one repetition of all of them.
SNAP, SPAN_S = 96, 60
#: SYN, SYN and ACK, ACK, RST.
FLAGS = (0x02, 0x12, 0x10, 0x14)
#: Flows that are under way at a time, and addresses.
AT_A_TIME, CLIENTS, SERVERS = 20_000, 1_000_000, 10_000


def packets(count: int) -> Iterator[bytes]:
    """Make a capture of `count` packets in always the same flows: one of 100,000 packets again and again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "base.pcap"
        make_capture.make(path, BASE_PACKETS, BASE_FLOWS)
        whole = np.fromfile(path, np.uint8)
    data = whole.tobytes()
    starts, at = [], 24
    while at < len(data):
        starts.append(at)
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
    base = b"".join(
        data[start : start + 8]
        + min(SNAP, int.from_bytes(data[start + 8 : start + 12], "little")).to_bytes(4, "little")
        + data[start + 12 : min(start + 16 + SNAP, end)]
        for start, end in zip(starts, [*starts[1:], len(data)], strict=True)
    )
    piece = np.frombuffer(base, np.uint8).copy()
    sizes = [
        16 + min(SNAP, end - start - 16) for start, end in zip(starts, [*starts[1:], len(data)], strict=True)
    ]
    places = (np.cumsum(sizes) - sizes)[:, None] + np.arange(8)
    stamps = piece[places].view("<u4").astype(np.int64)
    micros = ((stamps[:, 0] - stamps[0, 0]) * 1_000_000 + stamps[:, 1]) // (600 // SPAN_S)
    yield FILE_HEADER.tobytes()
    for number in range(max(1, count // BASE_PACKETS)):
        now = micros + number * SPAN_S * 1_000_000
        times = np.stack([make_capture.EPOCH_S + now // 1_000_000, now % 1_000_000], axis=1).astype("<u4")
        piece[places] = times.view(np.uint8)
        yield piece.tobytes()


def flows(count: int) -> Iterator[bytes]:
    """Make a capture of `count` TCP flows of four packets: a handshake and a reset."""
    rng = np.random.default_rng(1)
    yield FILE_HEADER.tobytes()
    for begin in range(0, count, AT_A_TIME):
        flow = np.arange(begin, min(begin + AT_A_TIME, count))
        client = 0x0A000000 + rng.integers(0, CLIENTS, len(flow))
        server = 0xC6120000 + rng.integers(0, SERVERS, len(flow))
        isn = rng.integers(0, 1 << 31, (2, len(flow)))
        port = 1024 + flow % 64_000
        for step, flags in enumerate(FLAGS):
            out = ip_headers(4 * begin + step * len(flow) + np.arange(len(flow)), flow, TCP, 0)
            back = step == 1
            out["source"], out["destination"] = (server, client) if back else (client, server)
            out["source_port"], out["destination_port"] = (443, port) if back else (port, 443)
            out["seq"] = isn[1] if back else isn[0] + (step > 0)
            out["ack"] = 0 if step == 0 else (isn[0] if back else isn[1]) + 1
            out["offset"], out["flags"] = 5 << 4, flags
            yield out.tobytes()


if __name__ == "__main__":
    kinds = {"packets": packets, "flows": flows}
    for piece in kinds[sys.argv[1]](int(sys.argv[2])):
        sys.stdout.buffer.write(piece)
