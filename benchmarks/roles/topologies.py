"""Is the server found in networks that are generated, whose parameters are drawn, not chosen?

    python benchmarks/roles/topologies.py [--seeds 0-199] [--wrong]

makes a capture for each seed and each scenario of `scenarios.py`, lets the program judge it, and prints
for each scenario the flows whose server no handshake shows: the share that is sure (a confidence of at least
0.9), the share of these that is wrong, the share of sure ones among flows to server ports with three clients
or more, and of UDP questions in vain the share that are failed attempts.
`--wrong` lists the scenario, seed and flows of each wrong verdict. Needs the development dependencies.

Odd seeds are for a last look: tune on even ones (`--seeds 0-199 --even`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from scenarios import SCENARIOS, Topology

import classifier
from classifier.roles import INFERRED

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "tests"))

from support.frames import Packet, pcap  # noqa: E402

#: Clients of a server port from which its share of sure verdicts counts.
FEW = 3
COLUMNS = (
    "proto",
    "client_ip",
    "client_port",
    "server_ip",
    "server_port",
    "role",
    "role_confidence",
    "outcome",
    "role_evidence",
)


@dataclass
class Count:
    """Flows of a scenario whose server no handshake shows."""

    flows: int = 0
    ambiguous: int = 0
    wrong: int = 0
    #: Flows to server ports with `FEW` clients or more, and those of them that are sure.
    shared: int = 0
    shared_sure: int = 0
    #: Unanswered UDP requests that the scenario expects as attempts, and those that are.
    vain: int = 0
    attempted: int = 0

    @property
    def sure(self) -> int:
        """Flows whose server is sure."""
        return self.flows - self.ambiguous

    def row(self) -> str:
        """Return the cells of the table."""

        def share(part: int, whole: int) -> str:
            return f"{100 * part / whole:.2f}" if whole else ""

        return (
            f"{self.flows:7} {share(self.sure, self.flows):>7} {share(self.wrong, self.sure):>7} "
            f"{share(self.shared_sure, self.shared):>7} {share(self.attempted, self.vain):>7}"
        )


def judged(topology: Topology, path: Path) -> Iterator[dict[str, Any]]:
    """Let the program judge a topology's capture."""
    packets = sorted(Packet(int(time_ns), data) for time_ns, data in topology.packets)
    path.write_bytes(pcap(packets))
    rows: list[Any] = classifier.read(path).flows[list(COLUMNS)].to_dict("records")
    for row in rows:
        yield row | {
            "client": (row["client_ip"], row["client_port"]),
            "server": (row["server_ip"], row["server_port"]),
        }


def count(topology: Topology, rows: Iterator[dict[str, Any]], into: Count) -> Iterator[dict[str, Any]]:
    """Count the flows of a topology, and yield those that are sure and wrong."""
    for row in rows:
        key = (row["proto"], frozenset((row["client"], row["server"])))
        truth = topology.servers.get(key)
        if truth is None or row["role_confidence"] == 1:
            continue
        into.flows += 1
        if key in topology.vain:
            into.vain += 1
            into.attempted += row["outcome"] in ("unanswered", "refused")
        ambiguous = row["role_confidence"] < INFERRED
        into.ambiguous += ambiguous
        if topology.clients.get((row["proto"], truth), 0) >= FEW:
            into.shared += 1
            into.shared_sure += not ambiguous
        if not ambiguous and row["server"] != truth:
            into.wrong += 1
            yield row


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0-19", metavar="FIRST-LAST")
    halves = parser.add_mutually_exclusive_group()
    halves.add_argument("--even", action="store_true", help="only even seeds: those to tune on")
    halves.add_argument("--odd", action="store_true", help="only odd seeds: those to look at last")
    parser.add_argument("--only", action="append", metavar="SCENARIO", help="only these scenarios")
    parser.add_argument("--wrong", action="store_true", help="list wrong verdicts")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the captures in a folder")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    step = 2 if options.even or options.odd else 1
    begin = int(first) + (step == 2 and int(first) % 2 != options.odd)
    counts: dict[str, Count] = defaultdict(Count)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(begin, int(last or first) + 1, step):
            for name, (group, scenario) in SCENARIOS.items():
                if options.only and name not in options.only:
                    continue
                topology = scenario(Random(f"{name} {seed}"))
                path = (options.keep or Path(folder)) / f"{name}-{seed}.pcap"
                one = Count()
                for row in count(topology, judged(topology, path), one):
                    if options.wrong:
                        evidence = "+".join(row["role_evidence"])
                        print(f"{name} {seed}: {row['client']} -> {row['server']} {row['proto']} {evidence}")
                for total in (name, f"= {group}", "= all"):
                    for field, value in vars(one).items():
                        setattr(counts[total], field, getattr(counts[total], field) + value)
    print(f"{'':24} {'flows':>7} {'sure%':>7} {'wrong%':>7} {'>=3 %':>7} {'vain%':>7}")
    for name in sorted(counts, key=lambda name: (name.startswith("= all"), name.startswith("="), name)):
        print(f"{name:24} {counts[name].row()}")


if __name__ == "__main__":
    main()
