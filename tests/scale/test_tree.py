"""The tree in which a cluster joins pieces gives what is joined in one place."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import frames
from support.frames import Packet
from support.places import SAMPLES
from support.rotated import packets_of
from support.rows import facts
from support.stories import TCP_IDLE_S, UDP_IDLE_S, cut_captures

import classifier
from classifier.metering import cluster
from classifier.metering.metered import Metered
from classifier.metering.options import MeterOptions
from classifier.pipeline import Judge
from classifier.result import Traffic
from classifier.roles.directory import no_entries
from classifier.sources.inputs import Input

RULES = classifier.Rules.load()


class Here:
    """Stands for the result of a function that has been called at once."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def result(self) -> Any:
        return self._value


def submit(function: Any, *args: Any, **named: Any) -> Here:
    return Here(function(*map(resolved, args), **named))


def resolved(argument: Any) -> Any:
    if isinstance(argument, list):
        return [resolved(one) for one in argument]
    return argument.result() if isinstance(argument, Here) else argument


def options(idle_s: tuple[float, float]) -> MeterOptions:
    tcp_idle_ns, udp_idle_ns = (int(idle * 10**9) for idle in idle_s)
    return MeterOptions(tcp_idle_ns, udp_idle_ns, max_flows=1000)


def metered_apart(
    pieces: Sequence[Sequence[Packet]], idle_s: tuple[float, float], **how: Any
) -> tuple[Metered, list[tuple[int, Metered, Here]]]:
    """Meter each piece; returns what they are gathered into, and them."""
    chosen = options(idle_s)
    metered = Metered({"tcp_idle_ns": chosen.tcp_idle_ns, "udp_idle_ns": chosen.udp_idle_ns})
    ready = []
    for number, piece in enumerate(pieces):
        file = Input(str(number), io.BytesIO(frames.pcap(piece, **how)), None)
        known, rows = cluster.map_input(file, chosen, metered)
        ready.append((number, known, Here(rows)))
    return metered, ready


def on_a_cluster(pieces: Sequence[Sequence[Packet]], idle_s: tuple[float, float], **how: Any) -> Traffic:
    metered, ready = metered_apart(pieces, idle_s, **how)
    cluster.gather(ready, submit, options(idle_s), metered)
    return Traffic(metered, Judge(metered, RULES, no_entries(), decapsulate=True))


def here(pieces: Sequence[Sequence[Packet]], idle_s: tuple[float, float], **how: Any) -> Traffic:
    files = [io.BytesIO(frames.pcap(piece, **how)) for piece in pieces]
    for number, file in enumerate(files):
        file.name = str(number)
    return classifier.read(files, tcp_idle_s=idle_s[0], udp_idle_s=idle_s[1])


IDLE_S = TCP_IDLE_S, UDP_IDLE_S


# Half as many examples as elsewhere: each one is judged as a cluster does and as one machine does.
@settings(max_examples=settings().max_examples // 2)
@given(
    cut_captures(between_times=True).flatmap(lambda pieces: st.permutations(pieces)),
    st.integers(2, 8),
)
def test_pieces_in_any_order(pieces: list[list[Packet]], fan_in: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "FAN_IN", fan_in)
        joined = on_a_cluster(pieces, IDLE_S)
    expected = here(pieces, IDLE_S)
    assert facts(joined) == facts(expected)
    assert joined.accounting == expected.accounting


@pytest.mark.parametrize("idle_s", [0.2, 3.0, 300.0])
def test_all_columns_of_a_sample(idle_s: float) -> None:
    packets = packets_of(SAMPLES / "office.pcapng")
    pieces = [packets[at : at + 20] for at in range(0, len(packets), 20)]
    random.Random(2).shuffle(pieces)
    how = {"link_type": frames.ETHERNET}
    joined, expected = on_a_cluster(pieces, (idle_s, idle_s), **how), here(pieces, (idle_s, idle_s), **how)
    assert joined.to_arrow().to_pylist() == expected.to_arrow().to_pylist()
    assert joined.totals.services() == expected.totals.services()


def test_rows_that_nothing_can_change_stay_behind() -> None:
    """What goes on to the next level are the flows near the cuts, not all."""
    packets = packets_of(SAMPLES / "office.pcapng")
    going_on = []

    def noting(function: Any, *args: Any, **named: Any) -> Here:
        result = submit(function, *args, **named)
        if function is cluster.begin:
            complete, rest, _ = result.result()
            going_on.append((complete.num_rows, rest.num_rows))
        return result

    pieces = [packets[:400], packets[400:]]
    metered, ready = metered_apart(pieces, (0.1, 0.1), link_type=frames.ETHERNET)
    cluster.gather(ready, noting, options((0.1, 0.1)), metered)
    assert len(going_on) == 2
    assert all(complete > 3 * rest > 0 for complete, rest in going_on), going_on


def test_two_sensors_are_told() -> None:
    packets = packets_of(SAMPLES / "office.pcapng")
    how = {"link_type": frames.ETHERNET}
    (remark,) = on_a_cluster([packets, packets], (300, 300), **how).remarks
    assert (remark,) == tuple(here([packets, packets], (300, 300), **how).remarks)
