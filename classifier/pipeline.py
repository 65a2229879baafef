"""All stages, in order. Only this module knows the order.

    source → meter → spool → stitch → handshake → payload → roles → services → Traffic

First every packet is metered, and finished flows go to the spool; then, with all evidence collected, the
flows are judged batch by batch. `reading` may have started the source and the meter already.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from itertools import chain, repeat
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from classifier import handshake, payload, roles, signatures
from classifier.errors import NoSuchFlowError
from classifier.flows.flow_selector import FlowSelector
from classifier.flows.spool import BATCH_ROWS, Spool, release_memory
from classifier.flows.stitch import Captures, Stitched
from classifier.flows.table import present
from classifier.metering.budget import Budget
from classifier.metering.files import Metering, ProgressCallback
from classifier.metering.metered import Metered
from classifier.metering.options import MeterOptions
from classifier.ports.rule_files import user_file
from classifier.ports.rules import Rules
from classifier.reports.export import tabular
from classifier.result import Traffic
from classifier.roles import directory_file
from classifier.roles.directory import Entries, no_entries, proven_servers
from classifier.roles.ports import likeness
from classifier.roles.self_check import LATE
from classifier.services import naming
from classifier.sources.discovery import FoundInputs
from classifier.traffic import explaining
from classifier.traffic.judged import Judged
from classifier.traffic.judged_flows import FirstPass

#: Batches whose handshakes and payload findings are kept from one pass to the next: a megabyte each.
_BATCHES_SHOWN = 16


def run(
    found: FoundInputs,
    options: MeterOptions,
    budget: Budget,
    *,
    rules: Rules | str | os.PathLike[str] | None,
    directory: str | os.PathLike[str] | None,
    known: Entries | None,
    jobs: int,
    scheduler: str | None,
    progress: ProgressCallback | None,
    keep_interrupted: bool,
) -> Traffic:
    """Meter inputs and judge their flows; the arguments are those of `reading.read`.

    `known` are the servers in `directory` so far.
    """
    ready_rules = _rules(rules)
    metered = Metered(
        idle=options.idle,
        spool=Spool(budget.spool_bytes, BATCH_ROWS),
        memory_bytes=budget.sums_bytes,
        remarks=found.remarks,
        via=found.via,
    )
    try:
        if scheduler:
            from classifier.metering import cluster

            cluster.meter(found.inputs, options, scheduler, metered, progress)
        else:
            threads = min(jobs, budget.metering_threads)
            metering = Metering(options, signatures.compiled().signatures, threads, progress)
            metering.run(found.inputs, metered)
    except KeyboardInterrupt:
        # Without a capture nothing was open yet: a pipe without a writer.
        if not keep_interrupted or not metered.captures:
            raise
        metered.interrupted = True
    metered.join_remnants()
    release_memory()
    judge = Judge(
        metered,
        ready_rules(),
        no_entries() if known is None else known,
        decapsulate=options.decapsulate,
        jobs=min(jobs, budget.threads),
    )
    if directory:
        directory_file.save(directory, judge.first_pass().context.directory.entries)
    return Traffic(metered, judge)


def _rules(chosen: Rules | str | os.PathLike[str] | None) -> Callable[[], Rules]:
    """Start loading port rules, and return a function that waits for them; a user's are loaded at once.

    Thousands of built-in rules are loaded in a thread while the inputs are metered. RulesError: the user's
    file is invalid.
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


