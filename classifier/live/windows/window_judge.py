"""The ordinary stages over a window, with what earlier windows have shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from classifier import roles
from classifier.live.windows.known_servers import Earlier
from classifier.metering.metered import Metered
from classifier.pipeline import Judge, Result
from classifier.ports.rules import Rules
from classifier.roles.directory import no_entries
from classifier.traffic.judged import Judged


class JudgeWindow(Judge):
    """Judges the flows of a window, which are looked at several times: each is read and judged once."""

    def __init__(self, metered: Metered, rules: Rules, earlier: Earlier, *, decapsulate: bool) -> None:
        """Take the facts of the window, and what is known of earlier ones when it is judged."""
        super().__init__(metered, rules, no_entries(), decapsulate=decapsulate)
        self._earlier = earlier

    def each(self, function: Callable[[Judged], Result], *, bins: bool = False) -> Iterator[Result]:
        """Yield what a function makes of each batch of the flows."""
        return map(function, self.judged)

    @cached_property
    def judged(self) -> list[Judged]:
        """The flows, judged."""
        return list(map(self._judged, self._ends))

    def looked_at(self, function: Callable[[roles.Ends], Result]) -> Iterator[Result]:
        """Yield what a function makes of each batch of flows, with what each shows by itself."""
        return map(function, self._ends)

    @cached_property
    def _ends(self) -> list[roles.Ends]:
        return list(map(self.ends, self.stitched()))

    @cached_property
    def context(self) -> roles.Context:
        """What all flows of the window together, and earlier ones, say about each."""
        # The window's own servers may be among them; where times overlap, flows don't count twice.
        self._known = self._earlier.servers
        context = super().context
        for facts in self._earlier.announcing:
            roles.note_announced(context.announced, facts)
        return context
