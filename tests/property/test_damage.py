"""Whatever bytes come: a result or a CaptureError, and what was whole is reported.

DESIGN: "A bad packet is a row in a count; a bad file is an exception … What was read before the damage is
still reported." "Every packet of the input is accounted for."
"""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import frames
from support.frames import PCAP_HEADER, PCAP_RECORD, Packet
from support.places import SAMPLES
from support.rows import facts, row_dicts
from support.stories import IDLE, captures

import classifier
from classifier.errors import ExitStatus

#: For tests with three kinds of input, which share the examples.
THIRD = settings(max_examples=settings().max_examples // 3)


def read(data: bytes) -> classifier.Traffic:
    return classifier.read(io.BytesIO(data), **IDLE)


def adds_up(traffic: classifier.Traffic) -> bool:
    """Every packet is in a flow or in a count; also asks for all tables, so that all stages have run."""
    counts = dict(traffic.accounting)
    packets, in_flows = counts.pop("packets"), counts["in_flows"]
    moved = sum(row["client_packets"] + row["server_packets"] for row in row_dicts(traffic))
    for table in ("services", "servers", "clients", "attempts"):
        getattr(traffic.totals, table)()
    return packets == sum(counts.values()) and in_flows == moved


@given(captures(), st.data())
def test_a_cut_pcap_keeps_every_whole_packet(packets: list[Packet], data: st.DataObject) -> None:
    whole = frames.pcap(packets)
    cut = data.draw(st.integers(0, len(whole)), label="cut")
    ends = [PCAP_HEADER]
    for packet in packets:
        ends.append(ends[-1] + PCAP_RECORD + len(packet.data))
    if cut < PCAP_HEADER:
        with pytest.raises(classifier.CaptureError):
            read(whole[:cut])
        return
    kept = sum(end <= cut for end in ends[1:])
    traffic = read(whole[:cut])
    assert traffic.accounting["packets"] == kept
    assert facts(traffic) == facts(read(frames.pcap(packets[:kept])))
    if cut in ends:
        assert not traffic.problems
    else:
        (problem,) = traffic.problems
        assert (problem.status, traffic.status) == (ExitStatus.PARTIAL, ExitStatus.PARTIAL)
        assert problem.offset is not None and ends[kept] <= problem.offset <= cut


@given(captures(), st.data())
def test_a_cut_pcapng_keeps_every_whole_packet(packets: list[Packet], data: st.DataObject) -> None:
    whole = frames.pcapng(packets)
    cut = data.draw(st.integers(0, len(whole)), label="cut")
    ends = [len(frames.pcapng(packets[:count])) for count in range(len(packets) + 1)]
    section = 28
    if cut < section:
        with pytest.raises(classifier.CaptureError):
            read(whole[:cut])
        return
    kept = sum(end <= cut for end in ends[1:])
    traffic = read(whole[:cut])
    assert traffic.accounting["packets"] == kept
    assert facts(traffic) == facts(read(frames.pcapng(packets[:kept])))
    assert bool(traffic.problems) == (cut not in [section, *ends])


@pytest.mark.parametrize("ending", ["gz", "zst", "lz4"])
@THIRD
@given(st.data())
def test_a_cut_packed_capture_keeps_what_could_be_unpacked(ending: str, data: st.DataObject) -> None:
    packed = (SAMPLES / f"links/ethernet.pcap.{ending}").read_bytes()
    cut = data.draw(st.integers(0, len(packed) - 1), label="cut")
    try:
        traffic = read(packed[:cut])
    except classifier.CaptureError:
        return
    assert traffic.problems and adds_up(traffic)
    assert traffic.accounting["packets"] <= 12


def _damaged(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for place, value in changes:
        changed[place % len(changed)] = value
    return bytes(changed)


@pytest.mark.parametrize(
    "whole",
    [
        lambda packets: frames.pcap(packets),
        lambda packets: frames.pcapng(packets),
        lambda packets: gzip.compress(frames.pcap(packets), mtime=0),
    ],
    ids=["pcap", "pcapng", "gzip"],
)
@THIRD
@given(captures(), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_bytes(
    whole: Callable[[list[Packet]], bytes], packets: list[Packet], changes: list[tuple[int, int]]
) -> None:
    try:
        traffic = read(_damaged(whole(packets), changes))
    except classifier.CaptureError:
        return
    assert adds_up(traffic)


@pytest.mark.parametrize(
    "name", ["trouble/ipv6-extensions.pcap", "trouble/ipv4-options.pcap", "links/qinq.pcap"]
)
@THIRD
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=30))
def test_damaged_headers(name: str, changes: list[tuple[int, int]]) -> None:
    """Only behind the packets' record headers, so that all are read."""
    data = bytearray((SAMPLES / name).read_bytes())
    places = []
    at = PCAP_HEADER
    while at < len(data):
        size = int.from_bytes(data[at + 8 : at + 12], "little")
        places += range(at + PCAP_RECORD, at + PCAP_RECORD + size)
        at += PCAP_RECORD + size
    for place, value in changes:
        data[places[place % len(places)]] = value
    traffic = read(bytes(data))
    assert traffic.accounting["packets"] == 12
    assert adds_up(traffic)


MAGICS = [
    b"",
    frames.pcap([])[:4],
    frames.pcap([]),
    frames.pcap([])[:20] + b"\1\0\0\0",
    b"\xa1\xb2\xc3\xd4",
    frames.pcapng([])[:28],
    frames.pcapng([]),
    b"\x0a\x0d\x0d\x0a",
    b"\x1f\x8b\x08\x00",
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
]


@given(st.sampled_from(MAGICS), st.binary(max_size=300))
@example(b"", b"")
@example(b"", bz2.compress(b"not unpacked"))
def test_random_bytes(magic: bytes, rest: bytes) -> None:
    try:
        traffic = read(magic + rest)
    except classifier.CaptureError as error:
        assert error.file == "stream" and error.message
        return
    assert adds_up(traffic)


@given(
    st.lists(st.binary(max_size=120), min_size=1, max_size=5),
    st.sampled_from([0, 1, 101, 108, 113, 228, 229, 276]),
)
def test_random_packets(datas: list[bytes], link_type: int) -> None:
    traffic = read(frames.pcap([Packet(frames.START_NS, data) for data in datas], link_type))
    assert not traffic.problems
    assert traffic.accounting["packets"] == len(datas)
    assert adds_up(traffic)
