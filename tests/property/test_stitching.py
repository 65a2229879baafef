"""The law of stitching, through the public door.

DESIGN: "stitch(meter(p₁) … meter(pₙ)) = meter(C), as a set of rows, without `capture`. Where time never
runs back and each cut lies between two different timestamps, the pieces may come in any order."
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP
from scapy.utils import PcapReader
from support import frames
from support.frames import START_NS, End, Packet, tcp
from support.places import SAMPLES
from support.rows import facts
from support.stories import IDLE, cut_captures

import classifier


def read(*pieces: Sequence[Packet]) -> list[Any]:
    rows = facts(classifier.read([io.BytesIO(frames.pcap(piece)) for piece in pieces], **IDLE))
    # The law excludes duplicates astride a cut.
    return [[pair for pair in row if pair[0] != "duplicate_packets"] for row in rows]


@given(cut_captures())
def test_pieces_in_the_order_of_the_capture_give_the_whole(pieces: list[list[Packet]]) -> None:
    packets = list(chain(*pieces))
    whole = read(packets)
    assert read([], *pieces, []) == whole, "in pieces, of which two are empty"
    assert read(*([packet] for packet in packets)) == whole, "in a piece for each packet"


@given(
    cut_captures(between_times=True).flatmap(
        lambda pieces: st.tuples(st.just(pieces), st.permutations(pieces))
    )
)
def test_pieces_may_come_in_any_order(both: tuple[list[list[Packet]], list[list[Packet]]]) -> None:
    pieces, shuffled = both
    assert read(*shuffled) == read(list(chain(*pieces)))


CALLER, LISTENER = End("10.0.0.1", 40_000), End("10.0.0.2", 80)


def told(*segments: bytes) -> list[Packet]:
    """One packet each nanosecond."""
    return [Packet(START_NS + n, segment) for n, segment in enumerate(segments)]


#: The law's exceptions. A number that isn't known yet agrees with any, so that joining segments one by one
#: can't come out the same for every cut where both ends send SYN+ACKs, or one end SYN and SYN+ACK.
ODD = "segments that no connection has: a SYN+ACK from both ends, or SYN and SYN+ACK from one"


@pytest.mark.parametrize(
    ("cut", "segments"),
    [
        pytest.param(
            1,
            [
                tcp(CALLER, LISTENER, "S", seq=5000),
                tcp(LISTENER, CALLER, "SA", seq=0, ack=5001),
                tcp(CALLER, LISTENER, "S", seq=100),
            ],
            id="a new SYN's number is just below the one that was acknowledged",
        ),
        pytest.param(
            1,
            [
                tcp(LISTENER, CALLER, "SA", seq=0, ack=0),
                tcp(CALLER, LISTENER, "SA", seq=0, ack=1),
                tcp(LISTENER, CALLER, "SA", seq=0, ack=1),
            ],
            id="both ends answer, one of them something else before",
            marks=pytest.mark.xfail(strict=True, reason=ODD),
        ),
        pytest.param(
            2,
            [
                tcp(CALLER, LISTENER, "S", seq=0),
                tcp(CALLER, LISTENER, "RA", seq=0),
                tcp(LISTENER, CALLER, "SA", seq=0, ack=1),
                tcp(LISTENER, CALLER, "S", seq=0),
            ],
            id="an end answers, and then calls with the same number",
            marks=pytest.mark.xfail(strict=True, reason=ODD),
        ),
    ],
)
def test_found_once(cut: int, segments: list[bytes]) -> None:
    """Pieces that were not joined as the whole was: examples that searches came upon."""
    packets = told(*segments)
    assert read(packets[:cut], packets[cut:]) == read(packets)


def test_the_second_piece_first() -> None:
    """What opens the flow is in the piece that comes last."""
    syn_ack, data = told(
        tcp(LISTENER, CALLER, "SA", seq=5000, ack=101),
        tcp(CALLER, LISTENER, "PA", seq=101, ack=5001, payload=b"question"),
    )
    assert read([data], [syn_ack]) == read([syn_ack, data])


@pytest.mark.parametrize("size", [1, 7, 50, 179])
def test_the_tables_are_those_of_the_whole(size: int) -> None:
    """The sums of all stories of samples/handshakes.pcap, in pieces of `size` packets.

    Except the ICMP error, which is evidence only for a flow in its own piece.
    """
    with PcapReader(str(SAMPLES / "handshakes.pcap")) as reader:
        told = [packet for packet in reader if ICMP not in packet]
    packets = [Packet(int(packet.time * 10**9), bytes(packet)) for packet in told]
    pieces = [packets[at : at + size] for at in range(0, len(packets), size)]
    cut, whole = (
        classifier.read([io.BytesIO(frames.pcap(piece, frames.ETHERNET)) for piece in some])
        for some in (pieces, [packets])
    )
    for table in ("services", "servers", "clients", "attempts"):
        rows = [getattr(traffic.totals, table)().to_pylist() for traffic in (cut, whole)]
        assert rows[0] == rows[1], table
    assert cut.accounting == whole.accounting
