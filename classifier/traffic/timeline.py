"""The traffic over time: packets and bytes per service and bin.

The meter keeps each flow's traffic in bins of its own. Where they are no wider than the bins asked for,
and these are a multiple of them, sums are exact; a wider one is spread evenly over the time it covers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows.table import COUNT, PROTOCOLS
from classifier.traffic.aggregate import Aggregate, Rows, plain, summed
from classifier.traffic.codes import Texts
from classifier.traffic.judged import Judged
from classifier.traffic.tables import ATTEMPTS

#: The meter's narrowest bins: a 64th of a second.
BASE_NS = 1_000_000_000 // 64
#: So many bins a timeline has if no interval is given …
USUAL_BINS = 120
#: … and at most.
MOST_BINS = 100_000
#: Wider bins, of thirty years, are made as wide as this.
MOST_SECONDS = 10**9
#: Stands for the services of flows that came to nothing.
ATTEMPTED = "(attempts)"
_KEYS = ("service", "proto", "bin")
_MEASURES = plain("flows", "client_packets", "server_packets", "client_bytes", "server_bytes")
_MOST_NS = 2**63 - 1

SCHEMA = pa.schema(
    [
        pa.field("start", pa.timestamp("ns", tz="UTC"), False, {"doc": "start of the bin"}),
        pa.field(
            "service", pa.string(), True, {"doc": "as in the services; (attempts): failed attempts of all"}
        ),
        pa.field("proto", pa.string(), False, {"doc": "transport"}),
        pa.field("flows", COUNT, False, {"doc": "flows with packets in the bin"}),
        pa.field("client_packets", COUNT, False, {"doc": "packets sent by clients"}),
        pa.field("server_packets", COUNT, False, {"doc": "packets sent by servers"}),
        pa.field("client_bytes", COUNT, False, {"doc": "IP bytes sent by clients"}),
        pa.field("server_bytes", COUNT, False, {"doc": "IP bytes sent by servers"}),
    ]
)
_Numbers = npt.NDArray[np.int64]


def usual_interval_ns(begin_ns: int, end_ns: int) -> int:
    """Return a width of bins that gives no more than `USUAL_BINS`, and exact sums."""
    interval_ns = BASE_NS
    while end_ns // interval_ns - begin_ns // interval_ns >= USUAL_BINS:
        interval_ns *= 2
    return interval_ns


class Timeline:
    """Adds up judged flows in bins that begin at multiples of `interval_ns` since 1970 UTC."""

    def __init__(self, interval_ns: int) -> None:
        """Start at nothing."""
        self.interval_ns = interval_ns
        self._texts = Texts()
        self._sums = Aggregate(_KEYS, _MEASURES)

    def rows(self, judged: Judged) -> Rows:
        """Return what a batch of judged flows brings; may be called by several threads."""
        flow, begin, end, counts = _binned(judged)
        part, place, shares = _spread(begin, end, self.interval_ns)
        shared = {name: _share(values, part, shares) for name, values in counts.items()}
        moved = np.logical_or.reduce([values > 0 for values in shared.values()])
        part, place = part[moved], place[moved]
        of_flow = flow[part]
        rows: Rows = {
            "service": self._labels(judged)[of_flow],
            "proto": judged["proto"].to_numpy()[of_flow],
            "bin": place,
            "flows": _first_in_bin(of_flow, place),
            **{name: values[moved] for name, values in shared.items()},
        }
        return summed(rows, _KEYS, _MEASURES)

    def add(self, rows: Rows) -> None:
        """Add what `rows` returned."""
        self._sums.add(rows)

    def _labels(self, judged: Judged) -> npt.NDArray[np.int32]:
        """Return codes of the services of n flows, with one for all failed attempts."""
        outcome = judged["outcome"]
        failed = np.isin(outcome.dictionary.to_pylist(), ATTEMPTS)[outcome.indices.to_numpy()]
        (attempted,) = self._texts.codes(pa.array([ATTEMPTED]).dictionary_encode())
        return np.where(failed, attempted, self._texts.codes(judged["label"]))

    def table(self) -> pa.Table:
        """Return a row for each bin and service with packets, by time, most bytes first."""
        merged = self._sums.total()
        if merged is None:
            return SCHEMA.empty_table()
        columns = {
            "start": pa.array(merged["bin"].astype(np.int64) * self.interval_ns).cast(
                SCHEMA.field("start").type
            ),
            "service": self._texts.take(merged["service"]),
            "proto": pa.array([PROTOCOLS[number] for number in merged["proto"].tolist()], pa.string()),
            **{name: pa.array(merged[name]).cast(SCHEMA.field(name).type) for name in _MEASURES},
        }
        table = pa.table(columns, schema=SCHEMA)
        size = pc.add(table["client_bytes"], table["server_bytes"])
        order = [
            ("start", "ascending"),
            ("size", "descending"),
            ("service", "ascending"),
            ("proto", "ascending"),
        ]
        return table.append_column("size", size).sort_by(order).select(SCHEMA.names)


def _binned(judged: Judged) -> tuple[_Numbers, _Numbers, _Numbers, dict[str, _Numbers]]:
    """Return all bins of n flows: the flow's row, begin and end in nanoseconds, counts by side."""
    lists, first = judged["bins"], judged["first_seen_ns"].to_numpy()
    last = judged["last_seen_ns"].to_numpy()
    lengths = pc.list_value_length(lists).to_numpy()
    values, width = lists.flatten(), judged["bin_ns"].to_numpy()
    several = np.repeat(np.arange(judged.num_rows), lengths)
    single = np.flatnonzero(lengths == 0)
    flow = np.concatenate([several, single])
    start = np.concatenate([values.field("start_ns").to_numpy(), first[single]])
    # No wider than the flow itself.
    begin = np.maximum(start, first[flow])
    end = np.minimum(np.minimum(start, _MOST_NS - width[flow]) + width[flow] - 1, last[flow])
    end = np.concatenate([end[: len(several)], last[single]])
    b_serves = judged["server_is_b"].to_numpy(zero_copy_only=False)[several]
    counts = {}
    for unit in ("packets", "bytes"):
        ab, ba = (values.field(f"{unit}_{way}").to_numpy() for way in ("ab", "ba"))
        for side, numbers in (("client", np.where(b_serves, ab, ba)), ("server", np.where(b_serves, ba, ab))):
            whole = judged[f"{side}_{unit}"].to_numpy()[single]
            counts[f"{side}_{unit}"] = np.concatenate([numbers, whole]).astype(np.int64)
    return flow, begin, np.maximum(end, begin), counts


