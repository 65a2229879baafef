#!/usr/bin/env python3
"""Read damaged copies of real captures: `python tests/hostile/mutate.py --captures DIR --count 20000`.

Nothing but `CaptureError` and `MeterError` may come of them, every packet must be accounted for, and no
file may take long or much memory. One line says how it went; the exit status is 1 if anything failed. The
same seed makes the same files; `--only N` repeats one.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from mutations import variants

import classifier
from classifier import _meter, payload
from classifier.metering.counters import Counters
from classifier.metering.options import MeterOptions

MOST_SECONDS = 10.0
MOST_RSS_MB = 300
#: Interval of variants that go through all stages.
EVERY = 10
SUFFIXES = {".pcap", ".pcapng", ".cap", ".gz", ".zst", ".lz4"}


@dataclass
class Outcome:
    """Counts over all variants."""

    variants: int = 0
    whole: int = 0
    packets: int = 0
    rows: int = 0
    opened: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest: str = ""
    failures: list[str] = field(default_factory=list)

    def line(self, seconds: float) -> str:
        """Format it in one line."""
        ends = ", ".join(f"{count} {kind}" for kind, count in sorted(self.ended.items()))
        return (
            f"{self.variants} variants ({self.whole} through all stages) in {seconds:.0f} s: "
            f"{self.opened} opened, {self.packets} packets, {self.rows} rows; {ends}; "
            f"slowest {self.slowest_s * 1000:.0f} ms ({self.slowest}), peak {peak_rss_mb():.0f} MB, "
            f"{len(self.failures)} failures"
        )


def peak_rss_mb() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def meter(data: bytes, rng: random.Random, outcome: Outcome) -> None:
    """Meter one file and check its accounts."""
    try:
        reader = _meter.read(
            io.BytesIO(data),
            payload.load().compiled,
            MeterOptions(
                tcp_idle_ns=rng.choice([0, 10**9, 300 * 10**9]),
                udp_idle_ns=rng.choice([0, 10**9, 120 * 10**9]),
                max_flows=rng.choice([1, 10, 250_000]),
                decapsulate=rng.random() < 0.7,
                dedup=rng.random() < 0.3,
                verify_checksums=rng.random() < 0.3,
            ),
        )
    except _meter.MeterError as error:
        kind, offset, message, _ = error.args
        assert offset >= 0 and message, error
        outcome.ended[kind] += 1
        return
    outcome.opened += 1
    in_rows = rows = evicted = 0
    for batch in reader:
        facts = pa.record_batch(batch)
        facts.validate(full=True)
        if facts.num_rows:
            rows += facts.num_rows
            in_rows += pc.sum(facts["packets_ab"]).as_py() + pc.sum(facts["packets_ba"]).as_py()
            evicted += pc.sum(facts["evicted"]).as_py()
    outcome.ended[reader.problem[0] if reader.problem else "whole"] += 1
    counters = Counters(**reader.counters)
    outcome.packets += counters.packets
    outcome.rows += rows
    lost = sum(counters.unmetered.values())
    assert in_rows + lost == counters.packets, f"{in_rows} in rows + {lost} lost != {counters.packets}"
    assert evicted == counters.evicted, f"{evicted} rows evicted != {counters.evicted}"
    unknown = {"link_type": 0, "unknown_type": 0}
    for (kind, _), packets in counters.unknown_types.items():
        unknown[kind if kind == "link_type" else "unknown_type"] += packets
    assert unknown == {reason: counters.unmetered[reason] for reason in unknown}
    assert reader.bytes_read <= len(data)


def judge(data: bytes) -> None:
    """Run one file through all stages and check the accounts of what comes out."""
    try:
        traffic = classifier.read(io.BytesIO(data))
    except classifier.CaptureError:
        return
    accounting = dict(traffic.accounting)
    packets, in_flows = accounting.pop("packets"), accounting.pop("in_flows")
    assert in_flows + sum(accounting.values()) == packets, traffic.accounting
    flows = traffic.to_arrow()
    flows.validate(full=True)
    sent = [pc.sum(flows[name]).as_py() or 0 for name in ("client_packets", "server_packets")]
    assert sum(sent) == in_flows, f"{sent} != {in_flows}"
    services = traffic.totals.services()
    columns = ("client_packets", "server_packets", "attempt_packets")
    told = sum(pc.sum(services[name]).as_py() or 0 for name in columns if name in services.column_names)
    assert told == in_flows, f"services tell {told} of {in_flows}"
    traffic.totals.servers()
    traffic.totals.clients()
    traffic.totals.attempts()
    assert int(traffic.status) >= 0


def run(captures: list[Path], count: int, seed: int, every: int = EVERY, only: int | None = None) -> Outcome:
    """Read `count` variants."""
    outcome = Outcome()
    for number, name, data in variants(captures, count, seed, only):
        outcome.variants += 1
        begun = time.monotonic()
        try:
            meter(data, random.Random(number), outcome)
            if number % every == 0:
                outcome.whole += 1
                judge(data)
        except BaseException as error:  # a Rust panic is no Exception
            if isinstance(error, KeyboardInterrupt):
                raise
            outcome.failures.append(f"variant {number} ({name}): {type(error).__name__}: {error}")
        seconds = time.monotonic() - begun
        if seconds > outcome.slowest_s:
            outcome.slowest_s, outcome.slowest = seconds, f"{number}: {name}"
        if seconds > MOST_SECONDS:
            outcome.failures.append(f"variant {number} ({name}): {seconds:.1f} s")
    if peak_rss_mb() > MOST_RSS_MB:
        outcome.failures.append(f"peak memory {peak_rss_mb():.0f} MB")
    return outcome


def find(folder: Path) -> list[Path]:
    """Return the captures below a folder."""
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.stat().st_size)


def main() -> int:
    """Run, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captures", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=EVERY, help="each so many go through all stages")
    parser.add_argument("--only", type=int, help="this variant alone")
    given = parser.parse_args()
    begun = time.monotonic()
    every = 1 if given.only is not None else given.every
    outcome = run(find(given.captures), given.count, given.seed, every, given.only)
    for failure in outcome.failures[:50]:
        print(failure, file=sys.stderr)
    print(outcome.line(time.monotonic() - begun))
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
