"""Sketches: bounded, independent of order, and right as long as they aren't full."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from classifier.flows.hashing import mixed
from classifier.roles.bitmaps import PLACES, Bitmaps

entries = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 63)), max_size=60)


def filled(pairs: list[tuple[int, int]]) -> Bitmaps:
    maps = Bitmaps()
    keys, numbers = np.array(pairs, dtype=np.uint64).reshape(-1, 2).T
    maps.add(mixed([keys]), numbers)
    return maps


@given(entries)
def test_what_is_put_in_is_in(pairs: list[tuple[int, int]]) -> None:
    found = filled(pairs).sets(mixed([np.arange(41, dtype=np.uint64)]))
    assert {
        (key, bit) for key, bits in enumerate(found.tolist()) for bit in range(64) if bits >> bit & 1
    } == set(pairs)


@given(entries.flatmap(lambda pairs: st.tuples(st.just(pairs), st.permutations(pairs))))
def test_order_does_not_matter(both: tuple[list[tuple[int, int]], list[tuple[int, int]]]) -> None:
    keys = mixed([np.arange(41, dtype=np.uint64)])
    assert filled(both[0]).sets(keys).tolist() == filled(both[1]).sets(keys).tolist()


def test_half_a_million_keys_hardly_disturb_each_other() -> None:
    keys = mixed([np.arange(500_000, dtype=np.uint64)])
    maps = Bitmaps()
    maps.add(keys, keys >> np.uint64(58))
    assert np.bitwise_count(maps.sets(keys)).mean() < 1.05
    assert len(keys) < PLACES
