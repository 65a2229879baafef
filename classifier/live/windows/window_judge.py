"""The pipeline's stages over one window, with evidence from earlier windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from classifier import roles
from classifier.live.windows.known_servers import KnownServers
from classifier.metering.metered import Metered
from classifier.pipeline import Judge, Result
from classifier.ports.rules import Rules
from classifier.roles.directory import no_entries
from classifier.traffic.judged import Judged


class WindowJudge(Judge):
    """Judges the flows of a window once, for several users of the result."""

    #: A flow is counted as itself in each window: what continues after the idle time is another one.
    _past_idle = False

    def __init__(self, metered: Metered, rules: Rules, earlier: KnownServers, *, decapsulate: bool) -> None:
        super().__init__(metered, rules, no_entries(), decapsulate=decapsulate)
        self._earlier = earlier

    def each(self, function: Callable[[Judged], Result], *, bins: bool = False) -> Iterator[Result]:
        """Yield the result of a function for each batch of judged flows."""
        return map(function, self.judged)

    @cached_property
    def judged(self) -> list[Judged]:
        """The judged flows."""
        context = self.first_pass().context
        return [self._judged(ends, context) for ends in self._ends]

    def looked_at(self, function: Callable[[roles.FlowFeatures], Result]) -> Iterator[Result]:
        """Yield the result of a function for each batch of flows, with the features of each flow."""
        return map(function, self._ends)

    @cached_property
    def _ends(self) -> list[roles.FlowFeatures]:
        return list(map(self.ends, self.stitched()))

    @cached_property
    def context(self) -> roles.Context:
        """The evidence that other flows of this window and of earlier ones give."""
        # Earlier servers may include this window's; flows that overlap in time aren't counted twice.
        self._known = self._earlier.servers
        context = super().context
        for facts in self._earlier.announcing:
            roles.note_announced(context.announced, facts)
        return context
