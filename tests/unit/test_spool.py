"""The spool: in memory first, past a limit in a file, and read as often as one likes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from classifier.flows.partitions import Partitions
from classifier.flows.spool import Spool

ROWS = 100


def batches(count: int) -> list[pa.RecordBatch]:
    """Batches as the core hands them over: fixed-size binary, null values, lists."""
    made = []
    for number in range(count):
        rows = range(number * ROWS, (number + 1) * ROWS)
        made.append(
            pa.record_batch(
                {
                    "row": pa.array(rows, pa.uint64()),
                    "address": pa.array([row.to_bytes(16, "big") for row in rows], pa.binary(16)),
                    "vlan": pa.array([row if row % 3 else None for row in rows], pa.uint16()),
                    "event_ns": pa.array([[row] * (row % 4) for row in rows], pa.list_(pa.int64())),
                }
            )
        )
    return made


def filled(memory_bytes: int, given: list[pa.RecordBatch]) -> Spool:
    spool = Spool(memory_bytes)
    for batch in given:
        spool.add(batch)
    return spool


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, 1.0])
def test_what_went_in_comes_out_twice(share: float) -> None:
    given = batches(5)
    size = sum(batch.nbytes for batch in given)
    spool = filled(int(size * share), given)
    assert (spool._file is None) == (share == 1.0), "all in memory only where all fits"
    assert list(spool) == given
    assert list(spool) == given
    assert spool.rows == 5 * ROWS


def test_two_readers_at_a_time() -> None:
    given = batches(4)
    spool = filled(0, given)
    pairs = list(zip(spool, spool, strict=True))
    assert pairs == [(batch, batch) for batch in given]


def test_memory_is_given_back() -> None:
    spool = filled(batches(1)[0].nbytes, batches(3))
    assert spool._held == []


def test_empty_batches_leave_no_trace() -> None:
    (batch,) = batches(1)
    spool = filled(0, [batch.slice(0, 0), batch, batch.slice(0, 0)])
    assert list(spool) == [batch]
    assert spool.rows == ROWS


def test_a_slice_is_kept_as_a_slice() -> None:
    (batch,) = batches(1)
    assert list(filled(0, [batch.slice(7, 5)])) == [batch.slice(7, 5)]


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_an_empty_spool(memory_bytes: int) -> None:
    spool = Spool(memory_bytes)
    assert (list(spool), spool.rows) == ([], 0)


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_some_batches_and_some_columns_are_read_by_themselves(memory_bytes: int) -> None:
    given = batches(4)
    spool = Spool(memory_bytes)
    for batch in given:
        spool.add(batch)
    assert list(spool.at([3, 1])) == [given[3], given[1]]
    assert list(spool.columns(["vlan", "row"])) == [batch.select(["vlan", "row"]) for batch in given]


def test_small_batches_are_put_together_in_order() -> None:
    given = batches(5)
    spool = Spool(1 << 20, batch_rows=2 * ROWS)
    for batch in given:
        spool.add(batch)
    assert [batch.num_rows for batch in spool] == [2 * ROWS, 2 * ROWS, ROWS]
    assert pa.Table.from_batches(spool) == pa.Table.from_batches(given)
    assert [batch.num_rows for batch in spool.columns(["row"])] == [2 * ROWS, 2 * ROWS, ROWS]


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_memory_makes_no_difference_to_what_is_put_together(memory_bytes: int) -> None:
    """Rows are looked at batch by batch: where they are cut would show in the order of tables."""
    given = batches(4)
    spool = Spool(memory_bytes, batch_rows=3 * ROWS)
    for batch in given:
        spool.add(batch)
    assert (spool._file is not None) == (not memory_bytes)
    assert [batch.num_rows for batch in spool] == [3 * ROWS, ROWS]


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_parts_are_read_by_themselves(memory_bytes: int) -> None:
    parted = Partitions(3, memory_bytes)
    for batch in batches(2):
        parted.write(batch, np.arange(ROWS) % 2 * 2)
    assert [column_of(parted, part) for part in range(3)] == [
        list(range(0, 2 * ROWS, 2)),
        [],
        list(range(1, 2 * ROWS, 2)),
    ]
    assert [size > 0 for size in parted.part_bytes] == [True, False, True]


def column_of(parted: Partitions, part: int) -> list[int]:
    return [row for batch in parted.read([part]) for row in batch["row"].to_pylist()]
