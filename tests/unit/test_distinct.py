"""Distinct rows, each worked out once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.flows import distinct
from classifier.flows.distinct import Remembered

rows = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), unique=True)


def digits(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """Columns of one value, and of two."""
    return a * 10 + b, np.stack([a, b])


@given(st.lists(rows))
def test_each_row_is_worked_out_once_whatever_else_is_asked(asked: list[list[tuple[int, int]]]) -> None:
    worked_out: list[tuple[int, int]] = []

    def counting(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
        worked_out.extend(zip(a.tolist(), b.tolist(), strict=True))
        return digits(a, b)

    remembered = Remembered(counting)
    for batch in asked:
        columns = [np.array([row[place] for row in batch], dtype=np.int64) for place in (0, 1)]
        for found, expected in zip(remembered(*columns), digits(*columns), strict=True):
            assert found.tolist() == expected.tolist()
    assert len(worked_out) == len(set(worked_out))


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "MAX_REMEMBERED", 5)
    remembered = Remembered(digits)
    for first in range(20):
        a = np.arange(first, first + 3)
        assert remembered(a, a)[0].tolist() == (a * 11).tolist()
        assert len(remembered._place) <= 5
