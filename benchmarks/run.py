"""Times this program and the tools a user would take instead, on one capture, in one sitting.

    python benchmarks/run.py --markdown benchmarks/data/result.md

Every tool runs as a whole process and is measured from outside. Rounds are interleaved, so that a slow minute
of the machine hits all tools alike, and each round is compared with the `tcpdump` of the same round.
"""

import argparse
import os
import platform
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import IO

METER_ALONE = """
import sys
from classifier import _meter, payload
reader = _meter.read(
    sys.argv[1],
    payload.load().compiled,
    tcp_idle_ns=300 * 10**9,
    udp_idle_ns=120 * 10**9,
    most_flows=250_000,
    decapsulate=True,
    dedup=False,
    verify_checksums=False,
)
rows = sum(batch.num_rows for batch in reader)
print(rows)
"""
NFSTREAM = """
import sys
from nfstream import NFStreamer
print(sum(1 for flow in NFStreamer(source=sys.argv[1])))
"""

HERE = Path(__file__).parent
CAPTURE = HERE / "data" / "large.pcap"
FLOOR = "tcpdump --count"
Setting = dict[str, str]
HEADINGS = ("tool", "version", "wall s", "min–max", "CPU s", "peak MB", "packets/s", "× tcpdump")


@dataclass(frozen=True)
class Run:
    """What one process cost."""

    wall_s: float
    cpu_s: float
    peak_mb: float


@dataclass
class Tool:
    """One row of the table. Words of the commands may name a key of the setting in braces."""

    name: str
    command: str
    version: str
    package: str = ""
    """Where a missing program is to be had."""
    slow: bool = False
    runs: list[Run] = field(default_factory=list)
    problem: str = ""


OUR_VERSION = "{python} -P -c 'import importlib.metadata as m; print(m.version(\"classifier\"))'"
THEIR_VERSION = "{nfstream_python} -P -c 'import importlib.metadata as m; print(m.version(\"nfstream\"))'"


def tools() -> list[Tool]:
    """Every tool, the floor first. Python gets -P: the installed package, not the sources that lie here."""
    return [
        Tool(FLOOR, "tcpdump -n -r {capture} --count", "tcpdump --version", "tcpdump"),
        # -6: IPv6 too; -m: more flows than the default 8192, past which it would end flows early.
        Tool(
            "softflowd",
            "softflowd -r {capture} -d -6 -m 1000000 -v 9 -n {sink} -c none -p {scratch}/pid",
            "softflowd -h",
            "softflowd",
        ),
        Tool("nfpcapd", "nfpcapd -r {capture} -w {scratch}", "nfdump -V", "nfdump"),
        Tool("argus", "argus -X -r {capture} -w -", "argus -h", "argus-server"),
        Tool("ndpiReader", "ndpiReader -q -i {capture}", "ndpiReader -h", "libndpi-bin"),
        Tool("tshark -z conv,tcp", "tshark -n -q -r {capture} -z conv,tcp", "tshark -v", "tshark", slow=True),
        Tool("nfstream", "{nfstream_python} -P -c {nfstream} {capture}", THEIR_VERSION, slow=True),
        Tool("classifier: meter alone", "{python} -P -c {meter} {capture}", OUR_VERSION),
        Tool("classifier report", "{python} -P -m classifier report {capture}", OUR_VERSION),
        Tool(
            "classifier flows → Parquet",
            "{python} -P -m classifier flows {capture} --format parquet -o {scratch}/flows.parquet",
            OUR_VERSION,
        ),
    ]


def words(command: str, setting: Setting) -> list[str]:
    """The command's arguments."""
    return [word.format_map(setting) for word in shlex.split(command)]


