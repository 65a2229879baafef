"""The number of threads and the size of blocks make no difference to what the meter returns.

DESIGN: "nothing depends on the number of threads: parts of the key space are a constant, batches come in one
order".
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.places import CAPTURES, SAMPLES

from classifier import _meter, payload
from classifier.metering.options import MeterOptions

#: Enough for the smallest captures' flows to be evicted, and enough for none.
CAPS = (40, 250_000)
SHARINGS = ((2, 256 << 10), (3, 4096), (7, 4096))


def metered(path: Path, threads: int, block_bytes: int, max_flows: int) -> tuple[list[pa.RecordBatch], Any]:
    reader = _meter.read(
        str(path),
        payload.load().compiled,
        MeterOptions(
            tcp_idle_ns=300_000_000_000,
            udp_idle_ns=120_000_000_000,
            max_flows=max_flows,
            verify_checksums=True,
            threads=threads,
            block_bytes=block_bytes,
        ),
    )
    batches = [pa.record_batch(batch) for batch in reader if batch.num_rows]
    return batches, {name: getattr(reader, name) for name in READ}


READ = ("packets", "bytes_read", "counters", "problem", "format", "compression")


def same_on_all_threads(path: Path) -> None:
    for max_flows in CAPS:
        expected = metered(path, 1, 256 << 10, max_flows)
        for threads, block_bytes in SHARINGS:
            assert metered(path, threads, block_bytes, max_flows) == expected, (path, threads, block_bytes)


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
    alone = MeterOptions(tcp_idle_ns=10**12, udp_idle_ns=10**12, max_flows=250_000)
    rows = []
    for options in (alone, replace(alone, threads=2, block_bytes=4096)):
        reader = _meter.read(str(path), payload.load().compiled, options)
        table = pa.Table.from_batches([pa.record_batch(batch) for batch in reader if batch.num_rows])
        rows.append(table.sort_by([("first_seen_ns", "ascending"), ("port_a", "ascending")]).to_pylist())
    assert rows[0] == rows[1]
