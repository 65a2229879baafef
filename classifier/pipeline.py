"""All stages, in order. This module alone knows the order.

    source → meter → spool → stitch → handshake → payload → roles → services → Traffic

First every packet is metered and finished flows go to the spool; then, with all evidence in, the
flows are judged batch by batch.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

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
from classifier.roles.directory import Entries, no_entries, proven_servers
from classifier.roles.late import LATE
from classifier.roles.ports import likeness
from classifier.rule_files import user_file
from classifier.services import naming
from classifier.services.rules import Rules
from classifier.sources import Options, Source, Via, finding
from classifier.traffic import Traffic, explaining
from classifier.traffic.judged import Judged
from classifier.traffic.metered import Metered

SECOND_NS = 1_000_000_000
MEMORY_BYTES = 512_000_000
#: Less than this isn't kept: the program itself takes half of it.
LEAST_MEMORY_BYTES = 256_000_000
_PROGRAM_BYTES = 130_000_000
#: Bytes of an active flow in the meter, and of a batch that is being judged.
_FLOW_BYTES = 1_000
_BATCH_BYTES = 60_000_000


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
    of flows (four bytes each come on top): the rest of flows and sums is in temporary files. It is at least
    256 MB, of which the program takes half; flows past what fits are evicted, as past `max_flows`.
    Without `decapsulate` tunnels over IP stay closed.
    With `dedup` the copies that a mirror port makes of packets are left out of the flows; without, they
    are counted (`duplicate_packets`). `verify_checksums` counts wrong ones. `dns_names` takes names of
    addresses from the DNS answers in the capture, for its reports; the network is never asked.
    `via` is the program that reads what isn't read here: `tshark` for other file formats, `scapy` for
    other link types.
    `rules` are Rules or a file of your own ones; by default those that `Rules.load` finds.
    `directory` is a Parquet file of servers that earlier captures proved; this one's are added to it.
    `jobs` is the number of threads, over inputs and within one, by default one for each core; the Dask
    cluster of a `scheduler`, `tcp://host:8786`, reads as many inputs at a time as it has workers for.
    `progress` is told how far that is.
    With `keep_interrupted` Ctrl-C ends the reading, and the Traffic has what was read so far.

    Raises CaptureError for an input that isn't there, or where none can be read, RulesError and
    DirectoryError for such rules and such a directory. Of several inputs one that can't be read, and of
    each what is damaged, is left out, and the trouble is in `Traffic.problems`.
    """
    known = directory_file.load(directory) if directory else no_entries()
    ready_rules = _rules(rules)
    idle = {"tcp_idle_ns": int(tcp_idle_s * SECOND_NS), "udp_idle_ns": int(udp_idle_s * SECOND_NS)}
    budget = Budget(memory_bytes)
    options = Options(
        **idle,
        most_flows=min(max_flows, budget.most_flows),
        decapsulate=decapsulate,
        dedup=dedup,
        verify_checksums=verify_checksums,
        dns_names=dns_names,
    )
    found = finding.find(source, via)
    metered = Metered(
        idle=idle,
        spool=Spool(budget.spool_bytes, BATCH_ROWS),
        memory_bytes=budget.sums_bytes,
        remarks=found.remarks,
        via=via,
    )
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
    judge = Judge(
        metered, ready_rules(), known, decapsulate=decapsulate, jobs=min(jobs or cores(), budget.threads)
    )
    if directory:
        directory_file.save(directory, judge.context.directory.entries)
    return Traffic(metered, judge)


