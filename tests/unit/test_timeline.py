"""The traffic over time: nothing is lost between the bins, however they are cut."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import frames
from support.frames import START_NS, End, Packet, tcp
from support.places import SAMPLES

import classifier
from classifier.errors import IntervalError
from classifier.reports.text.sparkline import sparkline
from classifier.traffic.timeline import BASE_NS, USUAL_BINS, usual_interval_ns

OFFICE, HANDSHAKES = SAMPLES / "office.pcapng", SAMPLES / "handshakes.pcap"
COUNTS = ["client_packets", "server_packets", "client_bytes", "server_bytes"]
CALLER, LISTENER = End("10.0.0.1", 40_000), End("10.0.0.2", 80)
SECOND_NS = 1_000_000_000


def total(table: pa.Table, name: str) -> int:
    return pc.sum(table[name]).as_py() or 0


@pytest.mark.parametrize("capture", [OFFICE, HANDSHAKES], ids=lambda path: path.stem)
@pytest.mark.parametrize("interval_s", [None, 0.01, 0.125, 1, 7.3, 86_400])
def test_nothing_is_lost(capture: Path, interval_s: float | None) -> None:
    traffic = classifier.read(capture)
    flows, timeline = traffic.to_arrow(), traffic.over_time(interval_s)
    for name in COUNTS:
        assert total(timeline, name) == total(flows, name), name
    packets = total(timeline, "client_packets") + total(timeline, "server_packets")
    assert packets == traffic.accounting["in_flows"]


def test_services_are_those_of_the_services(tmp_path: Path) -> None:
    traffic = classifier.read(OFFICE)
    timeline = traffic.timeline
    moved = (timeline["client_bytes"] + timeline["server_bytes"]).groupby(
        [timeline["service"].fillna("?"), timeline["proto"]]
    )
    services = traffic.services[traffic.services["bytes"] > 0]
    expected = {(row.service or "?", row.proto): row.bytes for row in services.fillna("?").itertuples()}
    sums: dict[Any, int] = moved.sum().to_dict()
    found = {key: size for key, size in sums.items() if key[0] != "(attempts)"}
    assert found == expected


@pytest.mark.parametrize("interval_s", [60, 7.3, None])
def test_a_flow_counts_once_in_each_bin(interval_s: float | None) -> None:
    traffic = classifier.read(OFFICE)
    timeline = traffic.over_time(interval_s).to_pylist()
    services = {(row["service"], row["proto"]): row["flows"] for row in traffic.totals.services().to_pylist()}
    for row in timeline:
        if row["service"] != "(attempts)":
            assert 1 <= row["flows"] <= services[row["service"], row["proto"]], row
    if interval_s == 60:
        assert sum(row["flows"] for row in timeline if row["service"] == "ssh") == 4


def capture_of(times_s: list[float]) -> classifier.Traffic:
    """One connection with a segment from the client at each time."""
    segments = [Packet(START_NS + round(t * SECOND_NS), tcp(CALLER, LISTENER, "A", 1, 1)) for t in times_s]
    return classifier.read(io.BytesIO(frames.pcap(segments)), tcp_idle_s=1e6)


def starts(traffic: classifier.Traffic, interval_s: float | None) -> list[tuple[float, int]]:
    return [
        (
            (row["start"].value - START_NS // SECOND_NS * SECOND_NS) / SECOND_NS,
            row["client_packets"] + row["server_packets"],
        )
        for row in traffic.over_time(interval_s).to_pylist()
    ]


def test_packets_are_in_the_bin_of_their_time() -> None:
    traffic = capture_of([0, 0.3, 0.9, 1, 5.5])
    assert starts(traffic, 1) == [(0, 3), (1, 1), (5, 1)]
    assert traffic.interval_s == 1 / 16
    assert starts(traffic, None) == [(0, 1), (0.25, 1), (0.875, 1), (1, 1), (5.5, 1)]


def test_a_wide_bin_is_spread_over_the_time_it_covers() -> None:
    # Two days: the meter's bins are more than a second wide.
    traffic = capture_of([0, 1000, 1000.5, 172_800])
    found = starts(traffic, 100)
    assert sum(packets for _, packets in found) == 4
    assert all(0 <= start < 2 * 2048 or start > 172_800 - 2048 for start, _ in found)


@given(st.lists(st.floats(0, 10_000), min_size=1, max_size=30), st.floats(0.2, 20_000))
def test_any_interval_keeps_the_sums(times_s: list[float], interval_s: float) -> None:
    traffic = capture_of(times_s)
    assert sum(packets for _, packets in starts(traffic, interval_s)) == len(times_s)


def test_pieces_give_the_timeline_of_the_whole() -> None:
    times_s = [0, 0.5, 3, 3.1, 8, 9, 100, 101, 250, 251]
    segments = [Packet(START_NS + round(t * SECOND_NS), tcp(CALLER, LISTENER, "A", 1, 1)) for t in times_s]
    pieces = [io.BytesIO(frames.pcap(segments[begin : begin + 3])) for begin in range(0, len(segments), 3)]
    whole = classifier.read(io.BytesIO(frames.pcap(segments)))
    assert classifier.read(pieces).over_time().equals(whole.over_time())


def test_the_usual_interval() -> None:
    for span_ns in (0, 1, SECOND_NS, 3600 * SECOND_NS, 2**62):
        interval_ns = usual_interval_ns(START_NS, START_NS + span_ns)
        bins = (START_NS + span_ns) // interval_ns - START_NS // interval_ns + 1
        assert bins <= USUAL_BINS and (interval_ns // BASE_NS).bit_count() == 1
        assert interval_ns == BASE_NS or bins > USUAL_BINS / 2 - 1


def test_too_narrow_bins_are_refused() -> None:
    traffic = classifier.read(HANDSHAKES)
    for interval_s in (1e-6, 0, -1, float("nan")):
        with pytest.raises(IntervalError, match=r"choose .* s or more"):
            traffic.over_time(interval_s)


def test_no_bins_are_too_wide() -> None:
    traffic = classifier.read(HANDSHAKES)
    for interval_s in (1e9, 1e300, float("inf")):
        assert total(traffic.over_time(interval_s), "flows") == len(traffic.to_arrow())


def test_nothing_has_no_timeline() -> None:
    assert classifier.read(SAMPLES / "trouble/arp.pcap").timeline.empty


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([0, 0], ""),
        ([0, 1, 0], " █"),
        ([1, 4, 8], "▁▄█"),
        ([*[0] * 39, 5], " " * 19 + "█"),
        (list(range(1, 9)), "▁▂▃▄▅▆▇█"),
    ],
)
def test_sparklines(values: list[int], line: str) -> None:
    assert sparkline(values) == line
    assert sparkline(values, "ascii").isascii()
