"""Meter inputs, in parallel on all cores or one on several, and merge their facts and counters.

Each input has its own `Metered`; they are merged in the order of the inputs, so that the result doesn't
depend on which is ready first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from threading import Event

from classifier import _meter
from classifier.errors import CaptureError, ExitStatus
from classifier.flows.spool import MEMORY_BYTES
from classifier.metering.counters import Counters
from classifier.metering.metered import Metered
from classifier.metering.options import MeterOptions
from classifier.sources import path_kinds
from classifier.sources.inputs import Input, problem

#: Inputs in flight per core: being metered, or waiting to be merged.
_AHEAD = 4
#: Seconds between progress updates.
_LOOK_S = 0.1


@dataclass
class Progress:
    """Progress of reading."""

    #: The input being read.
    name: str = ""
    inputs: int = 0
    inputs_done: int = 0
    bytes_read: int = 0
    #: Size of all inputs; None where one is unknown.
    size_bytes: int | None = None
    packets: int = 0

    @staticmethod
    def of(inputs: list[Input]) -> Progress:
        """Return the progress before any input was read."""
        sizes = [one.size_bytes for one in inputs]
        size_bytes = None if None in sizes else sum(size for size in sizes if size)
        return Progress(inputs=len(inputs), size_bytes=size_bytes)


#: Called with the progress, in the thread that called `read`.
ProgressCallback = Callable[[Progress], None]
#: Called with the bytes and packets read of an input, after each step. KeyboardInterrupt ends the reading.
Step = Callable[[int, int], None]


def meter_input(
    found: Input, options: MeterOptions, signatures: _meter.Signatures, metered: Metered, step: Step
) -> None:
    """Meter one input into an empty `metered`; unreadable captures are listed in its `problems`.

    KeyboardInterrupt is raised again once the flows read so far are in.
    """
    try:
        for capture in _captures(found, metered.remarks):
            try:
                reader = capture.open(options, signatures)
            except KeyboardInterrupt:
                if capture.is_open:  # it has returned no data yet
                    metered.captures.append(capture.name)
                    metered.begins_ns.append(0)
                raise
            except CaptureError as error:
                metered.problems.append(error)
            else:
                _read(capture, reader, metered, step)
    except CaptureError as error:  # from an archive
        metered.problems.append(error)


def _captures(found: Input, remarks: list[str]) -> Iterator[Input]:
    """Yield an input, or the members of an archive, each to be read before the next is requested."""
    if isinstance(found.file, str) and path_kinds.is_archive(found.file):
        from classifier.sources.archives import members

        yield from members(found, remarks)
    else:
        yield found


def _read(capture: Input, reader: _meter.Reader, metered: Metered, step: Step) -> None:
    packets_before = metered.counters.packets
    trouble = None
    metered.captures.append(capture.name)
    try:
        for batch in reader:
            metered.add(batch)
            place = reader.bytes_read if capture.begins_at is None else capture.begins_at
            step(place, packets_before + reader.packets)
        trouble = capture.trouble()
    except KeyboardInterrupt:
        reader.stop()
        for batch in reader:
            metered.add(batch)
        raise
    finally:
        error = CaptureError(capture.name, trouble, status=ExitStatus.PARTIAL) if trouble else None
        if reader.problem and not error:
            error = problem(capture.name, reader.problem)
        metered.close(Counters(**reader.counters), error, reader.dns_names, reader.remnants)
        capture.close()


@dataclass
class _Job:
    """An input and its progress."""

    input: Input
    metered: Metered
    bytes_read: int = 0
    packets: int = 0
    #: None for an input that may block: the main thread reads it in its turn.
    future: Future[None] | None = None


@dataclass
class Metering:
    """The metering of several inputs, started by `run`."""

    options: MeterOptions
    signatures: _meter.Signatures
    jobs: int
    report: ProgressCallback | None = None
    _stop: Event = field(default_factory=Event)
    _done: Progress = field(default_factory=Progress)
    _ahead: deque[_Job] = field(default_factory=deque)

    def run(self, inputs: list[Input], metered: Metered) -> None:
        """Meter all inputs into `metered`.

        CaptureError: none could be read. KeyboardInterrupt is raised again once everything read is in.
        """
        self._done = Progress.of(inputs)
        self.options = replace(self.options, threads=max(1, self.jobs // len(inputs)))
        if len(inputs) == 1:  # nothing to merge
            self._ahead.append(_Job(inputs[0], metered))
            self._wait(self._ahead[0])
        else:
            self._all(inputs, metered)
        if metered.problems and not metered.captures:
            raise metered.problems[0]

    def _all(self, inputs: list[Input], metered: Metered) -> None:
        most_ahead = self.jobs * _AHEAD if self.jobs > 1 else 1
        rest = iter(inputs)
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                while True:
                    for found in islice(rest, most_ahead - len(self._ahead)):
                        job = _Job(found, metered.another(MEMORY_BYTES // most_ahead))
                        if self.jobs > 1 and not found.waits:
                            job.future = pool.submit(self._there, job)
                        self._ahead.append(job)
                    if not self._ahead:
                        return
                    self._wait(self._ahead[0])
                    self._add(metered)
                    self._look()
            except KeyboardInterrupt:
                self._end(pool)
                while self._ahead:
                    self._add(metered)
                raise
            except BaseException:
                self._end(pool)
                raise

    def _end(self, pool: ThreadPoolExecutor) -> None:
        """Wait for the threads, without reading more."""
        self._stop.set()
        pool.shutdown(cancel_futures=True)

    def _add(self, metered: Metered) -> None:
        """Merge the first of the inputs in flight."""
        job = self._ahead.popleft()
        metered.merge(job.metered)
        self._done.name = job.input.name
        self._done.inputs_done += 1
        self._done.bytes_read += job.input.size_bytes or 0
        self._done.packets += job.metered.counters.packets

    def _wait(self, job: _Job) -> None:
        """Wait until an input has been read."""
        if job.future is None:
            self._here(job)
            return
        while wait([job.future], _LOOK_S).not_done:
            self._look()
        job.future.result()

    def _here(self, job: _Job) -> None:
        """Meter an input in this thread."""

        def step(bytes_read: int, packets: int) -> None:
            job.bytes_read, job.packets = bytes_read, packets
            self._look()

        meter_input(job.input, self.options, self.signatures, job.metered, step)

    def _there(self, job: _Job) -> None:
        """Meter an input in a thread of the pool."""

        def step(bytes_read: int, packets: int) -> None:
            job.bytes_read, job.packets = bytes_read, packets
            if self._stop.is_set():
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            meter_input(job.input, self.options, self.signatures, job.metered, step)

    def _look(self) -> None:
        """Report the progress."""
        if self.report:
            self.report(
                replace(
                    self._done,
                    name=self._ahead[0].input.name if self._ahead else self._done.name,
                    bytes_read=self._done.bytes_read + sum(job.bytes_read for job in self._ahead),
                    packets=self._done.packets + sum(job.packets for job in self._ahead),
                )
            )