@dataclass(frozen=True)
class Budget:
    """What each phase may take of the memory budget: metering, then judging and summing."""

    memory_bytes: int

    @property
    def most_flows(self) -> int:
        """Active flows that fit into memory while packets are metered."""
        return max(self._rest - self.spool_bytes, 10_000 * _FLOW_BYTES) // _FLOW_BYTES

    @property
    def spool_bytes(self) -> int:
        """Bytes of rows that wait in memory to be judged, through all phases."""
        return self.memory_bytes // 16

    @property
    def sums_bytes(self) -> int:
        """Bytes of rows that are being joined, or summed, while others are judged."""
        return max(self._rest - self.spool_bytes - _BATCH_BYTES, 0) // 4

    @property
    def threads(self) -> int:
        """Batches of flows that may be judged at a time."""
        return max(1, self._rest // 2 // _BATCH_BYTES)

    @property
    def _rest(self) -> int:
        return self.memory_bytes - _PROGRAM_BYTES


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


Item = TypeVar("Item")
Found = TypeVar("Found")


def in_order(function: Callable[[Item], Found], items: Iterator[Item], threads: int) -> Iterator[Found]:
    """Yield what a function makes of items, in their order; it runs in threads, a few items ahead."""
    if threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[Found]] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(function, item))
                del item
                if len(ahead) > threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


