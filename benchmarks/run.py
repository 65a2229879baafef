"""Times this program and the tools a user would take instead, side by side in one sitting: RESULTS.md.

    python benchmarks/run.py --nfstream-python nfs/bin/python

Every tool runs as a whole process and is measured from outside. Rounds are interleaved, so that a slow minute
of the machine hits all tools alike, and each round is compared with the `tcpdump` of the same round.
"""

import argparse
import os
import socket
import sys
import tempfile
from pathlib import Path

from captures import captures
from growth import Point, plot, points
from results import Table, environment, load, table, text
from tools import FLOOR, METER_ALONE, NFSTREAM, Tool, race, tools

HERE = Path(__file__).parent
PACKETS = [10**power for power in range(5, 9)]
FLOWS = [10**power for power in range(3, 8)]


def main() -> None:
    """Parse the arguments, make the captures, measure, print and write."""
    parser = argparse.ArgumentParser(description="Time this program and its peers.")
    parser.add_argument("--rounds", type=int, default=3, help="for the large capture; others have one less")
    parser.add_argument(
        "--capture", action="append", metavar="NAME", help="only these: large, tiny … (repeatable)"
    )
    parser.add_argument("--only", action="append", metavar="TOOL", help="only tools whose name contains this")
    parser.add_argument("--no-slow", action="store_true", help="without tshark and nfstream")
    parser.add_argument("--no-growth", action="store_true", help="without growth over packets and flows")
    parser.add_argument("--scale", type=float, default=1, help="captures of so much of their size")
    parser.add_argument("--python", default=sys.executable, help="the Python that has classifier installed")
    parser.add_argument("--nfstream-python", help="the Python that has nfstream; default: the same")
    parser.add_argument("--limit", type=float, default=300, metavar="SECONDS", help="end a longer run")
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where captures are kept")
    parser.add_argument("--output", type=Path, help="where RESULTS.md and growth.svg go; default: nowhere")
    arguments = parser.parse_args()

    os.environ["PATH"] += os.pathsep + "/usr/sbin"  # where some daemons are, off a user's path
    begun = load()
    tables: list[Table] = []
    found: list[Point] = []
    with tempfile.TemporaryDirectory() as scratch, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        setting = {
            "python": arguments.python,
            "nfstream_python": arguments.nfstream_python or arguments.python,
            "scratch": scratch + "/out",  # an empty directory for each run
            "sink": f"127.0.0.1:{sink.getsockname()[1]}",  # for exporters
            "meter": METER_ALONE,
            "nfstream": NFSTREAM,
        }
        for capture in captures(arguments.data, arguments.scale):
            if arguments.capture and capture.name not in arguments.capture:
                continue
            capture.ready()

            def wanted(tool: Tool, slow: bool = capture.slow, peers: tuple[str, ...] = capture.peers) -> bool:
                if tool.slow and (arguments.no_slow or not slow):
                    return False
                if peers and not tool.name.startswith((*peers, "classifier")):
                    return False
                return not arguments.only or any(name in tool.name for name in arguments.only)

            chosen = [tool for tool in tools() if tool.name == FLOOR or wanted(tool)]
            rounds = max(1, arguments.rounds - (not capture.slow))
            packets = race(chosen, capture, setting, rounds, arguments.limit)
            tables.append(table(capture, chosen, packets, setting))
            print(tables[-1].plain(), file=sys.stderr)
        if not arguments.no_growth:
            for series, counts in (("packets", PACKETS), ("flows", FLOWS)):
                scaled = [count for count in counts if count <= counts[-1] * arguments.scale]
                found += points(series, scaled, arguments.python, arguments.limit)
        where = environment(arguments.python, begun)
    said = text(tables, found, where)
    print(said)
    if arguments.output:
        (arguments.output / "RESULTS.md").write_text(said, encoding="utf-8")
        if found:
            plot(found, arguments.output / "growth.svg")


if __name__ == "__main__":
    main()