def measure(command: list[str], limit_s: float) -> tuple[Run, str, str]:
    """Run a command to its end: its cost, the end of its standard output, and what went wrong or nothing."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said if command[0] == "tcpdump" else subprocess.DEVNULL,
            stderr=complained,
            start_new_session=True,
        )
        timer = threading.Timer(limit_s, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        problem = ""
        if process.returncode:
            lines = _tail(complained).strip().splitlines() or ["no message"]
            problem = f"exit status {process.returncode}: {lines[-1].strip()}"
            if wall_s >= limit_s:
                problem = f"stopped after {limit_s:g} s"
        return Run(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), _tail(said), problem


def _tail(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
    return file.read().decode(errors="replace")


def once(tool: Tool, setting: Setting, limit_s: float) -> str:
    """Run a tool once, and note the cost or the problem; return what it printed."""
    shutil.rmtree(setting["scratch"], ignore_errors=True)
    os.mkdir(setting["scratch"])
    command = words(tool.command, setting)
    output, result = "", ""
    if shutil.which(command[0]) is None:
        tool.problem = f"not installed (package {tool.package})" if tool.package else f"no {command[0]}"
    else:
        run, output, tool.problem = measure(command, limit_s)
        result = f"{run.wall_s:8.2f} s"
        tool.runs.append(run)
    print(f"  {tool.name:28} {tool.problem or result}", file=sys.stderr)
    if tool.problem and tool.name == FLOOR:
        raise SystemExit(f"{FLOOR} is what all are compared with")
    return output


def race(chosen: list[Tool], setting: Setting, rounds: int, limit_s: float) -> int:
    """Warm up, run all rounds, and return the number of packets in the capture."""
    packets = 0
    for tool in chosen:
        output = once(tool, setting, limit_s)
        tool.runs.clear()
        if tool.name == FLOOR and (found := re.search(r"(\d+) packet", output)):
            packets = int(found[1])
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        turn = number % len(chosen)
        for tool in chosen[turn:] + chosen[:turn]:
            if not tool.problem:
                once(tool, setting, limit_s)
    return packets


def version(tool: Tool, setting: Setting) -> str:
    """The first thing that looks like a version in what the tool says of itself."""
    answer = subprocess.run(words(tool.version, setting), capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(?:\.\w+)*", answer.stdout + answer.stderr)
    return found[0] if found and (answer.returncode == 0 or tool.package) else "?"


def row(tool: Tool, floor: Tool, packets: int, setting: Setting) -> tuple[str, ...]:
    """The tool's line of the table."""
    walls = [run.wall_s for run in tool.runs]
    peak_mb = max(run.peak_mb for run in tool.runs)
    # A child counts its parent's memory until it has become another program.
    own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        tool.name,
        version(tool, setting),
        f"{median(walls):.2f}",
        f"{min(walls):.2f}–{max(walls):.2f}",
        f"{median(run.cpu_s for run in tool.runs):.2f}",
        f"{peak_mb:.0f}" if peak_mb > own_mb else f"<{own_mb:.0f}",
        f"{packets / median(walls):,.0f}",
        f"{median(run.wall_s / base.wall_s for run, base in zip(tool.runs, floor.runs, strict=True)):.1f}",
    )


def environment(setting: Setting, packets: int, rounds: int) -> str:
    """Where and on what it was measured."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    python = subprocess.run([setting["python"], "-V"], capture_output=True, text=True, check=True).stdout
    capture = Path(setting["capture"])
    size_gb = capture.stat().st_size / 1e9
    return (
        f"{found[1] if found else platform.processor()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}, {python.strip()}; {capture.name}: {packets:,} packets, {size_gb:.2f} GB; "
        f"median of {rounds} rounds after a warm-up"
    )


def plain(rows: list[tuple[str, ...]]) -> str:
    """The table for the terminal."""
    widths = [max(len(line[i]) for line in [HEADINGS, *rows]) for i in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in [HEADINGS, *rows]
    )


def markdown(rows: list[tuple[str, ...]], left_out: list[str], where: str) -> str:
    """The table as Markdown."""
    rule = ("---", "---", *["---:"] * (len(HEADINGS) - 2))
    lines = [f"| {' | '.join(line)} |" for line in [HEADINGS, rule, *rows]]
    return "\n".join([*lines, "", where + ".", *(f"\n- {text}" for text in left_out), ""])


def main() -> None:
    """Parse the arguments, make the capture if need be, measure and print."""
    parser = argparse.ArgumentParser(description="Time this program and its peers on one capture.")
    parser.add_argument("--capture", type=Path, default=CAPTURE, help="default: benchmarks/data/large.pcap")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow", action="store_true", help="tshark and nfstream too: minutes")
    parser.add_argument("--only", action="append", help="only tools whose name contains this (repeatable)")
    parser.add_argument("--python", default=sys.executable, help="the Python that has classifier installed")
    parser.add_argument("--nfstream-python", help="the Python that has nfstream; default: the same")
    parser.add_argument("--limit", type=float, default=1800, metavar="SECONDS", help="end a longer run")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table there")
    arguments = parser.parse_args()

    if not arguments.capture.exists():
        if arguments.capture != CAPTURE:
            parser.error(f"{arguments.capture}: no such file")
        subprocess.run([sys.executable, str(HERE / "make_capture.py")], check=True)
    os.environ["PATH"] += os.pathsep + "/usr/sbin"  # where some daemons are, off a user's path
    chosen = [
        tool
        for tool in tools()
        if tool.name == FLOOR
        or (
            any(o in tool.name for o in arguments.only) if arguments.only else arguments.slow or not tool.slow
        )
    ]
    with tempfile.TemporaryDirectory() as scratch, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        setting = {
            "capture": str(arguments.capture),
            "python": arguments.python,
            "nfstream_python": arguments.nfstream_python or arguments.python,
            "scratch": scratch + "/out",  # an empty directory for each run
            "sink": f"127.0.0.1:{sink.getsockname()[1]}",  # for exporters
            "meter": METER_ALONE,
            "nfstream": NFSTREAM,
        }
        print("warm-up", file=sys.stderr)
        packets = race(chosen, setting, max(1, arguments.rounds), arguments.limit)
        rows = [row(tool, chosen[0], packets, setting) for tool in chosen if not tool.problem]
        left_out = [f"{tool.name}: not timed, {tool.problem}" for tool in chosen if tool.problem]
        where = environment(setting, packets, arguments.rounds)
    print(plain(rows), where, *left_out, sep="\n")
    if arguments.markdown:
        arguments.markdown.write_text(markdown(rows, left_out, where), encoding="utf-8")


if __name__ == "__main__":
    main()