Shown = tuple[handshake.Handshakes, payload.PayloadFindings]
Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Iterator[Item], threads: int) -> Iterator[Result]:
    """Yield the results of a function for items, in order; it runs in threads, a few items ahead."""
    if threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[Result]] = deque()
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
    """Judges metered flows in two passes: the first collects evidence, the second judges batch by batch.

    `known` are servers of earlier inputs, `decapsulate` is how the inputs were read, `jobs` is the number of
    batches judged at a time.
    """

    #: Connections that continue after the idle time are one flow.
    _past_idle = True

    def __init__(
        self, metered: Metered, rules: Rules, known: Entries, *, decapsulate: bool, jobs: int = 1
    ) -> None:
        self._jobs = jobs
        self._metered = metered
        self._decapsulate = decapsulate
        self._rules = rules
        self._known = known
        self._table = payload.load()
        #: Handshakes and payload findings of the first batches.
        self._shown: list[Shown] = []

    def each(self, function: Callable[[Judged], Result], *, bins: bool = False) -> Iterator[Result]:
        """Yield the results of a function, run in several threads, for each batch of flows, in order.

        Batches have the facts of flows and the verdicts of all stages; timeline bins only with `bins`.
        """
        context = self.first_pass().context
        facts = self.stitched(_NEVER if bins else (*_NEVER, *_BINS))
        batches = zip(facts, chain(self._shown, repeat(None)), strict=False)
        return in_order(lambda batch: function(self._judged(self.ends(*batch), context)), batches, self._jobs)

    def explain(self, flow: str) -> dict[str, Any]:
        """Explain the verdict of one flow; see `Traffic.explain`."""
        wanted = FlowSelector(flow)
        parts = [facts.take(pa.array(wanted.among(facts))) for facts in self.stitched()]
        found = pa.Table.from_batches(parts).sort_by("first_seen_ns").combine_chunks() if parts else None
        if not found or not found.num_rows:
            raise NoSuchFlowError(f"{flow}: no such flow; `classifier flows` lists them")
        (facts,) = found.to_batches()
        context = self.first_pass().context
        judged = self._judged(self.ends(facts), context).batch()
        row, *others = tabular.rows(present(judged, self._metered.captures))
        explained = explaining.as_plain_data(self.ends(facts.slice(0, 1)), row, context, self._decapsulate)
        return {"flow": row, "others": [other["flow_id"] for other in others], **explained}

    def first_pass(self) -> FirstPass:
        """Read all flows once, unless that is done, and return the findings.

        It must end before the second pass, which reuses the names of combined captures that it adds.
        """
        return FirstPass(self.context, self._metered.seen_twice)

    @cached_property
    def context(self) -> roles.Context:
        """The evidence that all flows together give about each, collected by the first pass."""
        metered = self._metered
        expiry_ns = directory_file.expiry_ns()
        known = self._known.within(metered.begin_ns - expiry_ns, metered.end_ns + expiry_ns)
        survey, directory = roles.PeerCounts(metered.begin_ns), roles.Directory(known)
        announced = payload.ExpectedEndpoints()
        for features, similar, servers in self.looked_at(self._contribution):
            if len(self._shown) < _BATCHES_SHOWN:
                self._shown.append((features.handshakes, features.said))
            roles.note_announced(announced, features.facts)
            survey.add(features, similar)
            directory.enter(servers)
        _ = directory.entries  # merged here once, not in each judging thread
        release_memory()
        return roles.Context(self._rules, survey, directory, announced, metered.begin_ns, **metered.idle)

    def looked_at(self, function: Callable[[roles.FlowFeatures], Result]) -> Iterator[Result]:
        """Yield the results of a function for each batch of flows, with the features of each flow."""
        facts = self.stitched((*_NEVER, *_BINS, *_TEXTS))
        return in_order(lambda facts: function(self.ends(facts)), facts, self._jobs)

    def _contribution(
        self, features: roles.FlowFeatures
    ) -> tuple[roles.FlowFeatures, roles.Numbers, list[Entries]]:
        """Return a batch's contribution to the context, as far as it is independent of other batches."""
        _ = (
            features.endpoints,
            features.hosts,
            features.called,
            features.attempts,
            features.sent,
        )  # computed in this thread
        return features, likeness(self._rules, features), proven_servers(features)

    def ends(self, facts: pa.RecordBatch, shown: Shown | None = None) -> roles.FlowFeatures:
        """Return the features of n flows; `shown` are their handshakes and payload findings, if known."""
        if shown:
            return roles.FlowFeatures(facts, *shown)
        findings = payload.findings(facts, self._table)
        return roles.FlowFeatures(facts, handshake.judge(facts).with_proof(findings.proven), findings)

    def _judged(self, features: roles.FlowFeatures, context: roles.Context) -> Judged:
        facts = features.facts
        features = roles.with_attempts(features, context)
        verdicts = roles.decide(features, context)
        server_is_b = verdicts.server_is_b

        def end(here: str, there: str) -> naming.ServerEndpoints:
            address, port = (
                _side(facts, f"{name}_{here}", f"{name}_{there}", server_is_b) if wanted else None
                for name, wanted in (("addr", context.rules.bound), ("port", True))
            )
            return naming.ServerEndpoints(address, port)

        names = naming.name(
            context.rules,
            facts["proto"].to_numpy(),
            end("b", "a"),
            end("a", "b"),
            verdicts.undecided,
            naming.DetectedPayloads(
                features.said,
                self._table,
                facts["alpn"],
                roles.purposes(features, context).max(axis=0),
                roles.began_unseen(features, context),
            ),
        )
        return _judged(facts, features.handshakes, verdicts, names)

    def stitched(self, without: Collection[str] = ()) -> Iterator[pa.RecordBatch]:
        """Yield the facts of the flows batch by batch, without some of the columns."""
        return self._stitched.without(without)

    @cached_property
    def _stitched(self) -> Stitched:
        metered = self._metered
        captures = metered.combinations or Captures(metered.captures, metered.begins_ns, metered.seen_twice)
        return Stitched(
            metered.spool,
            captures,
            memory_bytes=metered.memory_bytes,
            past_idle=self._past_idle,
            **metered.idle,
        )


def _side(facts: pa.RecordBatch, name: str, other: str, server_is_b: roles.Mask) -> pa.Array:
    """Merge two columns: the first where b is the server, else the second."""
    return pc.if_else(pa.array(server_is_b), facts[name], facts[other])


def _judged(
    facts: pa.RecordBatch,
    handshakes: handshake.Handshakes,
    verdicts: roles.Verdicts,
    names: naming.ServiceNames,
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


#: Facts used only by stitching; only by the timeline; only by verdicts.
_NEVER, _BINS, _TEXTS = ("event_ns",), ("bin_ns", "bins"), ("alpn", "server_name", "tunnel")
#: Facts passed on unchanged.
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
#: Facts of both endpoints, as (name, column of a, column of b).
_SIDES = [
    ("addr", "addr_a", "addr_b"),
    ("port", "port_a", "port_b"),
    ("packets", "packets_ab", "packets_ba"),
    ("bytes", "bytes_ab", "bytes_ba"),
    ("payload_bytes", "payload_bytes_ab", "payload_bytes_ba"),
]
