"""A batch of judged flows, whose columns are computed on first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pyarrow as pa


class Judged:
    """The facts of n flows and the verdicts of all stages, as columns.

    No table needs all of them: lists of evidence and candidates are computed only for tables that show them.
    """

    def __init__(self, num_rows: int, makers: Mapping[str, Callable[[], Any]]) -> None:
        """`makers` compute the columns; columns whose names begin with _ are not Arrow arrays."""
        self.num_rows = num_rows
        self._makers = makers
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Return a column (n)."""
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def filter(self, wanted: pa.Array) -> Judged:
        """Return some of the flows."""
        makers = {name: partial(self._some, name, wanted) for name in self._makers}
        return Judged(wanted.true_count, makers)

    def batch(self) -> pa.RecordBatch:
        """Return all columns."""
        return pa.RecordBatch.from_pydict({name: self[name] for name in self._makers if name[0] != "_"})

    def _some(self, name: str, wanted: pa.Array) -> Any:
        return self[name].filter(wanted)