def _spread(
    begin: _Numbers, end: _Numbers, interval_ns: int
) -> tuple[_Numbers, _Numbers, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Cut spans of time at multiples of the interval.

    Returns for each part its span and its place, and which share of the span is over before and after it.
    """
    first, last = begin // interval_ns, end // interval_ns
    parts = last - first + 1
    span = np.repeat(np.arange(len(begin)), parts)
    place = first[span] + np.arange(len(span)) - np.repeat(np.cumsum(parts) - parts, parts)
    length = (end - begin + 1).astype(float)[span]
    since = (place - first[span]).astype(float) * interval_ns - (begin - first * interval_ns)[span]
    before = np.clip(since / length, 0, 1)
    after = np.where(place == last[span], 1.0, np.clip((since + interval_ns) / length, 0, 1))
    return span, place, (before, after)


def _first_in_bin(flow: _Numbers, place: _Numbers) -> _Numbers:
    """Return 1 for the first of the parts that a flow has in a bin, 0 for the others (n)."""
    first = np.zeros(len(flow), dtype=np.int64)
    if len(flow):
        since = place - place.min()
        first[np.unique(flow * (since.max() + 1) + since, return_index=True)[1]] = 1
    return first


def _share(
    values: _Numbers, part: _Numbers, shares: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
) -> _Numbers:
    """Share out whole numbers so that their sums stay what they are."""
    before, after = shares
    whole = values[part]
    upto = np.where(after >= 1, whole, np.floor(whole * after).astype(np.int64))
    share: _Numbers = upto - np.where(before >= 1, whole, np.floor(whole * before).astype(np.int64))
    return share
