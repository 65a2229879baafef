"""All stages, in order. This module alone knows the order.

    source → meter → spool → stitch → handshake → payload → roles → services → Traffic

First every packet is metered and finished flows go to the spool; then, with all evidence in, the
flows are judged batch by batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifier import handshake, payload, roles
from classifier.errors import NoSuchFlowError
from classifier.flows.find import Wanted
from classifier.flows.spool import BATCH_ROWS, Spool, give_back
from classifier.flows.stitch import Captures, Stitched
from classifier.flows.table import present
from classifier.metering import Metering, Tell, cores
from classifier.reports import tabular
from classifier.roles import directory_file
from classifier.roles.directory import Entries, no_entries
from classifier.roles.late import LATE
from classifier.roles.ports import likeness
from classifier.rule_files import user_file
from classifier.services import naming
from classifier.services.rules import Rules
from classifier.sources import Options, Source, Via, finding
from classifier.traffic import Traffic, explaining
from classifier.traffic.metered import Metered

SECOND_NS = 1_000_000_000
MEMORY_BYTES = 512_000_000
#: Flows may take this part of it in memory, and so may sums of each kind, while others are worked on.
_SHARES = 16


def read(
    source: Source | Iterable[Source],
    *,
    tcp_idle_s: float = 300,
    udp_idle_s: float = 120,
    max_flows: int = 250_000,
    memory_bytes: int = MEMORY_BYTES,
    decapsulate: bool = True,
    dedup: bool = False,
    verify_checksums: bool = False,
    dns_names: bool = False,
    via: Via | None = None,
    rules: Rules | str | os.PathLike[str] | None = None,
    directory: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Tell | None = None,
    keep_interrupted: bool = False,
) -> Traffic:
    """Read captures and judge their flows.

    `source` is a path (`-`: standard input), a pattern, a folder, an archive or a URL of captures, several of
    them, or an open binary file. A flow ends when
    it has been silent for the idle time of its transport, in seconds on the capture's own clock. Past
    `max_flows` active at a time, idle ones end early. About `memory_bytes` are used, whatever the number
    of flows (four bytes each come on top): the rest of flows and sums is in temporary files. Less than 120 MB
    for the program and a kilobyte for each active flow are never enough.
    Without `decapsulate` tunnels over IP stay closed.
    With `dedup` the copies that a mirror port makes of packets are left out of the flows; without, they
    are counted (`duplicate_packets`). `verify_checksums` counts wrong ones. `dns_names` takes names of
    addresses from the DNS answers in the capture, for its reports; the network is never asked.
    `via` is the program that reads what isn't read here: `tshark` for other file formats, `scapy` for
    other link types.
    `rules` are Rules or a file of your own ones; by default those that `Rules.load` finds.
    `directory` is a Parquet file of servers that earlier captures proved; this one's are added to it.
    `jobs` inputs are read at a time, by default one on each core, or those that the Dask
    cluster of a `scheduler` has workers for: `tcp://host:8786`. `progress` is told how far that is.
    With `keep_interrupted` Ctrl-C ends the reading, and the Traffic has what was read so far.

    Raises CaptureError for an input that isn't there, or where none can be read, RulesError and
    DirectoryError for such rules and such a directory. Of several inputs one that can't be read, and of
    each what is damaged, is left out, and the trouble is in `Traffic.problems`.
    """
    known = directory_file.load(directory) if directory else no_entries()
    ready_rules = _rules(rules)
    idle = {"tcp_idle_ns": int(tcp_idle_s * SECOND_NS), "udp_idle_ns": int(udp_idle_s * SECOND_NS)}
    options = Options(
        **idle,
        most_flows=max_flows,
        decapsulate=decapsulate,
        dedup=dedup,
        verify_checksums=verify_checksums,
        dns_names=dns_names,
    )
    found = finding.find(source, via)
    share = memory_bytes // _SHARES
    metered = Metered(idle=idle, spool=Spool(share, BATCH_ROWS), memory_bytes=share, remarks=found.remarks)
    if verify_checksums:
        metered.bad_checksums = {"ipv4_header": 0, "transport": 0}
    try:
        if scheduler:
            from classifier import distributed

            distributed.meter(found.inputs, options, scheduler, metered, progress)
        else:
            metering = Metering(options, payload.load().compiled, jobs or cores(), progress)
            metering.run(found.inputs, metered)
    except KeyboardInterrupt:
        if not keep_interrupted or not metered.captures:  # nothing was open yet: a pipe had no writer
            raise
        metered.interrupted = True
    give_back()
    judge = Judge(metered, ready_rules(), known, decapsulate=decapsulate)
    if directory:
        directory_file.save(directory, judge.context.directory.entries)
    return Traffic(metered, judge)


def _rules(chosen: Rules | str | os.PathLike[str] | None) -> Callable[[], Rules]:
    """Begin to load port rules, and return what gives them; what is wrong with a user's is told at once.

    The program's own are thousands, and only needed when all is metered: they are read beside it.
    """
    if isinstance(chosen, Rules):
        return lambda: chosen
    if user_file(chosen):
        rules = Rules.load(chosen)
        return lambda: rules
    loading = ThreadPoolExecutor(1)
    loaded = loading.submit(Rules.load)
    loading.shutdown(wait=False)
    return loaded.result


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
        _ = self.context  # its passes end before the one that follows, which names captures as they do
        for ends in self.looked_at():
            yield self._judged(ends)

    def explain(self, flow: str) -> dict[str, Any]:
        """Say of one flow why its server is the server; see `Traffic.explain`."""
        wanted = Wanted(flow)
        parts = [facts.take(pa.array(wanted.among(facts))) for facts in self.stitched()]
        found = pa.Table.from_batches(parts).sort_by("first_seen_ns").combine_chunks() if parts else None
        if not found or not found.num_rows:
            raise NoSuchFlowError(f"{flow}: no such flow; `classifier flows` lists them")
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
        give_back()
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
            verdicts.undecided,
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
        return iter(self._stitched)

    @cached_property
    def _stitched(self) -> Stitched:
        metered = self._metered
        captures = metered.combinations or Captures(metered.captures, metered.begins_ns, metered.seen_twice)
        return Stitched(metered.spool, captures, memory_bytes=metered.memory_bytes, **metered.idle)


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
    *("proto", "ip_version", "addr_a", "port_a", "addr_b", "port_b", "network_id", "ordinal"),
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
