"""Rows of one flow that were metered apart, joined part by part and piece by piece as all at once."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.packet import Raw
from support.frames import START_NS, End, Packet, pcap, tcp
from support.rows import row_dicts

import classifier
from classifier import _meter
from classifier.flows import stitch

CALLER, LISTENER = End("10.0.0.1", 40_000), End("10.0.0.2", 80)
SECOND_NS = 1_000_000_000


def calls(count: int, callers: int) -> list[Packet]:
    """Connections over some ports of the caller, each answered, with initial numbers of their own."""
    packets = []
    for number in range(count):
        caller = CALLER._replace(port=CALLER.port + number % callers)
        begin_ns = START_NS + number * SECOND_NS
        isn = 1_000_000 * number
        packets += [
            Packet(begin_ns, tcp(caller, LISTENER, "S", seq=isn)),
            Packet(begin_ns + 1, tcp(LISTENER, caller, "SA", seq=7, ack=isn + 1)),
            Packet(begin_ns + 2, tcp(caller, LISTENER, "PA", seq=isn + 1, ack=8, payload=b"question")),
        ]
    return packets


def read(pieces: list[list[Packet]], **options: Any) -> list[dict[str, Any]]:
    files = [named(piece, f"piece-{number}") for number, piece in enumerate(pieces)]
    return row_dicts(classifier.read(files, **options))


def named(packets: list[Packet], name: str) -> io.BytesIO:
    file = io.BytesIO(pcap(packets))
    file.name = name
    return file


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes parts and pieces of a few rows."""

    def make() -> None:
        monkeypatch.setattr(stitch, "PART_ROWS", 20)
        monkeypatch.setattr(stitch, "OPEN_ROWS", 5)

    return make


@pytest.mark.parametrize("callers", [1, 3, 40])
@pytest.mark.parametrize("size", [1, 2, 50, 10_000], ids="files of {} packets".format)
def test_all_at_once_and_in_pieces(callers: int, size: int, small: Callable[[], None]) -> None:
    packets = calls(40, callers)
    pieces = [packets[at : at + size] for at in range(0, len(packets), size)]
    expected = read(pieces)
    assert len(expected) == 40
    assert all(row["client_packets"] == 2 and row["history"] == "ShD" for row in expected)
    small()
    assert read(pieces) == expected
    backwards = [{**row, "capture": None} for row in read(pieces[::-1])]
    assert backwards == [{**row, "capture": None} for row in expected]


def test_flows_that_end_early_are_joined_in_pieces(small: Callable[[], None]) -> None:
    packets = calls(60, 2)
    small()
    rows = read([packets], max_flows=1)
    assert len(rows) == 60
    assert sum(row["client_packets"] + row["server_packets"] for row in rows) == 180


def test_a_flow_across_many_files_names_each_once(small: Callable[[], None]) -> None:
    segments = [
        Packet(START_NS + number, tcp(CALLER, LISTENER, "A", seq=number, ack=8)) for number in range(70)
    ]
    small()
    (row,) = read([[segment] for segment in segments])
    assert row["capture"] == "|".join(f"piece-{number}" for number in range(70))
    assert row["client_packets"] == 70


def test_flows_of_many_keys_wait_in_few_files(
    small: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may open about a thousand."""
    packets = calls(60, 60)
    pieces = [packets[at::3] for at in range(3)]
    expected = read(pieces)
    opened = []

    def counted(**options: Any) -> Any:
        opened.append(options)
        return temporary(**options)

    temporary = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", counted)
    monkeypatch.setattr(stitch, "PART_ROWS", 4)
    assert read(pieces, memory_bytes=0) == expected
    assert 0 < len(opened) < 12, "the sums have some, too"


def test_rows_are_joined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often they are looked through."""
    packets = calls(5, 5)
    calls_of: list[int] = []

    def counted(rows: Any, **how: Any) -> Any:
        calls_of.append(rows.num_rows)
        return core(rows, **how)

    core = _meter.stitch
    monkeypatch.setattr(_meter, "stitch", counted)
    traffic = classifier.read([named(packets[:7], "one"), named(packets[7:], "two")])
    assert traffic.to_arrow().num_rows == traffic.to_arrow().num_rows == 5
    assert calls_of == [2], "the two rows of the flow that was cut"


@pytest.mark.parametrize("reverse", [False, True])
def test_fragments_astride_a_cut_find_their_flow(reverse: bool) -> None:
    """Cut at each place, and at all: rows and accounting are those of the whole."""
    packets = []
    for number in range(3):
        datagram = IP(src=CALLER.ip, dst=LISTENER.ip, id=number + 1) / UDP(sport=4_000, dport=5_000 + number)
        fragments = fragment(datagram / Raw(bytes(3_000)), 600)  # type: ignore[no-untyped-call]
        parts = [bytes(part) for part in fragments]
        packets += parts[::-1] if reverse else parts
    told = [Packet(START_NS + place, data) for place, data in enumerate(packets)]
    whole = classifier.read(named(told, "whole"))
    assert whole.accounting["in_flows"] == len(told)
    rows = _rows(whole)
    for cut in range(1, len(told)):
        pieces = classifier.read([named(told[:cut], "one"), named(told[cut:], "two")])
        assert (_rows(pieces), pieces.accounting) == (rows, whole.accounting), cut
    single = classifier.read([named([packet], str(place)) for place, packet in enumerate(told)])
    assert (_rows(single), single.accounting) == (rows, whole.accounting)


def _rows(traffic: classifier.Traffic) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "capture"} for row in row_dicts(traffic)]
