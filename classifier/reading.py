"""Reads captures. A large file is being metered by the core while what judges its flows is imported."""

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
    from classifier.metering.files import Tell
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
    progress: Tell | None = None,
    keep_interrupted: bool = False,
) -> Traffic:
    """Read captures and judge their flows.

    `source` is a path (`-`: standard input), a pattern, a folder, an archive or a URL of captures, several of
    them, or an open binary file. A flow ends when
    it has been silent for the idle time of its transport, in seconds on the capture's own clock. Past
    `max_flows` active at a time, idle ones end early. About `memory_bytes` are used, whatever the number
    of flows (four bytes each come on top): the rest of flows and sums is in temporary files, and no row
    depends on it. Less than 256 MB, or than so many flows take, isn't kept.
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
    from classifier import pipeline  # with numpy, pyarrow and all stages

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
