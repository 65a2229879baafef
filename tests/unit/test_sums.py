"""Sums by keys: what goes to disk comes back whole, and cut tables keep their sums."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.places import SAMPLES

import classifier
from classifier.traffic import Traffic
from classifier.traffic.grouping import Grouping
from classifier.traffic.sums import Sums, ranked

OFFICE = SAMPLES / "office.pcapng"
TABLES = ["services", "servers", "clients", "attempts", "conversations"]
#: One part of it is less than any batch of sums.
NO_MEMORY = 16


def add_up(table: pa.Table) -> pa.Table:
    by = Grouping(table, ["addr", "port"])
    return pa.table({**by.keys("addr", "port"), **by.sums("bytes")})


def total(table: pa.Table) -> pa.Table:
    return pa.table(Grouping(table, []).sums("bytes"))


def rows(count: int, seed: int) -> pa.Table:
    """Rows with 300 addresses and 5 ports, and numbers that no float could add up."""
    rng = np.random.default_rng(seed)
    addresses = rng.integers(0, 300, count)
    return pa.table(
        {
            "addr": pa.array([int(one).to_bytes(16, "big") for one in addresses], pa.binary(16)),
            "port": pa.array(rng.integers(0, 5, count).astype(np.uint16)),
            "bytes": pa.array((rng.integers(0, 1000, count) + (1 << 50)).astype(np.uint64)),
        }
    )


def as_dict(parts: list[pa.Table]) -> dict[tuple[bytes, int], int]:
    found = [row for part in parts for row in part.to_pylist()]
    sums = {(row["addr"], row["port"]): row["bytes"] for row in found}
    assert len(sums) == len(found), "a key is in one part only"
    return sums


@pytest.mark.parametrize("memory_bytes", [0, 5_000, 1_000_000, 1 << 30])
def test_sums_are_exact_however_little_memory_there_is(memory_bytes: int) -> None:
    pieces = [rows(1_000, seed) for seed in range(8)]
    sums, expected = Sums(add_up, ["addr"], memory_bytes), dict[tuple[bytes, int], int]()
    for piece in pieces:
        sums.add(piece)
        for row in piece.to_pylist():
            key = (row["addr"], row["port"])
            expected[key] = expected.get(key, 0) + row["bytes"]
    parts = list(sums.parts())
    assert (len(parts) > 1) == (memory_bytes < 50_000), "parts where they don't fit"
    assert as_dict(parts) == expected
    assert as_dict(list(sums.parts())) == expected, "again"


def test_keys_that_are_no_addresses_stay_in_memory() -> None:
    sums = Sums(add_up, memory_bytes=0)
    for seed in range(3):
        sums.add(rows(100, seed))
    assert len(list(sums.parts())) == 1


def test_nothing_added_gives_no_part() -> None:
    sums = Sums(add_up, ["addr"])
    sums.add(rows(0, 1))
    assert list(sums.parts()) == []
    assert ranked(sums.parts(), [("bytes", "descending")], 3, total) == []


@pytest.mark.parametrize("top", [1, 7, 10_000, None])
def test_ranks_over_parts_are_those_of_the_whole(top: int | None) -> None:
    sums = Sums(add_up, ["addr"], memory_bytes=0)
    sums.add(rows(5_000, 1))
    order = [("bytes", "descending"), ("addr", "ascending"), ("port", "ascending")]
    whole = pa.concat_tables(sums.parts()).sort_by(order)
    best, rest = ranked(sums.parts(), order, top, total)
    assert best.to_pylist() == whole.slice(0, top).to_pylist()
    assert sum(rest["bytes"].to_pylist()) == sum(whole.slice(best.num_rows)["bytes"].to_pylist())


@pytest.fixture(scope="module")
def roomy() -> Traffic:
    return classifier.read(OFFICE)


@pytest.fixture(scope="module")
def cramped() -> Traffic:
    return classifier.read(OFFICE, memory_bytes=NO_MEMORY)


class TestTraffic:
    """Without memory everything is the same."""

    @pytest.mark.parametrize("table", TABLES)
    def test_totals(self, roomy: Traffic, cramped: Traffic, table: str) -> None:
        assert getattr(cramped.totals, table)().equals(getattr(roomy.totals, table)())

    @pytest.mark.parametrize("table", TABLES[1:])
    @pytest.mark.parametrize("top", [1, 3])
    def test_cut_totals_keep_their_sums(self, roomy: Traffic, cramped: Traffic, table: str, top: int) -> None:
        whole, cut = getattr(roomy.totals, table)(), getattr(cramped.totals, table)(top)
        assert cut.slice(0, top).to_pylist() == whole.slice(0, top).to_pylist()
        assert cut.num_rows == min(whole.num_rows, top + 1)
        assert cut[0].to_pylist()[top:] == ["other"]
        for name in {"flows", "bytes", "attempts", "attempt_packets", "unanswered"} & {*whole.column_names}:
            assert pc.sum(cut[name]) == pc.sum(whole[name]), name

    @pytest.mark.parametrize("by", ["server", "client", "service"])
    def test_breakdown(self, roomy: Traffic, cramped: Traffic, by: str) -> None:
        whole, cut = roomy.breakdown(by), cramped.breakdown(by, 2)
        assert cramped.breakdown(by).equals(whole)
        assert cut.slice(0, 2).to_pylist() == whole.slice(0, 2).to_pylist()
        assert cut["group"].to_pylist()[2:] == ["other"]
        assert pc.sum(cut["bytes"]) == pc.sum(whole["bytes"])
        assert pc.sum(cut["share"]).as_py() == pytest.approx(pc.sum(whole["share"]).as_py())

    def test_mismatches(self, roomy: Traffic, cramped: Traffic) -> None:
        assert cramped.totals.mismatches.table().equals(roomy.totals.mismatches.table())

    def test_flows(self, roomy: Traffic, cramped: Traffic) -> None:
        assert cramped.to_arrow().equals(roomy.to_arrow())

    def test_inputs_that_share_flows(self) -> None:
        """The same capture twice: every key recurs."""
        twice = [OFFICE, OFFICE]
        assert classifier.read(twice, memory_bytes=NO_MEMORY).to_arrow() == classifier.read(twice).to_arrow()
