"""What judging a million flows costs, in seconds and memory.

    python benchmarks/roles/cost.py [FLOWS]

The flows are made up: a hundred thousand clients call a thousand servers, a third with a handshake, a
third midstream, a third over UDP.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from classifier import handshake, payload, roles
from classifier.ports.rules import Rules
from classifier.roles.directory import no_entries
from classifier.roles.ports import likeness
from classifier.services import naming

BATCH_ROWS = 32_768
PORTS = np.array([443, 80, 53, 22, 993, 3306, 5432, 8080, 8443, 27017], dtype=np.uint16)


def facts(flows: int) -> Iterator[pa.RecordBatch]:
    """Yield flow facts, as many of their columns as the stages read."""
    rng = np.random.default_rng(7)
    for start in range(0, flows, BATCH_ROWS):
        n = min(BATCH_ROWS, flows - start)
        kind = rng.integers(0, 3, n)
        proto = np.where(kind == 2, 17, 6).astype(np.uint8)
        none = pa.nulls(n, pa.uint32())
        time_ns = np.sort(rng.integers(0, 10**12, n))
        yield pa.RecordBatch.from_pydict(
            {
                "proto": proto,
                "ip_version": np.full(n, 4, dtype=np.uint8),
                "addr_a": _addresses(rng.integers(0, 100_000, n), 10),
                "port_a": rng.integers(32768, 61000, n).astype(np.uint16),
                "addr_b": _addresses(rng.integers(0, 1_000, n), 172),
                "port_b": PORTS[rng.integers(0, len(PORTS), n)],
                "network_id": np.zeros(n, dtype=np.uint32),
                "first_from_b": np.zeros(n, dtype=bool),
                "ack_moved_a": kind == 1,
                "ack_moved_b": kind == 1,
                "first_seen_ns": time_ns,
                "last_seen_ns": time_ns + 10**9,
                "packets_ab": np.ones(n, dtype=np.uint64),
                "packets_ba": np.ones(n, dtype=np.uint64),
                "bytes_ab": np.full(n, 90, dtype=np.uint64),
                "bytes_ba": np.full(n, 400, dtype=np.uint64),
                "events": np.select([kind == 0, kind == 1], [0xC43A1, 0xC4], 0xC4).astype(np.uint64),
                "isn_a": none,
                "isn_b": none,
                "first_ack_a": none,
                "first_ack_b": none,
                "first_window_a": pa.array(np.full(n, 502, dtype=np.uint16)),
                "first_window_b": pa.array(np.full(n, 510, dtype=np.uint16)),
                "last_data_from_b": np.ones(n, dtype=bool),
                "hits_a": np.where(proto == 17, _hit("dns", "query"), _hit("tls", "ClientHello")),
                "hits_b": np.where(proto == 17, _hit("dns", "response"), _hit("tls", "ServerHello")),
                "alpn": pa.nulls(n, pa.string()),
            }
        )


def _hit(protocol: str, message: str) -> np.uint64:
    """Return a column's value where an endpoint sent only this message: the signature's number plus 2."""
    messages = enumerate(payload.load().messages)
    said = (n for n, one in messages if one.protocol.name == protocol and one.message == message)
    return np.uint64(next(said) + 2)


def _addresses(hosts: np.ndarray, network: int) -> pa.Array:
    raw = np.zeros((len(hosts), 16), dtype=np.uint8)
    raw[:, 10:13] = 255, 255, network
    raw[:, 13:] = np.stack([hosts >> 16, hosts >> 8, hosts], axis=1) & 255
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(hosts), [None, pa.py_buffer(raw.tobytes())]
    )


def main() -> None:
    """Print the seconds of each stage, and the memory."""
    flows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    batches = list(facts(flows))
    rules, table = Rules.load(), payload.load()
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent: dict[str, float] = {}

    def timed(stage: str, begin: float) -> float:
        now = time.process_time()
        spent[stage] = spent.get(stage, 0) + now - begin
        return now

    survey, directory = roles.PeerCounts(0), roles.Directory(no_entries())
    for batch in batches:
        now = time.process_time()
        said = payload.findings(batch, table)
        now = timed("payload", now)
        ends = roles.FlowFeatures(batch, handshake.judge(batch).with_proof(said.proven), said)
        now = timed("handshake", now)
        survey.add(ends, likeness(rules, ends))
        directory.add(ends)
        timed("roles: all flows together", now)
    context = roles.Context(
        rules, survey, directory, payload.ExpectedEndpoints(), 0, 300 * 10**9, 120 * 10**9
    )
    for batch in batches:
        now = time.process_time()
        said = payload.findings(batch, table)
        now = timed("payload", now)
        ends = roles.FlowFeatures(batch, handshake.judge(batch).with_proof(said.proven), said)
        now = timed("handshake", now)
        ends = roles.with_attempts(ends, context)
        verdicts = roles.decide(ends, context)
        now = timed("roles: each flow", now)
        a, b = (naming.ServerEndpoints(batch[f"addr_{end}"], batch[f"port_{end}"]) for end in "ab")
        none = np.zeros(len(ends.proto), dtype=np.uint8)
        spoken = naming.DetectedPayloads(
            ends.said, table, batch["alpn"], none, roles.began_unseen(ends, context)
        )
        naming.name(rules, batch["proto"].to_numpy(), b, a, verdicts.undecided, spoken)
        timed("services", now)
    for stage, seconds in spent.items():
        print(f"{stage:28}{seconds:6.2f} s of the processor")
    more_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    print(f"{flows:,} flows; memory beside the facts {more_mb:.0f} MB")


if __name__ == "__main__":
    main()
