"""Whose protocol is recognised, by tshark's word: `python benchmarks/recognition.py CAPTURES`.

Every capture of a folder is read, and each of its flows with payload compared with what tshark makes of it
(`classifier verify --all`). Prints a table of protocols: recognised, missed, wrong; then each miss and each
wrong one with its capture and the reason; then the shares. Needs tshark and pyshark.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import classifier
from classifier import payload
from classifier.ports.rules import Rules
from classifier.verify import Opinion, verify, words


@dataclass
class Protocol:
    """What became of the flows that tshark calls by one name."""

    recognised: int = 0
    #: By reason, and by capture.
    missed: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def row(self, name: str) -> str:
        """Return a row of the table."""
        missed, wrong = (
            sum(sum(of.values()) for of in found.values()) for found in (self.missed, self.wrong)
        )
        return f"| {name} | {self.recognised} | {missed} | {wrong} | {'; '.join(sorted(self.missed))} |"


class Recognition:
    """Counts over captures."""

    def __init__(self) -> None:
        """Know of none."""
        self.protocols: dict[str, Protocol] = defaultdict(Protocol)
        self.flows = Counter[str]()
        self._known = {protocol.name for protocol in payload.load().protocols}
        self._words = words.load()

    def add(self, row: dict[str, Any], capture: str) -> None:
        """Add a flow of a capture."""
        named, theirs = row["payload"], row["tshark"]
        self.flows["with payload"] += 1
        self.flows["named by payload"] += named is not None
        self.flows["named at all"] += bool(named or row["service"])
        self.flows["known to tshark"] += theirs is not None
        if theirs is None:
            self.flows["known to us only"] += named is not None
            return
        protocol = self.protocols[theirs.split("/")[0]]
        if named is None:
            ours = self._words.ours(theirs.split("/"))
            reason = "none of its messages is known" if ours & self._known else "no signature"
            protocol.missed[reason][capture] += 1
            return
        self.flows["named by both"] += 1
        if row["on_service"] == Opinion.AGREE:
            self.flows["agreed"] += 1
            protocol.recognised += 1
        else:
            protocol.wrong[f"{named}, tshark {theirs}"][capture] += 1

    def report(self) -> str:
        """Return tables in Markdown."""
        by_flows = sorted(self.protocols.items(), key=lambda item: (-item[1].recognised, item[0]))
        lines = [
            "| tshark's protocol | recognised | missed | wrong | why missed |",
            "|---|---:|---:|---:|---|",
        ]
        lines += [protocol.row(name) for name, protocol in by_flows]
        for title in ("missed", "wrong"):
            lines += ["", f"{title.capitalize()}:"]
            for name, protocol in sorted(self.protocols.items()):
                for reason, captures in getattr(protocol, title).items():
                    where = ", ".join(f"{capture} ×{count}" for capture, count in sorted(captures.items()))
                    lines.append(f"- {name}: {reason}: {where}")
        flows = self.flows
        shares = [
            ("of flows with payload have it named", flows["named by payload"], flows["with payload"]),
            ("of those that both name have the same name", flows["agreed"], flows["named by both"]),
        ]
        lines += [
            "",
            *(f"{count:6,} flows {what}" for what, count in flows.items()),
            *(f"{part / max(whole, 1):6.1%} {what}" for what, part, whole in shares),
        ]
        return "\n".join(lines)


def compared(capture: Path) -> tuple[str, list[dict[str, Any]] | str]:
    """Compare the flows of a capture, or print why it can't be read."""
    try:
        traffic = classifier.read(capture)
    except classifier.CaptureError as error:
        return capture.name, str(error)
    found = verify(traffic, [str(capture)], Rules.load(), everything=True)
    return capture.name, found.flows.to_pylist()


def main() -> None:
    """Go through the captures of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("captures", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    captures = sorted(path for path in options.captures.rglob("*") if path.is_file())
    recognition = Recognition()
    with ProcessPoolExecutor(options.jobs) as pool:
        for capture, found in pool.map(compared, captures):
            if isinstance(found, str):
                print(found, file=sys.stderr)
                continue
            for row in found:
                recognition.add(row, capture)
    print(recognition.report())


if __name__ == "__main__":
    main()
