"""Sums by keys: what goes to disk comes back whole, and cut tables keep their sums."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.frames import START_NS, End, Packet, pcap, udp
from support.places import SAMPLES

import classifier
from classifier.result import Traffic
from classifier.traffic.aggregate import Aggregate, Rows, joined, plain, size, summed
from classifier.traffic.codes import Texts, address_words, words_of
from classifier.traffic.public import ranked
from classifier.traffic.views import View

OFFICE = SAMPLES / "office.pcapng"
TABLES = ["services", "servers", "clients", "attempts", "conversations"]
#: Less than any batch of rows takes.
NO_MEMORY = 16

KEYS = ("ip_version", "server_high", "server_low", "port")
MEASURES = plain("bytes", "first_seen_ns", "last_seen_ns")
VIEW = View(pa.schema([("bytes", pa.uint64())]), KEYS, measures=plain("bytes"))


def rows(count: int, seed: int) -> Rows:
    """Rows with 300 addresses and 5 ports, and numbers that no float could add up."""
    rng = np.random.default_rng(seed)
    addresses = pa.array([int(one).to_bytes(16, "big") for one in rng.integers(0, 300, count)], pa.binary(16))
    return {
        "ip_version": np.full(count, 4, dtype=np.uint8),
        **address_words(addresses, "server"),
        "port": rng.integers(0, 5, count).astype(np.uint16),
        "bytes": rng.integers(0, 1000, count) + (1 << 50),
        "first_seen_ns": rng.integers(-1000, 1000, count),
        "last_seen_ns": rng.integers(-1000, 1000, count),
    }


def listed(found: Rows) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in found.values()), strict=True))


def aggregate(memory_bytes: int, pieces: list[Rows]) -> Aggregate:
    found = Aggregate(KEYS, MEASURES, words_of("server"), memory_bytes)
    for piece in pieces:
        found.add(dict(piece))
    return found


def sums(parts: list[Rows]) -> dict[tuple[int, ...], tuple[int, ...]]:
    found = [row for part in parts for row in listed(summed(part, KEYS, MEASURES))]
    assert len({row[:4] for row in found}) == len(found), "a key is in one part only"
    return {row[:4]: row[4:] for row in found}


@pytest.mark.parametrize("memory_bytes", [0, 5_000, 1_000_000, 1 << 30])
def test_sums_are_exact_however_little_memory_there_is(memory_bytes: int) -> None:
    pieces = [rows(1_000, seed) for seed in range(8)]
    expected: dict[tuple[int, ...], tuple[int, ...]] = {}
    for *key, moved, first, last in (row for piece in pieces for row in listed(piece)):
        before = expected.get(tuple(key), (0, first, last))
        expected[tuple(key)] = (before[0] + moved, min(before[1], first), max(before[2], last))
    found = aggregate(memory_bytes, pieces)
    parts = list(found.parts())
    assert (len(parts) > 1) == found.is_on_disk == (memory_bytes < 50_000), "parts where they don't fit"
    assert sums(parts) == expected
    assert sums(list(found.parts())) == expected, "again"


def test_keys_that_are_no_addresses_stay_in_memory() -> None:
    found = Aggregate(KEYS, MEASURES, memory_bytes=0)
    for seed in range(3):
        found.add(rows(100, seed))
    assert not found.is_on_disk
    assert len(list(found.parts())) == 1


def test_nothing_added_gives_no_part() -> None:
    found = aggregate(0, [rows(0, 1)])
    assert list(found.parts()) == []
    assert found.total() is None
    assert ranked(VIEW, found.parts(), Texts(), 3) == (None, None)


@pytest.mark.parametrize("top", [1, 7, 10_000, None])
def test_ranks_over_parts_are_those_of_the_whole(top: int | None) -> None:
    parts = [summed(part, KEYS, VIEW.measures) for part in aggregate(0, [rows(5_000, 1)]).parts()]
    whole = sorted(listed(joined(parts)), key=lambda row: (-row[-1], *row))
    best, rest = ranked(VIEW, parts, Texts(), top)
    assert best
    assert listed(best) == whole[:top]
    assert (rest["bytes"].tolist() if rest else [0]) == [sum(row[-1] for row in whole[size(best) :])]


@given(
    addresses=st.lists(st.binary(min_size=16, max_size=16), min_size=1),
    numbers=st.lists(st.integers(-(1 << 62), 1 << 62), min_size=1),
)
def test_groups_are_those_of_equal_keys(addresses: list[bytes], numbers: list[int]) -> None:
    """Keys of any size: addresses of 128 bits, numbers of 62."""
    count = 3 * max(len(addresses), len(numbers))
    keys = [(addresses[at % len(addresses)], numbers[at // 2 % len(numbers)]) for at in range(count)]
    found = summed(
        {
            **address_words(pa.array([address for address, _ in keys], pa.binary(16)), "server"),
            "number": np.array([number for _, number in keys]),
            "rows": np.ones(count, dtype=np.uint32),
        },
        ("server_high", "server_low", "number"),
        plain("rows"),
    )
    expected = Counter((int.from_bytes(address, "big"), number) for address, number in keys)
    assert {(high << 64 | low, number): many for high, low, number, many in listed(found)} == expected


@pytest.fixture(scope="module")
def roomy() -> Traffic:
    return classifier.read(OFFICE)


@pytest.fixture(scope="module")
def cramped() -> Traffic:
    return classifier.read(OFFICE, memory_bytes=NO_MEMORY)


@pytest.mark.parametrize("max_flows", [11_000, 1_000])
def test_memory_evicts_no_flow(tmp_path: Path, max_flows: int) -> None:
    """Of 12,000 flows at once those past the cap are evicted, whatever the memory."""
    capture = tmp_path / "many.pcap"
    clients = [End(f"10.0.{number >> 8}.{number & 255}", 40_000) for number in range(12_000)] * 2
    server = End("10.9.9.9", 53)
    packets = (Packet(START_NS + place, udp(client, server, b"?")) for place, client in enumerate(clients))
    capture.write_bytes(pcap(packets))
    cramped, roomy = (
        classifier.read(capture, max_flows=max_flows, memory_bytes=memory).to_arrow()
        for memory in (NO_MEMORY, 4 << 30)
    )
    assert cramped.equals(roomy) and pc.any(roomy["evicted"]).as_py()


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
        assert cramped.totals.mismatches().equals(roomy.totals.mismatches())

    def test_flows(self, roomy: Traffic, cramped: Traffic) -> None:
        assert cramped.to_arrow().equals(roomy.to_arrow())

    def test_inputs_that_share_flows(self) -> None:
        """The same capture twice: every key recurs."""
        twice = [OFFICE, OFFICE]
        assert classifier.read(twice, memory_bytes=NO_MEMORY).to_arrow() == classifier.read(twice).to_arrow()
