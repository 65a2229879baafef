"""Read captures. The core starts metering a large file while the judging modules are imported."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from classifier import signatures
from classifier.metering.budget import MAX_FLOWS, MEMORY_BYTES, Budget, cores
from classifier.metering.options import SECOND_NS, MeterOptions
from classifier.sources import discovery
from classifier.sources.inputs import Source, Via

if TYPE_CHECKING:
    from classifier.metering.files import ProgressCallback
    from classifier.ports.rules import Rules
    from classifier.result import Traffic


def read(
    source: Source | Iterable[Source],
    *,
    tcp_idle_s: float = 300,
    udp_idle_s: float = 120,
    max_flows: int = MAX_FLOWS,
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
    progress: ProgressCallback | None = None,
    keep_interrupted: bool = False,
) -> Traffic:
    """Read captures and judge their flows.

    `source` is a path (`-`: standard input), a pattern, a folder, an archive or a URL of captures, several of
    them, or an open binary file. `tcp_idle_s` and `udp_idle_s` are idle timeouts in seconds of capture time.
    `max_flows` are held in memory; beyond this the longest-idle flows are evicted and merged later.
    `memory_bytes` is the memory budget, independent of the number of flows (plus four bytes each): excess
    spills to temporary files, with the same results. It can't be kept below 256 MB, or below the memory of
    `max_flows`. Without `decapsulate` the outer flows of IP tunnels are reported. With `dedup` duplicate
    packets from a mirror port are ignored; without, they are counted (`duplicate_packets`).
    `verify_checksums` counts bad checksums. `dns_names` resolves addresses from DNS answers in the capture,
    for reports; no lookups are sent. `via` reads through another program: `tshark` for other file formats,
    `scapy` for other link types. `rules` are Rules or a file of your own; by default those that `Rules.load`
    finds. `directory` is a Parquet file of servers confirmed in earlier captures; this one's are added.
    `jobs` is the number of threads, over inputs and within one, by default one per core; the Dask cluster of
    a `scheduler`, `tcp://host:8786`, reads as many inputs at a time as it has workers. `progress` is called
    with the progress. With `keep_interrupted` Ctrl-C stops reading, and the Traffic has what was read so far.

    CaptureError: an input doesn't exist, or none can be read. RulesError, DirectoryError: the rules or the
    directory are invalid. An unreadable input among several, and the corrupt rest of an input, are skipped
    and listed in `Traffic.problems`.
    """
    known = None
    if directory:
        from classifier.roles import directory_file

        known = directory_file.load(directory)
    budget = Budget(memory_bytes, max_flows)
    threads = jobs or cores()
    options = MeterOptions(
        tcp_idle_ns=int(tcp_idle_s * SECOND_NS),
        udp_idle_ns=int(udp_idle_s * SECOND_NS),
        max_flows=max_flows,
        decapsulate=decapsulate,
        dedup=dedup,
        verify_checksums=verify_checksums,
        dns_names=dns_names,
        threads=min(threads, budget.metering_threads),
    )
    found = discovery.find(source, via)
    if len(found.inputs) == 1 and not scheduler:
        found.inputs[0].start(options, signatures.compiled().signatures)
    from classifier import pipeline  # imports numpy, pyarrow and all stages

    return pipeline.run(
        found,
        options,
        budget,
        rules=rules,
        directory=directory,
        known=known,
        jobs=threads,
        scheduler=scheduler,
        progress=progress,
        keep_interrupted=keep_interrupted,
    )
