"""Capture from interfaces and judge their traffic window by window, in the order of the pipeline."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pyarrow as pa

from classifier import payload
from classifier.flows.spool import Spool
from classifier.live.capture import engines
from classifier.live.capture.capture_source import CaptureOptions, CaptureSource, Source
from classifier.live.capture.privileges import drop_to
from classifier.live.output.notices import Notices
from classifier.live.windows.history import History, few_together
from classifier.live.windows.known_servers import KnownServers
from classifier.live.windows.window import Window, identities
from classifier.live.windows.window_judge import WindowJudge
from classifier.metering.counters import Counters
from classifier.metering.metered import Metered
from classifier.metering.options import SECOND_NS, MeterOptions
from classifier.pipeline import Judge
from classifier.ports.rules import Rules
from classifier.result import Traffic
from classifier.roles.directory import Entries, no_entries

if TYPE_CHECKING:
    from classifier._meter import Batch

#: Default snapshot length in bytes; a TLS ClientHello with post-quantum keys has 1,800.
SNAP_BYTES = 2048
#: Snapshot length where packets are saved: all bytes.
WHOLE_BYTES = 262_144
BUFFER_BYTES = 64 << 20
#: Ended flows that are judged once more at the end.
MOST_FLOWS_KEPT = 1_000_000
#: Seconds between checks of the sources.
_STEP_S = 0.05
#: Bytes of a window's facts held in memory; only a flood has more.
_WINDOW_BYTES = 256 << 20
_NONE = np.empty(0, np.uint64)


class LiveOptions(TypedDict, total=False):
    """The options of `LiveCapture`."""

    engine: str | None
    filter: str | None
    promiscuous: bool
    snap_bytes: int | None
    buffer_bytes: int
    keep: str | None
    tcp_idle_s: float
    udp_idle_s: float
    max_flows: int
    decapsulate: bool
    rules: Rules | str | os.PathLike[str] | None
    most_flows_kept: int
    user: str | None
    state: str | None
    settle_s: float


class LiveCapture:
    """A live capture; a context manager. `windows()` yields windows, `traffic()` returns all traffic."""

    def __init__(
        self,
        source: Source | Iterable[Source],
        *,
        window_s: float = 1.0,
        engine: str | None = None,
        filter: str | None = None,
        promiscuous: bool = False,
        snap_bytes: int | None = None,
        buffer_bytes: int = BUFFER_BYTES,
        keep: str | None = None,
        tcp_idle_s: float = 300,
        udp_idle_s: float = 120,
        max_flows: int = 250_000,
        decapsulate: bool = True,
        rules: Rules | str | os.PathLike[str] | None = None,
        most_flows_kept: int = MOST_FLOWS_KEPT,
        user: str | None = None,
        state: str | None = None,
        settle_s: float = 600.0,
    ) -> None:
        """Open the sources, drop privileges to `user` if one is named, and start reading.

        `source`: see `sniff`. `engine` is `socket`, `dumpcap` or `tcpdump`; by default the first one
        permitted. `filter` is a capture filter as in tcpdump. `snap_bytes` of each packet are captured, by
        default 2,048, or all if packets are saved to the pcapng file `keep`. `buffer_bytes` is the size of
        the kernel buffer. `tcp_idle_s` to `rules`: see `read`. The latest `most_flows_kept` ended flows are
        judged once more at the end; until then they are on disk. `state` is a file to which the progress in
        a followed folder and the open flows are saved; another watch resumes from it. The newest file of a
        folder is read once it hasn't grown for `settle_s` seconds.

        Raises CaptureError, CaptureFilterError, UserError, or RulesError.
        """
        meter_options = MeterOptions(
            tcp_idle_ns=int(tcp_idle_s * SECOND_NS),
            udp_idle_ns=int(udp_idle_s * SECOND_NS),
            max_flows=max_flows,
            decapsulate=decapsulate,
        )
        self._idle = meter_options.idle
        self.rules = rules if isinstance(rules, Rules) else Rules.load(rules)
        self.decapsulate = decapsulate
        self._window_s = window_s
        self._history = History(most_flows_kept)
        self._earlier = KnownServers()
        self._before: dict[CaptureSource, Counters] = {}
        self._stop = threading.Event()
        self._news = Notices()
        options = CaptureOptions(
            meter=meter_options,
            signatures=payload.load().compiled,
            filter=filter,
            promiscuous=promiscuous,
            snap_bytes=snap_bytes or (WHOLE_BYTES if keep else SNAP_BYTES),
            buffer_bytes=buffer_bytes,
            keep=keep,
            user=user,
            state=state,
            settle_s=settle_s,
        )
        self._sources = engines.open_sources(source, engine, options)
        self._start(user)

    def __enter__(self) -> LiveCapture:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def names(self) -> list[str]:
        """Names of the sources."""
        return [source.name for source in self._sources]

    @property
    def idle(self) -> dict[str, int]:
        """Idle timeouts: `tcp_idle_ns`, `udp_idle_ns`."""
        return self._idle

    @property
    def packets(self) -> int:
        """Packets metered so far."""
        return sum(source.counters.packets for source in self._sources)

    def stop(self) -> None:
        """End `windows()`; may be called from any thread."""
        self._stop.set()

    def windows(self, *, for_s: float | None = None, packets: int | None = None) -> Iterator[Window]:
        """Yield a window every `window_s` seconds; in the last one all active flows count as ended.

        Windows get longer where judging one takes more than half of its time. They end with the sources,
        after `stop()`, after `for_s` seconds, or once at least `packets` have been received.
        """
        began = time.monotonic()
        end_s = began + for_s if for_s is not None else math.inf
        while not self._wait(began + self._window_s, end_s, packets or math.inf):
            taken = time.monotonic()
            yield self._window(taken - began)
            began = max(taken, time.monotonic() - self._window_s / 2)
        yield self._window(time.monotonic() - began, last=True)

    def traffic(self) -> Traffic:
        """Return all traffic, judged with all evidence; complete after the last window.

        It has the latest `most_flows_kept` of the ended flows.
        """
        self._history.settle()
        metered = self._metered(self._history)
        going_on = [
            _of_source(batch, number)
            for number, source in enumerate(self._sources)
            for batch in source.going_on()
        ]
        if going_on:
            metered.spool = Spool()
            for batch in [*self._history, *going_on]:
                metered.spool.add(batch)
        for source in self._sources:
            metered.close(source.counters, source.trouble)
        # Without dropped flows all servers are proven again.
        known = self.servers if self.forgotten else no_entries()
        return Traffic(metered, Judge(metered, self.rules, known, decapsulate=self.decapsulate))

    @property
    def servers(self) -> Entries:
        """The servers proven so far; the most recently seen, if there are too many."""
        return self._earlier.servers

    @property
    def forgotten(self) -> int:
        """Ended flows that are too old to be in `traffic()`."""
        return self._history.forgotten

    def close(self) -> None:
        """Stop the capture."""
        for source in self._sources:
            for _ in source.finish():
                pass
            source.close()

    def _start(self, user: str | None) -> None:
        """Drop privileges, and start reading."""
        try:
            if user is not None:
                drop_to(user)
            for source in self._sources:
                source.start()
        except BaseException:
            self.close()
            raise

    def _wait(self, until_s: float, end_s: float, packets: float) -> bool:
        """Wait until a time or the end; return whether it is the end."""
        while not (
            self._stop.is_set()
            or time.monotonic() >= end_s
            or all(source.ended for source in self._sources)
            or self.packets >= packets
        ):
            left = until_s - time.monotonic()
            if left <= 0:
                return False
            self._stop.wait(min(left, _STEP_S))
        return True

    def _window(self, seconds: float, last: bool = False) -> Window:
        names = self.names
        facts, active = [], []
        for number, source in enumerate(self._sources):
            if not last:
                source.look_after()
            ended, touched = source.window()
            ended += source.finish() if last else []
            facts += [_of_source(batch, number) for batch in ended if batch.num_rows]
            active += (
                [_of_source(touched, number)] if touched is not None and touched.num_rows and not last else []
            )
        for batch in facts:
            self._history.add(batch)
        spool = Spool(_WINDOW_BYTES)
        for batch in few_together([*facts, *active]):
            spool.add(batch)
        metered = self._metered(spool)
        for source in self._sources:
            counters = source.counters
            metered.close(counters - self._before.get(source, Counters()))
            self._before[source] = counters
        judging = WindowJudge(metered, self.rules, self._earlier, decapsulate=self.decapsulate)
        going_on = np.concatenate([identities(batch) for batch in active] or [_NONE])
        ids, over = [_NONE], [np.empty(0, bool)]
        for ends in judging.looked_at(lambda ends: ends):
            ids.append(identities(ends.facts))
            over.append(~np.isin(ids[-1], going_on))
            self._earlier.take(ends, ids[-1], over[-1])
        return Window(
            time_ns=metered.end_ns,
            seconds=seconds,
            traffic=Traffic(metered, judging),
            judged=[judged.batch() for judged in judging.judged],
            ended=np.concatenate(over),
            ids=np.concatenate(ids),
            facts=facts,
            captures=names,
            active_flows=0 if last else sum(source.active_flows for source in self._sources),
            news=self._news.of(self._sources, self._history),
            last=last,
        )

    def _metered(self, spool: Spool) -> Metered:
        return Metered(idle=self._idle, spool=spool, captures=self.names)


def _of_source(batch: Batch, number: int) -> pa.RecordBatch:
    facts = pa.record_batch(batch)
    return facts.append_column("capture", pa.array(np.full(facts.num_rows, number, dtype=np.int32)))
