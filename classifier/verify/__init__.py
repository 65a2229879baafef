"""Compare flows with Wireshark's dissection."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from zlib import crc32

import pyarrow as pa
import pyarrow.compute as pc

from classifier.errors import CaptureError
from classifier.flows.table import PORT
from classifier.flows.transports import NUMBERS
from classifier.ports.rules import Rules
from classifier.roles import INFERRED
from classifier.traffic.judged_flows import JudgedFlows
from classifier.verify.dissection import TRANSPORTS, Datagram, dissect
from classifier.verify.words import ProtocolNames, load
from classifier.wording import endpoint

#: Maximum flows compared; of more, a sample of this size.
MOST_FLOWS = 20_000
#: Packets with payload dissected per flow.
_PACKETS = 16
#: Called with the capture and the number of its packets dissected so far.
Progress = Callable[[str, int], None]


class Opinion(StrEnum):
    """The result of comparing two verdicts."""

    AGREE = "agree"
    DIFFER = "differ"
    #: Without a verdict of tshark's.
    OURS_ONLY = "tshark doesn't know"
    #: Without a verdict of this program's, or with an ambiguous one.
    THEIRS_ONLY = "only tshark knows"
    NEITHER = "neither knows"


#: Columns of a verification, one row per flow.
SCHEMA = pa.schema(
    [
        pa.field("flow_id", pa.string(), False, {"doc": "as in the flow table"}),
        pa.field("proto", pa.string(), False, {"doc": "transport"}),
        pa.field("client_ip", pa.string(), False, {"doc": "address of the client, by this program"}),
        pa.field("client_port", PORT, False, {"doc": "port of the client"}),
        pa.field("server_ip", pa.string(), False, {"doc": "address of the server, by this program"}),
        pa.field("server_port", PORT, False, {"doc": "port of the server"}),
        pa.field("role", pa.string(), False, {"doc": "evidence for the server, as in the flow table"}),
        pa.field("service", pa.string(), True, {"doc": "service, by this program"}),
        pa.field("payload", pa.string(), True, {"doc": "protocol detected in the payload, by this program"}),
        pa.field("tshark", pa.string(), True, {"doc": "protocols that tshark dissected: tls/http2"}),
        pa.field("tshark_server", pa.string(), True, {"doc": "server, by tshark's fields"}),
        pa.field("on_service", pa.string(), False, {"doc": "comparison of the services"}),
        pa.field("on_server", pa.string(), False, {"doc": "comparison of the servers"}),
        pa.field("why", pa.string(), False, {"doc": "evidence of this program's verdict"}),
    ]
)  # fmt: skip
_AS_THEY_ARE = (
    *("flow_id", "proto", "client_ip", "client_port", "server_ip", "server_port"),
    *("role", "service", "payload"),
)
_COLUMNS = (*_AS_THEY_ARE, "role_confidence", "role_evidence", "service_source")


@dataclass(slots=True)
class _Flow:
    """A flow to compare, and Wireshark's dissection of it so far."""

    row: dict[str, Any]
    first_ns: int
    last_ns: int
    packets: int = 0
    seen: Counter[tuple[str, ...]] = field(default_factory=Counter)
    server: tuple[str, int] | None = None

    @property
    def ends(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """The client's and the server's endpoint."""
        row = self.row
        return (row["client_ip"], row["client_port"]), (row["server_ip"], row["server_port"])


@dataclass(frozen=True)
class Verification:
    """The result of a comparison."""

    #: One row per compared flow, by `SCHEMA`; first those that differ.
    flows: pa.Table
    #: Flows selected for comparison, of which `flows` is a sample if there are too many.
    asked_for: int
    #: Captures that Wireshark couldn't read to the end.
    problems: list[CaptureError]

    def differing(self) -> pa.Table:
        """Return the flows that differ, or that only Wireshark identifies."""
        shown = pa.array([str(Opinion.DIFFER), str(Opinion.THEIRS_ONLY)])
        return self.flows.filter(
            pc.or_(pc.is_in(self.flows["on_service"], shown), pc.is_in(self.flows["on_server"], shown))
        )

    def agreement(self) -> list[dict[str, Any]]:
        """Count the flows by result: one row for the service, one for the server."""
        counts = []
        for name in ("service", "server"):
            found = Counter(self.flows[f"on_{name}"].to_pylist())
            counts.append({"on": name, **{str(opinion): found[str(opinion)] for opinion in Opinion}})
        return counts


def verify(
    traffic: JudgedFlows,
    captures: Iterable[str],
    rules: Rules,
    *,
    everything: bool = False,
    sample: int | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Compare flows over TCP and UDP that have payload with Wireshark's dissection.

    By default those that are ambiguous, mismatched or whose payload is not recognised; with `everything` all;
    with `sample` that number of all. Each capture is dissected once.
    """
    words = load()
    most = min(sample or MOST_FLOWS, MOST_FLOWS)
    flows, asked_for = _chosen(traffic, everything or sample is not None, most)
    problems = []
    if flows:
        by_ends = defaultdict(list)
        for flow in flows:
            by_ends[_key(NUMBERS[flow.row["proto"]], *flow.ends)].append(flow)
        ports = sorted({flow.row["client_port"] for flow in flows})
        for path in captures:
            try:
                _listen(path, ports, by_ends, words, progress)
            except CaptureError as error:
                problems.append(error)
    rows = sorted((_compared(flow, rules, words) for flow in flows), key=_differences_first)
    return Verification(pa.Table.from_pylist(rows, SCHEMA), asked_for, problems)


def _chosen(traffic: JudgedFlows, everything: bool, most: int) -> tuple[list[_Flow], int]:
    """Return the flows to compare, or a sample of them, and their number."""
    kept: list[tuple[int, int, _Flow]] = []
    count = 0
    for flow in _candidates(traffic, everything):
        count += 1
        # A max-heap of the lowest hashes, by their negatives.
        heapq.heappush(kept, (-crc32(flow.row["flow_id"].encode()), count, flow))
        if len(kept) > most:
            heapq.heappop(kept)
    return [flow for _, _, flow in kept], count


def _candidates(traffic: JudgedFlows, everything: bool) -> Iterator[_Flow]:
    for batch in traffic.batches():
        payload = pc.add(batch["client_payload_bytes"], batch["server_payload_bytes"])
        over = pc.is_in(batch["proto"].cast(pa.string()), pa.array(TRANSPORTS))
        wanted = pc.and_(pc.greater(payload, 0), over)
        if not everything:
            doubtful = pc.or_(pc.less(batch["role_confidence"], INFERRED), batch["mismatch"])
            wanted = pc.and_(wanted, pc.or_(doubtful, pc.is_null(batch["payload"])))
        found = batch.filter(wanted)
        times = [found[name].cast(pa.int64()).to_pylist() for name in ("first_seen", "last_seen")]
        for row, first_ns, last_ns in zip(found.select(list(_COLUMNS)).to_pylist(), *times, strict=True):
            yield _Flow(row, first_ns, last_ns)


_Key = tuple[int, tuple[str, int], tuple[str, int]]


def _key(proto: int, one: tuple[str, int], other: tuple[str, int]) -> _Key:
    return (proto, one, other) if one <= other else (proto, other, one)


def _listen(
    path: str,
    ports: list[int],
    by_ends: dict[_Key, list[_Flow]],
    words: ProtocolNames,
    progress: Progress | None,
) -> None:
    """Add Wireshark's dissection of the flows' packets in one capture."""
    for packet in dissect(path, ports, words):
        if progress:
            progress(path, packet.number)
        for datagram in packet.datagrams:
            flow = _flow_of(datagram, packet.time_ns, by_ends)
            if flow is None:
                continue
            if flow.packets < _PACKETS:
                flow.packets += 1
                if protocols := words.protocols(datagram.inside):
                    flow.seen[tuple(protocols)] += 1
                if flow.server is None and packet.sender_is_server is not None:
                    flow.server = datagram.source if packet.sender_is_server else datagram.target
            break


def _flow_of(datagram: Datagram, time_ns: int, by_ends: dict[_Key, list[_Flow]]) -> _Flow | None:
    candidates = by_ends.get(_key(datagram.proto, datagram.source, datagram.target), ())
    return next((flow for flow in candidates if flow.first_ns <= time_ns <= flow.last_ns), None)


def _compared(flow: _Flow, rules: Rules, words: ProtocolNames) -> dict[str, Any]:
    row = flow.row
    return {
        **{name: row[name] for name in _AS_THEY_ARE},
        "tshark": "/".join(flow.seen.most_common(1)[0][0]) if flow.seen else None,
        "tshark_server": endpoint(*flow.server) if flow.server else None,
        "on_service": str(_on_service(flow, rules, words)),
        "on_server": str(_on_server(flow)),
        "why": _why(row),
    }


def _on_service(flow: _Flow, rules: Rules, words: ProtocolNames) -> Opinion:
    row = flow.row
    known = row["payload"] or row["service"]
    if not flow.seen:
        return Opinion.OURS_ONLY if known else Opinion.NEITHER
    if not known:
        return Opinion.THEIRS_ONLY
    theirs = words.ours(name for protocols in flow.seen for name in protocols)
    ours = {row["payload"] or row["service"]}
    if row["payload"] is None:  # only the port names it, and it may ride on something
        for service in rules.at(NUMBERS[row["proto"]], row["server_port"]):
            if service.name == row["service"]:
                ours |= {*service.speaks, *service.carriers}
    return Opinion.DIFFER if theirs.isdisjoint(ours) else Opinion.AGREE


def _on_server(flow: _Flow) -> Opinion:
    ambiguous = flow.row["role_confidence"] < INFERRED
    if flow.server is None:
        return Opinion.NEITHER if ambiguous else Opinion.OURS_ONLY
    if ambiguous:
        return Opinion.THEIRS_ONLY
    return Opinion.AGREE if flow.server == flow.ends[1] else Opinion.DIFFER


def _why(row: dict[str, Any]) -> str:
    """Describe the evidence of the program's verdict: for the server, and for the service."""
    source = row["service_source"]
    named = "payload" if row["payload"] or source == "payload" else f"{source} port" if source else "nothing"
    return f"server by {', '.join(row['role_evidence']) or 'nothing'}; service by {named}"


_ORDER = [Opinion.DIFFER, Opinion.THEIRS_ONLY, Opinion.OURS_ONLY, Opinion.NEITHER, Opinion.AGREE]


def _differences_first(row: dict[str, Any]) -> tuple[int, int, str]:
    return (*(_ORDER.index(Opinion(row[f"on_{name}"])) for name in ("service", "server")), row["flow_id"])
