"""This program and the tools a user would take instead: their commands, and what a run of one costs."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from typing import IO

from captures import Capture

METER_ALONE = """
import sys
from classifier import _meter, payload
from classifier.metering.options import MeterOptions
reader = _meter.read(
    sys.argv[1],
    payload.load().compiled,
    MeterOptions(tcp_idle_ns=300 * 10**9, udp_idle_ns=120 * 10**9, max_flows=250_000),
)
rows = sum(batch.num_rows for batch in reader)
print(rows)
"""
NFSTREAM = """
import sys
from nfstream import NFStreamer
print(sum(1 for flow in NFStreamer(source=sys.argv[1])))
"""

FLOOR = "tcpdump --count"
Setting = dict[str, str]


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
    unpacks: bool = False
    """It reads packed captures; others get them through a pipe."""
    runs: list[Run] = field(default_factory=list)
    problem: str = ""


OUR_VERSION = "{python} -P -c 'import importlib.metadata as m; print(m.version(\"pcap-classifier\"))'"
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
        Tool(
            "tshark -z conv,tcp",
            "tshark -n -q -r {capture} -z conv,tcp",
            "tshark -v",
            "tshark",
            slow=True,
            unpacks=True,
        ),
        Tool("nfstream", "{nfstream_python} -P -c {nfstream} {capture}", THEIR_VERSION, slow=True),
        Tool("classifier: meter alone", "{python} -P -c {meter} {capture}", OUR_VERSION, unpacks=True),
        Tool("classifier report", "{python} -P -m classifier report {capture}", OUR_VERSION, unpacks=True),
        Tool(
            "classifier flows → Parquet",
            "{python} -P -m classifier flows {capture} --format parquet -o {scratch}/flows.parquet",
            OUR_VERSION,
            unpacks=True,
        ),
    ]


def words(command: str, setting: Setting) -> list[str]:
    """The command's arguments."""
    return [word.format_map(setting) for word in shlex.split(command)]


def reading(tool: Tool, capture: Capture, setting: Setting) -> list[str]:
    """The tool's command for a capture."""
    if not capture.unpacker or tool.unpacks:
        return words(tool.command, setting | {"capture": str(capture.path)})
    fed = words(tool.command, setting | {"capture": "-"})
    return ["sh", "-c", f"{capture.unpacker} {shlex.quote(str(capture.path))} | {shlex.join(fed)}"]


def measure(
    command: list[str], limit_s: float, stdin: int | IO[bytes] = subprocess.DEVNULL, *, listen: bool = False
) -> tuple[Run, str, str]:
    """Run a command to its end: its cost, the end of its standard output if listened to, and the problem."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=said if listen else subprocess.DEVNULL,
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


def once(tool: Tool, capture: Capture, setting: Setting, limit_s: float) -> str:
    """Run a tool once, and note the cost or the problem; return what it printed."""
    shutil.rmtree(setting["scratch"], ignore_errors=True)
    os.mkdir(setting["scratch"])
    output, result = "", ""
    program = words(tool.command, setting | {"capture": "-"})[0]
    if shutil.which(program) is None:
        tool.problem = f"not installed (package {tool.package})" if tool.package else f"no {program}"
    else:
        command = reading(tool, capture, setting)
        run, output, tool.problem = measure(command, limit_s, listen=tool.name == FLOOR)
        result = f"{run.wall_s:8.2f} s"
        tool.runs.append(run)
    print(f"  {tool.name:28} {tool.problem or result}", file=sys.stderr)
    if tool.problem and tool.name == FLOOR:
        raise SystemExit(f"{FLOOR} is what all are compared with: {tool.problem}")
    return output


def race(chosen: list[Tool], capture: Capture, setting: Setting, rounds: int, limit_s: float) -> int:
    """Run all rounds, slow tools in the first only, and return the number of packets in the capture."""
    packets = 0
    for number in range(rounds):
        print(f"{capture.name}, round {number + 1} of {rounds}", file=sys.stderr)
        turn = number % len(chosen)
        for tool in chosen[turn:] + chosen[:turn]:
            if tool.problem or (tool.slow and number):
                continue
            output = once(tool, capture, setting, limit_s)
            if tool.name == FLOOR and (found := re.search(r"(\d+) packet", output)):
                packets = int(found[1])
    return packets


def version(tool: Tool, setting: Setting) -> str:
    """Return the first version number in the output of the tool."""
    answer = subprocess.run(words(tool.version, setting), capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(?:\.\w+)*", answer.stdout + answer.stderr)
    return found[0] if found and (answer.returncode == 0 or tool.package) else "?"
