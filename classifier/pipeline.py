"""All stages, in order. This module alone knows the order.

    source → meter → spool → stitch → handshake → payload → roles → services → Traffic

First every packet is metered and finished flows go to the spool; then, with all evidence in, the
flows are judged batch by batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier import handshake, payload, roles, sources
from classifier._meter import Reader
from classifier.errors import CaptureError, ExitStatus, FlowError
from classifier.flows.find import Wanted
from classifier.flows.stitch import stitch
from classifier.flows.table import present
from classifier.reports import tabular
from classifier.roles import directory_file
from classifier.roles.directory import Entries, no_entries
from classifier.roles.late import LATE
from classifier.roles.ports import likeness
from classifier.services import naming
from classifier.services.rules import Rules
from classifier.sources import Input, Options, Source, Via
from classifier.traffic import Traffic, explaining
from classifier.traffic.metered import Metered

#: Called after each step with the input, the bytes read of it, and the packets read of all inputs.
Progress = Callable[[Input, int, int], None]
SECOND_NS = 1_000_000_000


def read(
    source: Source | Iterable[Source],
    *,
    tcp_idle_s: float = 300,
    udp_idle_s: float = 120,
    max_flows: int = 250_000,
    decapsulate: bool = True,
    dedup: bool = False,
    verify_checksums: bool = False,
    dns_names: bool = False,
    via: Via | None = None,
    rules: Rules | str | os.PathLike[str] | None = None,
    directory: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    keep_interrupted: bool = False,
) -> Traffic:
    """Read captures and judge their flows.

    `source` is a path (`-`: standard input), several paths, or an open binary file. A flow ends when
    it has been silent for the idle time of its transport, in seconds on the capture's own clock. Past
    `max_flows` active at a time, idle ones end early. Without `decapsulate` tunnels over IP stay closed.
    With `dedup` the copies that a mirror port makes of packets are left out of the flows; without, they
    are counted (`duplicate_packets`). `verify_checksums` counts wrong ones. `dns_names` takes names of
    addresses from the DNS answers in the capture, for its reports; the network is never asked.
    `via` is the program that reads what isn't read here: `tshark` for other file formats, `scapy` for
    other link types.
    `rules` are Rules or a file of your own ones; by default those that `Rules.load` finds.
    `directory` is a Parquet file of servers that earlier captures proved; this one's are added to it.
    With `keep_interrupted` Ctrl-C ends the reading, and the Traffic has what was read so far.

    Raises CaptureError for an input that can't be used, RulesError and DirectoryError for such rules
    and such a directory. An input that is cut or damaged further on is read up to there, and the
    trouble is in `Traffic.problems`.
    """
    known = directory_file.load(directory) if directory else no_entries()
    rules = rules if isinstance(rules, Rules) else Rules.load(rules)
    idle = {"tcp_idle_ns": int(tcp_idle_s * SECOND_NS), "udp_idle_ns": int(udp_idle_s * SECOND_NS)}
    options = Options(
        **idle,
        most_flows=max_flows,
        decapsulate=decapsulate,
        dedup=dedup,
        verify_checksums=verify_checksums,
        dns_names=dns_names,
    )
    found = sources.inputs(source, via)
    metered = Metered(idle=idle)
    if verify_checksums:
        metered.bad_checksums = {"ipv4_header": 0, "transport": 0}
    try:
        for capture in found:
            metered.captures.append(capture.name)
            _meter_input(capture.open(options, payload.load().compiled), capture, metered, progress)
    except KeyboardInterrupt:
        if not keep_interrupted:
            raise
        metered.interrupted = True
    judge = Judge(metered, rules, known, decapsulate=decapsulate)
    if directory:
        directory_file.save(directory, judge.context.directory.entries)
    return Traffic(metered, judge)


def _meter_input(reader: Reader, capture: Input, metered: Metered, progress: Progress | None) -> None:
    packets_before = metered.packets
    try:
        for batch in reader:
            metered.add(batch)
            if progress:
                progress(capture, reader.bytes_read, packets_before + reader.packets)
        if told := capture.trouble():
            metered.problems.append(CaptureError(capture.name, told, status=ExitStatus.PARTIAL))
    except KeyboardInterrupt:
        reader.stop()
        for batch in reader:
            metered.add(batch)
        raise
    finally:
        metered.close(capture.name, reader)
        capture.close()


class Judge:
    """Judges metered flows, batch by batch, once all evidence is in."""

    def __init__(self, metered: Metered, rules: Rules, known: Entries, *, decapsulate: bool) -> None:
        """Take the facts of all inputs, the port rules, and the servers known from earlier inputs.

        `decapsulate` is how the inputs were read.
        """
        self._metered = metered
        self._decapsulate = decapsulate
        self._rules = rules
        self._known = known
        self._table = payload.load()

    def __call__(self) -> Iterator[pa.RecordBatch]:
        """Yield the flows batch by batch: their facts, and the verdicts of all stages beside them."""
        for ends in self.looked_at():
            yield self._judged(ends)

    def explain(self, flow: str) -> dict[str, Any]:
        """Say of one flow why its server is the server; see `Traffic.explain`."""
        wanted = Wanted(flow)
        parts = [facts.take(pa.array(wanted.among(facts))) for facts in self.stitched()]
        found = pa.Table.from_batches(parts).sort_by("first_seen_ns").combine_chunks() if parts else None
        if not found or not found.num_rows:
            raise FlowError(f"{flow}: no such flow; `classifier flows` lists them")
        (facts,) = found.to_batches()
        judged = self._judged(self.ends(facts))
        row, *others = tabular.rows(present(judged, self._metered.captures))
        told = explaining.told(self.ends(facts.slice(0, 1)), row, self.context, self._decapsulate)
        return {"flow": row, "others": [other["flow_id"] for other in others], **told}

    @cached_property
    def context(self) -> roles.Context:
        """What all flows together say about each."""
        metered = self._metered
        expiry_ns = directory_file.expiry_ns()
        known = self._known.within(metered.begin_ns - expiry_ns, metered.end_ns + expiry_ns)
        survey, directory = roles.Survey(), roles.Directory(known)
        announced = payload.Endpoints()
        for ends in self.looked_at():
            roles.note_announced(announced, ends.facts)
            survey.add(ends, likeness(self._rules, ends))
            directory.add(ends)
        return roles.Context(self._rules, survey, directory, announced, metered.begin_ns, **metered.idle)

    def looked_at(self) -> Iterator[roles.Ends]:
        """Yield the flows batch by batch, with what each shows by itself."""
        return map(self.ends, self.stitched())

    def ends(self, facts: pa.RecordBatch) -> roles.Ends:
        """Return the ends of n flows, with what each flow shows by itself."""
        said = payload.read(facts, self._table)
        return roles.Ends(facts, handshake.judge(facts).with_proof(said.proven), said)

    def _judged(self, ends: roles.Ends) -> pa.RecordBatch:
        facts, context = ends.facts, self.context
        verdicts = roles.decide(ends, context)
        client_port, server_port = _sides(facts, "port_a", "port_b", verdicts.server_is_b)
        client_addr, server_addr = _sides(facts, "addr_a", "addr_b", verdicts.server_is_b)
        names = naming.name(
            context.rules,
            facts["proto"].to_numpy(),
            naming.Ends(server_addr, server_port),
            naming.Ends(client_addr, client_port),
            verdicts.ambiguous,
            naming.Payloads(
                ends.said,
                self._table,
                facts["alpn"],
                context.announced.purposes(ends.endpoints, ends.first_seen_ns).max(axis=0),
            ),
        )
        return _judged(facts, ends.handshakes, verdicts, names)

    def stitched(self) -> Iterator[pa.RecordBatch]:
        """Yield the facts of the flows batch by batch."""
        metered = self._metered
        return stitch(metered.spool, metered.captures, metered.begins_ns, **metered.idle)


def _sides(facts: pa.RecordBatch, a: str, b: str, server_is_b: np.ndarray) -> tuple[pa.Array, pa.Array]:
    """Return two columns of the ends as one of the clients and one of the servers."""
    server_b = pa.array(server_is_b)
    return pc.if_else(server_b, facts[a], facts[b]), pc.if_else(server_b, facts[b], facts[a])


def _judged(
    facts: pa.RecordBatch, handshakes: handshake.Handshakes, verdicts: roles.Verdicts, names: naming.Names
) -> pa.RecordBatch:
    server_is_b = verdicts.server_is_b
    columns = {name: facts[name] for name in _KEPT} | {"duplicate_packets": facts["duplicates"]}
    for name, a, b in _SIDES:
        columns[f"client_{name}"], columns[f"server_{name}"] = _sides(facts, a, b, server_is_b)
    columns |= {
        "server_is_b": pa.array(server_is_b),
        "role": verdicts.role,
        "role_confidence": pa.array(verdicts.confidence),
        "role_evidence": verdicts.evidence,
        "service": names.service,
        "service_source": names.source,
        "category": names.category,
        "service_candidates": names.candidates,
        "payload": names.payload,
        "mismatch": pa.array(names.mismatch),
        "promised": names.promised,
        "outcome": handshakes.outcome,
        "conn_state": handshakes.conn_state(~server_is_b),
        "history": handshakes.history(~server_is_b),
        **{f"late_{name}": pa.array(getattr(verdicts.late, name)) for name in LATE},
    }
    return pa.RecordBatch.from_pydict(columns)


#: Facts that go on as they are.
_KEPT = [
    *("proto", "ip_version", "addr_a", "port_a", "addr_b", "port_b", "network_id"),
    *(
        "capture",
        "first_seen_ns",
        "last_seen_ns",
        "server_name",
        "vlan",
        "tunnel",
        "evicted",
        "bin_ns",
        "bins",
    ),
]
#: Facts of the two ends, as (name, column of a, column of b).
_SIDES = [
    ("addr", "addr_a", "addr_b"),
    ("port", "port_a", "port_b"),
    ("packets", "packets_ab", "packets_ba"),
    ("bytes", "bytes_ab", "bytes_ba"),
    ("payload_bytes", "payload_bytes_ab", "payload_bytes_ba"),
]
