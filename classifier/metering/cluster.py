"""Meter inputs on a Dask cluster: map and stitch.

    map      one input per task, on a worker that can read it: its flow facts stay there
    stitch   a tree: pieces adjacent in time are joined, and only flows that a later piece could change go on
             to the next level
    here     the stitched flows arrive in a spool, and are judged as usual

Dask repeats the work of a worker that died on another one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier import signatures
from classifier.errors import CaptureError, ClassifierError, ExitStatus, MissingExtraError
from classifier.flows.incremental_stitch import AFTER_ALL, BEFORE_ALL, join, settled
from classifier.flows.spool import Spool
from classifier.flows.stitch import Captures
from classifier.metering.files import Progress, ProgressCallback, meter_input
from classifier.metering.metered import Metered
from classifier.metering.options import MeterOptions
from classifier.sources import path_kinds
from classifier.sources.inputs import Input

#: Pieces joined at a time.
FAN_IN = 8
#: Retries of a failed task.
RETRIES = 2
#: Rows of a batch in the spool.
_BATCH_ROWS = 1 << 15
_CONNECT_S = 30
_NO_ROWS = pa.table({})


def meter(
    inputs: list[Input],
    options: MeterOptions,
    scheduler: str,
    metered: Metered,
    report: ProgressCallback | None = None,
) -> None:
    """Meter all inputs on the cluster of a scheduler, `tcp://host:8786`, into `metered`.

    CaptureError: none could be read, or one is an open stream. ClassifierError: the scheduler doesn't answer.
    KeyboardInterrupt is raised again once everything metered so far is in.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError("--scheduler", "cluster") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # errors are reported by this module
    for one in inputs:
        if one.waits or not isinstance(one.file, str):
            message = "an open stream can't be read by a cluster; give files or URLs"
            raise CaptureError(one.name, message, status=ExitStatus.USAGE)
    try:
        client: Any = Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClassifierError(
            f"{scheduler}: no Dask scheduler answers ({error}); check the address"
        ) from None

    def submit(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return client.submit(function, *args, **named, pure=False, retries=RETRIES)

    with client:
        ready: list[tuple[int, Metered, Any]] = []
        interrupted = False
        try:
            for each in _map(client, submit, [_absolute(one) for one in inputs], options, metered, report):
                ready.append(each)
        except KeyboardInterrupt:
            interrupted = True
        gather(ready, submit, options, metered)
    if interrupted:
        raise KeyboardInterrupt
    if metered.problems and not metered.captures:
        raise metered.problems[0]


def _absolute(found: Input) -> Input:
    """Return an input with an absolute path, which is valid in any worker's working directory."""
    path = str(found.file)
    return found if path_kinds.is_url(path) else replace(found, file=os.path.abspath(path))


def map_input(found: Input, options: MeterOptions, like: Metered) -> tuple[Metered, pa.Table]:
    """Meter an input, on a worker; return its counters and its rows."""
    metered = like.another(1 << 62)
    meter_input(found, options, signatures.compiled().signatures, metered, lambda *_: None)
    rows = pa.Table.from_batches(list(metered.spool)) if metered.spool.rows else _NO_ROWS
    return replace(metered, spool=Spool()), rows


#: Submits a function and its arguments; returns a future, which may be an argument of another call.
Submit = Callable[..., Any]
#: Complete rows, incomplete rows, and groups of captures that may have the same packets.
_Joined = tuple[pa.Table, pa.Table, set[tuple[int, ...]]]


def begin(rows: pa.Table, offset: int, **where: int) -> _Joined:
    """Stitch the rows of one input, whose capture numbers are raised by `offset`; see `proceed`."""
    if not rows.num_rows:
        return proceed([], **where)
    number = pa.array(rows["capture"].to_numpy() + np.int32(offset), pa.int32())
    alone = pa.ListArray.from_arrays(np.arange(rows.num_rows + 1, dtype=np.int32), number)
    place = rows.schema.get_field_index("capture")
    return proceed([rows.set_column(place, "capture", alone)], **where)


def proceed(
    pieces: list[pa.Table], *, before_ns: int, after_ns: int, tcp_idle_ns: int, udp_idle_ns: int
) -> _Joined:
    """Stitch pieces in time order, on a worker.

    All other pieces end at `before_ns` or begin at `after_ns`.
    """
    pieces = [rows for rows in pieces if rows.num_rows]
    if not pieces:
        return _NO_ROWS, _NO_ROWS, set()
    rows, twice = join(pa.concat_tables(pieces), tcp_idle_ns=tcp_idle_ns, udp_idle_ns=udp_idle_ns)
    complete = settled(rows, before_ns, after_ns, max(tcp_idle_ns, udp_idle_ns))
    return rows.filter(pa.array(complete)), rows.filter(pa.array(~complete)), twice


@dataclass
class Leaf:
    """A metered input."""

    #: Times of its first and its last packet.
    span_ns: tuple[int, int]
    rows: Any
    #: Added to the numbers of its captures.
    offset: int


def tree(leaves: list[Leaf], submit: Submit, **idle: int) -> list[tuple[Any, Any]]:
    """Stitch neighbours, level by level; return each node's complete rows, and captures seen twice."""
    leaves = sorted(leaves, key=lambda leaf: leaf.span_ns[0])
    begins_ns = [leaf.span_ns[0] for leaf in leaves]
    ends_ns = list(accumulate((leaf.span_ns[1] for leaf in leaves), max))
    results = []

    def node(first: int, end: int, what: Callable[..., _Joined], *args: Any) -> tuple[int, int, Any]:
        """Stitch the leaves `first` to `end`; return these and the incomplete rows."""
        before_ns = ends_ns[first - 1] if first else BEFORE_ALL
        after_ns = begins_ns[end] if end < len(leaves) else AFTER_ALL
        joined = submit(what, *args, before_ns=before_ns, after_ns=after_ns, **idle)
        complete, incomplete, twice = (submit(itemgetter(place), joined) for place in range(3))
        results.append((complete, twice))
        return first, end, incomplete

    level = [node(number, number + 1, begin, leaf.rows, leaf.offset) for number, leaf in enumerate(leaves)]
    while len(level) > 1:
        groups = [level[at : at + FAN_IN] for at in range(0, len(level), FAN_IN)]
        level = [node(group[0][0], group[-1][1], proceed, [rows for *_, rows in group]) for group in groups]
    return results


def _map(
    client: Any,
    submit: Submit,
    inputs: list[Input],
    options: MeterOptions,
    like: Metered,
    report: ProgressCallback | None,
) -> Iterator[tuple[int, Metered, Any]]:
    """Meter all inputs; yield each one's number, counters and rows when it is ready."""
    from distributed import as_completed

    pairs = [submit(map_input, one, options, like.another(0)) for one in inputs]
    heads = [submit(itemgetter(0), pair) for pair in pairs]
    rows = [submit(itemgetter(1), pair) for pair in pairs]
    number_of = {head.key: number for number, head in enumerate(heads)}
    progress = Progress.of(inputs)
    try:
        for head in as_completed(heads, loop=client.loop):
            number = number_of.pop(head.key)
            found, error = inputs[number], head.exception()
            known = _failed(found, error, like) if error else head.result()
            yield number, known, rows[number]
            progress.name = found.name
            progress.inputs_done += 1
            progress.bytes_read += found.size_bytes or 0
            progress.packets += known.counters.packets
            if report:
                report(progress)
    finally:  # when interrupted: cancel what hasn't started
        left = number_of.values()
        client.cancel([future for number in left for future in (pairs[number], heads[number], rows[number])])


def gather(
    ready: list[tuple[int, Metered, Any]], submit: Submit, options: MeterOptions, metered: Metered
) -> None:
    """Join the rows of inputs that have been metered, and put everything into `metered`.

    `ready` has the number, the counters and a future of the rows of each input; it is empty afterwards.
    """
    leaves = []
    for _, known, rows in sorted(ready, key=itemgetter(0)):
        if known.counters.span_ns:
            leaves.append(Leaf(known.counters.span_ns, rows, len(metered.captures)))
        metered.merge(known)
    results = tree(leaves, submit, tcp_idle_ns=options.tcp_idle_ns, udp_idle_ns=options.udp_idle_ns)
    # Workers free results that have no reference here as soon as no task needs them.
    ready.clear()
    leaves.clear()
    captures = Captures(metered.captures, metered.begins_ns, metered.seen_twice)
    while results:
        complete, twice = results.pop(0)
        try:
            table, seen = complete.result(), twice.result()
        except Exception as error:  # raised by a worker, or by its loss
            raise ClassifierError(f"stitching on the cluster failed: {_reason(error)}") from error
        metered.seen_twice |= seen
        for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
            metered.spool.add(_numbered(batch, captures))
    metered.combinations = captures


def _numbered(rows: pa.RecordBatch, captures: Captures) -> pa.RecordBatch:
    """Replace each row's list of captures by the index of their name."""
    place = rows.schema.get_field_index("capture")
    found = rows["capture"]
    number = pc.list_element(found, 0).to_numpy().copy()
    for row in np.flatnonzero(found.value_lengths().to_numpy() > 1):
        number[row] = captures.together(found[int(row)].as_py())
    return rows.set_column(place, "capture", pa.array(number, pa.int32()))


def _failed(found: Input, error: BaseException, like: Metered) -> Metered:
    message = f"no worker could read it ({_reason(error)}); check that workers can access it"
    metered = like.another(0)
    metered.problems.append(CaptureError(found.name, message, status=ExitStatus.NO_INPUT))
    return metered


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
