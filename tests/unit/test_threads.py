"""The number of threads and the size of blocks make no difference to what the meter returns.

DESIGN: "nothing depends on the number of threads: parts of the key space are a constant, batches come in one
order".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.places import CAPTURES, SAMPLES

from classifier import _meter, payload

#: Enough for the smallest captures' flows to be evicted, and enough for none.
CAPS = (40, 250_000)
SHARINGS = ((2, 256 << 10), (3, 4096), (7, 4096))


def metered(path: Path, threads: int, block_bytes: int, most_flows: int) -> tuple[list[pa.RecordBatch], Any]:
    reader = _meter.read(
        str(path),
        payload.load().compiled,
        tcp_idle_ns=300_000_000_000,
        udp_idle_ns=120_000_000_000,
        most_flows=most_flows,
        decapsulate=True,
        dedup=False,
        verify_checksums=True,
        threads=threads,
        block_bytes=block_bytes,
    )
    batches = [pa.record_batch(batch) for batch in reader if batch.num_rows]
    counters = {name: getattr(reader, name) for name in COUNTERS}
    return batches, counters


COUNTERS = (
    *("packets", "wire_bytes", "bytes_read", "dropped", "span_ns", "evicted", "duplicates", "bad_checksums"),
    *("unmetered", "unknown_types", "irregular", "problem", "format", "compression"),
)


def same_on_all_threads(path: Path) -> None:
    for most_flows in CAPS:
        expected = metered(path, 1, 256 << 10, most_flows)
        for threads, block_bytes in SHARINGS:
            assert metered(path, threads, block_bytes, most_flows) == expected, (path, threads, block_bytes)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.pcap*")), ids=lambda path: path.name)
def test_samples(path: Path) -> None:
    same_on_all_threads(path)


def test_captures_of_other_projects(all_captures: bool) -> None:
    found = sorted(path for path in CAPTURES.rglob("*.pcap*") if path.is_file())
    if not found:
        pytest.skip("the captures of other projects aren't here")
    for path in found if all_captures else found[::24]:
        try:
            same_on_all_threads(path)
        except _meter.MeterError:
            continue


def test_rows_of_small_files_are_those_of_large_ones() -> None:
    """A small file's rows are in fewer batches, and the same."""
    path = SAMPLES / "office.pcapng"
    options = {"tcp_idle_ns": 10**12, "udp_idle_ns": 10**12, "most_flows": 250_000, "decapsulate": True}
    options |= {"dedup": False, "verify_checksums": False}
    rows = []
    for sharing in ({}, {"threads": 2, "block_bytes": 4096}):
        reader = _meter.read(str(path), payload.load().compiled, **options, **sharing)  # type: ignore[arg-type]
        table = pa.Table.from_batches([pa.record_batch(batch) for batch in reader if batch.num_rows])
        rows.append(table.sort_by([("first_seen_ns", "ascending"), ("port_a", "ascending")]).to_pylist())
    assert rows[0] == rows[1]
