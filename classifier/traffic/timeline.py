"""The traffic over time: packets and bytes per service and bin.

The meter keeps each flow's traffic in bins of its own. Where they are no wider than the requested bins,
and these are a multiple of them, sums are exact; a wider one is spread evenly over the time it covers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifier.flows.distinct import distinct
from classifier.flows.table import COUNT
from classifier.flows.transports import NAMES
from classifier.traffic.aggregate import Aggregate, Rows, plain, summed
from classifier.traffic.codes import Texts
from classifier.traffic.judged import Judged
from classifier.traffic.tables import ATTEMPTS

#: Width of the meter's narrowest bins: 1/64 s.
BASE_NS = 1_000_000_000 // 64
#: Maximum bins if no interval is given.
USUAL_BINS = 120
#: Maximum bins.
MAX_BINS = 100_000
#: Maximum width of bins in seconds, about thirty years.
MAX_SECONDS = 10**9
#: In place of a service, for failed attempts.
ATTEMPTED = "(attempts)"
_KEYS = ("service", "proto", "bin")
_MEASURES = plain("flows", "client_packets", "server_packets", "client_bytes", "server_bytes")
_MAX_NS = 2**63 - 1

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
    """Return a bin width with at most `USUAL_BINS` bins, and exact sums."""
    interval_ns = BASE_NS
    while end_ns // interval_ns - begin_ns // interval_ns >= USUAL_BINS:
        interval_ns *= 2
    return interval_ns


class Timeline:
    """Totals of judged flows in bins that begin at multiples of `interval_ns` since 1970 UTC."""

    def __init__(self, interval_ns: int) -> None:
        """Create an empty timeline."""
        self.interval_ns = interval_ns
        self._texts = Texts()
        self._sums = Aggregate(_KEYS, _MEASURES)

    def rows(self, judged: Judged) -> Rows:
        """Return the rows of a batch of judged flows; may be called by several threads."""
        flow, begin, end, counts = _binned(judged)
        part, place, cut = _spread(begin, end, self.interval_ns)
        shared = {name: _share(values, part, cut) for name, values in counts.items()}
        moved = np.flatnonzero(np.logical_or.reduce([values > 0 for values in shared.values()]))
        place, of_flow = place.take(moved), flow[part.take(moved)]
        rows: Rows = {
            "service": self._labels(judged)[of_flow],
            "proto": judged["proto"].to_numpy()[of_flow],
            "bin": place,
            "flows": _first_in_bin(of_flow, place),
            **{name: values.take(moved) for name, values in shared.items()},
        }
        return summed(rows, _KEYS, _MEASURES)

    def add(self, rows: Rows) -> None:
        """Add the result of `rows`."""
        self._sums.add(rows)

    def _labels(self, judged: Judged) -> npt.NDArray[np.int32]:
        """Return the service codes of n flows, with one code for all failed attempts."""
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
            "proto": pa.array([NAMES[number] for number in merged["proto"].tolist()], pa.string()),
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
    # Limited to the span of the flow.
    begin = np.maximum(start, first[flow])
    end = np.minimum(np.minimum(start, _MAX_NS - width[flow]) + width[flow] - 1, last[flow])
    end = np.concatenate([end[: len(several)], last[single]])
    b_serves = judged["server_is_b"].to_numpy(zero_copy_only=False)[several]
    counts = {}
    for unit in ("packets", "bytes"):
        ab, ba = (values.field(f"{unit}_{way}").to_numpy() for way in ("ab", "ba"))
        for side, numbers in (("client", np.where(b_serves, ab, ba)), ("server", np.where(b_serves, ba, ab))):
            whole = judged[f"{side}_{unit}"].to_numpy()[single]
            counts[f"{side}_{unit}"] = np.concatenate([numbers, whole]).astype(np.int64)
    return flow, begin, np.maximum(end, begin), counts


class _Cut(NamedTuple):
    """Parts of spans that cross a multiple of the interval."""

    #: Their indices among all parts.
    places: _Numbers
    #: Share of the span elapsed before and after each part.
    before: npt.NDArray[np.float64]
    after: npt.NDArray[np.float64]


def _spread(begin: _Numbers, end: _Numbers, interval_ns: int) -> tuple[_Numbers, _Numbers, _Cut]:
    """Cut time spans at multiples of the interval; return each part's span and bin, and the cuts."""
    first, last = begin // interval_ns, end // interval_ns
    parts = last - first + 1
    span = np.repeat(np.arange(len(begin)), parts)
    place = first[span] + np.arange(len(span)) - np.repeat(np.cumsum(parts) - parts, parts)
    cut = np.flatnonzero((parts > 1)[span])
    of, at = span[cut], place[cut]
    length = (end - begin + 1)[of].astype(float)
    since = (at - first[of]).astype(float) * interval_ns - (begin - first * interval_ns)[of]
    before = np.clip(since / length, 0, 1)
    after = np.where(at == last[of], 1.0, np.clip((since + interval_ns) / length, 0, 1))
    return span, place, _Cut(cut, before, after)


def _first_in_bin(flow: _Numbers, place: _Numbers) -> _Numbers:
    """Return 1 for a flow's first part in a bin, 0 for its others (n)."""
    first = np.ones(len(flow), dtype=np.int64)
    if len(flow):
        since = place - place.min()
        _, number = distinct(flow * (since.max() + 1) + since)
        first[1:] = number[1:] > np.maximum.accumulate(number)[:-1]
    return first


def _share(values: _Numbers, part: _Numbers, cut: _Cut) -> _Numbers:
    """Distribute integers over parts such that their sums don't change."""
    share = values[part]
    whole = share[cut.places]
    upto = np.where(cut.after >= 1, whole, np.floor(whole * cut.after).astype(np.int64))
    share[cut.places] = upto - np.where(cut.before >= 1, whole, np.floor(whole * cut.before).astype(np.int64))
    return share
