"""Meters generated captures, so that a profile-guided build knows what is often done.

    maturin build --release --pgo

runs it with an instrumented build (`pgo-command` in pyproject.toml) before it builds anew. The captures are
those of the benchmarks at other sizes and seeds: long flows, short ones, more flows than the cap, on several
threads and on one.
"""

import sys
import tempfile
from pathlib import Path

from make_capture import make

from classifier import _meter, signatures
from classifier.metering.options import MeterOptions

#: Packets and flows of each capture.
SIZES = ((150_000, 5_000), (300_000, 40_000))
#: Threads, and the cap on flows.
OPTIONS = ((1, 250_000), (2, 250_000), (1, 10_000))


def meter(path: Path, threads: int, max_flows: int) -> int:
    """Meter a capture; return its flows."""
    reader = _meter.read(
        str(path),
        signatures.compiled().signatures,
        MeterOptions(
            tcp_idle_ns=300_000_000_000,
            udp_idle_ns=120_000_000_000,
            max_flows=max_flows,
            threads=threads,
        ),
    )
    return sum(batch.num_rows for batch in reader)


def main() -> None:
    """Meter each capture with each choice of options."""
    with tempfile.TemporaryDirectory() as folder:
        for seed, (packets, flows) in enumerate(SIZES, 1000):
            path = Path(folder) / f"{flows}.pcap"
            make(path, packets, flows, seed)
            for threads, max_flows in OPTIONS:
                rows = meter(path, threads, max_flows)
                print(f"{packets} packets, {threads} threads: {rows} rows", file=sys.stderr)


if __name__ == "__main__":
    main()