class Judge:
    """Judges metered flows, batch by batch, once all evidence is in."""

    def __init__(
        self, metered: Metered, rules: Rules, known: Entries, *, decapsulate: bool, jobs: int = 1
    ) -> None:
        """Take the facts of all inputs, the port rules, and the servers known from earlier inputs.

        `decapsulate` is how the inputs were read; `jobs` batches of flows are judged at a time.
        """
        self._jobs = jobs
        self._metered = metered
        self._decapsulate = decapsulate
        self._rules = rules
        self._known = known
        self._table = payload.load()

    def each(self, function: Callable[[Judged], Found], *, bins: bool = False) -> Iterator[Found]:
        """Yield what a function, in several threads, makes of each batch of the flows, in order.

        Batches have the facts of flows, and the verdicts of all stages beside them; `bins` only if asked for.
        """
        _ = self.context  # its passes end before the one that follows, which names captures as they do
        facts = self.stitched(_NEVER if bins else (*_NEVER, *_BINS))
        return in_order(lambda facts: function(self._judged(self.ends(facts))), facts, self._jobs)

    def explain(self, flow: str) -> dict[str, Any]:
        """Say of one flow why its server is the server; see `Traffic.explain`."""
        wanted = Wanted(flow)
        parts = [facts.take(pa.array(wanted.among(facts))) for facts in self.stitched()]
        found = pa.Table.from_batches(parts).sort_by("first_seen_ns").combine_chunks() if parts else None
        if not found or not found.num_rows:
            raise NoSuchFlowError(f"{flow}: no such flow; `classifier flows` lists them")
        (facts,) = found.to_batches()
        judged = self._judged(self.ends(facts)).batch()
        row, *others = tabular.rows(present(judged, self._metered.captures))
        told = explaining.told(self.ends(facts.slice(0, 1)), row, self.context, self._decapsulate)
        return {"flow": row, "others": [other["flow_id"] for other in others], **told}

    @cached_property
    def context(self) -> roles.Context:
        """What all flows together say about each."""
        metered = self._metered
        expiry_ns = directory_file.expiry_ns()
        known = self._known.within(metered.begin_ns - expiry_ns, metered.end_ns + expiry_ns)
        survey, directory = roles.Survey(metered.begin_ns), roles.Directory(known)
        announced = payload.Endpoints()
        for ends, similar, servers in self.looked_at(self._first_look):
            roles.note_announced(announced, ends.facts)
            survey.add(ends, similar)
            directory.enter(servers)
        give_back()
        return roles.Context(self._rules, survey, directory, announced, metered.begin_ns, **metered.idle)

    def looked_at(self, function: Callable[[roles.Ends], Found]) -> Iterator[Found]:
        """Yield what a function makes of each batch of flows, with what each shows by itself."""
        facts = self.stitched((*_NEVER, *_BINS, *_TEXTS))
        return in_order(lambda facts: function(self.ends(facts)), facts, self._jobs)

    def _first_look(self, ends: roles.Ends) -> tuple[roles.Ends, roles.Numbers, list[Entries]]:
        """Return what a batch adds to the context, as far as that depends on nothing else."""
        _ = (
            ends.endpoints,
            ends.hosts,
            ends.called,
            ends.attempts,
            ends.sent,
        )  # in this thread
        return ends, likeness(self._rules, ends), proven_servers(ends)

    def ends(self, facts: pa.RecordBatch) -> roles.Ends:
        """Return the ends of n flows, with what each flow shows by itself."""
        said = payload.read(facts, self._table)
        return roles.Ends(facts, handshake.judge(facts).with_proof(said.proven), said)

    def _judged(self, ends: roles.Ends) -> Judged:
        facts, context = ends.facts, self.context
        ends = roles.with_attempts(ends, context)
        verdicts = roles.decide(ends, context)
        server_is_b = verdicts.server_is_b
        names = naming.name(
            context.rules,
            facts["proto"].to_numpy(),
            naming.Ends(*(_side(facts, f"{name}_b", f"{name}_a", server_is_b) for name in ("addr", "port"))),
            naming.Ends(*(_side(facts, f"{name}_a", f"{name}_b", server_is_b) for name in ("addr", "port"))),
            verdicts.undecided,
            naming.Payloads(
                ends.said,
                self._table,
                facts["alpn"],
                context.announced.purposes(ends.endpoints, ends.first_seen_ns).max(axis=0),
                roles.began_unseen(ends, context),
            ),
        )
        return _judged(facts, ends.handshakes, verdicts, names)

    def stitched(self, without: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
        """Yield the facts of the flows batch by batch, without some of the columns."""
        return self._stitched.without(without)

    @cached_property
    def _stitched(self) -> Stitched:
        metered = self._metered
        captures = metered.combinations or Captures(metered.captures, metered.begins_ns, metered.seen_twice)
        return Stitched(metered.spool, captures, memory_bytes=metered.memory_bytes, **metered.idle)


def _side(facts: pa.RecordBatch, name: str, other: str, server_is_b: roles.Mask) -> pa.Array:
    """Return one column of two: the first where b is the server, else the second."""
    return pc.if_else(pa.array(server_is_b), facts[name], facts[other])


def _judged(
    facts: pa.RecordBatch, handshakes: handshake.Handshakes, verdicts: roles.Verdicts, names: naming.Names
) -> Judged:
    server_is_b = verdicts.server_is_b
    columns: dict[str, Callable[[], Any]] = {
        name: partial(facts.column, name) for name in _KEPT if name in facts.schema.names
    }
    for name, a, b in _SIDES:
        columns[f"client_{name}"] = partial(_side, facts, a, b, server_is_b)
        columns[f"server_{name}"] = partial(_side, facts, b, a, server_is_b)
    columns |= {
        "duplicate_packets": lambda: facts["duplicates"],
        "server_is_b": lambda: pa.array(server_is_b),
        "role": lambda: verdicts.role,
        "role_confidence": lambda: pa.array(verdicts.confidence),
        "role_evidence": verdicts.reasons.lists,
        "_reasons": lambda: verdicts.reasons,
        "service": lambda: names.service,
        "service_source": lambda: names.source,
        "category": lambda: names.category,
        "label": lambda: names.label,
        "service_candidates": names.candidates,
        "payload": lambda: names.payload,
        "mismatch": lambda: names.expected.is_valid(),
        "expected": lambda: names.expected,
        "outcome": lambda: handshakes.outcome,
        "conn_state": lambda: handshakes.conn_state(~server_is_b),
        "history": lambda: handshakes.history(~server_is_b),
        **{f"late_{name}": partial(_late, verdicts, name) for name in LATE},
    }
    return Judged(facts.num_rows, columns)


def _late(verdicts: roles.Verdicts, name: str) -> pa.Array:
    return pa.array(getattr(verdicts.late, name))


#: Facts that only stitching looks at; that only the timeline does; that only verdicts do.
_NEVER, _BINS, _TEXTS = ("event_ns",), ("bin_ns", "bins"), ("alpn", "server_name", "tunnel")
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
