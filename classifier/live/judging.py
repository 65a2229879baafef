"""The ordinary stages over what a live capture has metered."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import pyarrow as pa

from classifier.pipeline import Judge
from classifier.roles.directory import no_entries
from classifier.services.rules import Rules
from classifier.traffic.metered import Metered


class JudgeOnce(Judge):
    """Judges, and keeps what it has judged: for a window, which is looked at several times."""

    def __call__(self) -> Iterator[pa.RecordBatch]:
        """Yield the flows batch by batch."""
        return iter(self.judged)

    @cached_property
    def judged(self) -> list[pa.RecordBatch]:
        """The flows, judged."""
        return list(super().__call__())


def judge(metered: Metered, rules: Rules, decapsulate: bool) -> Judge:
    """Return what judges flows by all evidence that they hold themselves."""
    return Judge(metered, rules, no_entries(), decapsulate=decapsulate)


def judge_once(metered: Metered, rules: Rules, decapsulate: bool) -> JudgeOnce:
    """Return what judges the flows of a window."""
    return JudgeOnce(metered, rules, no_entries(), decapsulate=decapsulate)
