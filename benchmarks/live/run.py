"""Finds the packet rate up to which nothing is lost live: of this program's engines, and of other tools.

    sudo python benchmarks/live/run.py --nfstream-python nfs/bin/python --markdown table.md

In two network namespaces of its own, joined by a veth pair, `send.py` replays a capture at rising rates, and
one tool after the other listens at the far end, on the same machine. What a tool has seen in the end is
compared with what was sent. Linux, root.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
CAPTURE = HERE.parent / "data" / "large.pcap"
NFSTREAM = """
from nfstream import NFStreamer
for flow in NFStreamer(source="wire", performance_report=1):
    pass
"""
#: Seconds without a new packet after which a tool has seen all it will.
QUIET_S, PATIENCE_S = 3.0, 60.0
#: Packets a second after the others.
TRICKLE = 10


@dataclass(frozen=True)
class Trial:
    """What came of one rate."""

    sent: int
    rate: float
    seen: int
    cpu_s: float

    @property
    def lost(self) -> float:
        """Share of the packets that were not seen."""
        return max(0, self.sent - self.seen) / self.sent


@dataclass
class Tool:
    """One row of the table. `ready` is its output when it listens; matches of `seen` are its counts."""

    name: str
    command: str
    ready: str
    seen: str
    #: Its counts add up; else the last one is all.
    windows: bool = False
    #: What to take off it: its counts of what it has lost.
    lost: str = ""
    #: Packets that it may not have reported in the end, as it reports once a second.
    untold: int = 0
    #: A command that makes it print its counts; else it prints them periodically, or in the end.
    ask: str = ""
    trials: dict[int, Trial] = field(default_factory=dict)
    problem: str = ""

    def count(self, text: str) -> int:
        """The packets that it has seen, by its output."""
        counts = [int(found) for found in re.findall(self.seen, text)] or [0]
        lost = [int(found) for found in re.findall(self.lost, text)] if self.lost else [0]
        return sum(counts) if self.windows else counts[-1] - lost[-1]


def tools(arguments: argparse.Namespace, scratch: str) -> list[Tool]:
    """Every tool."""
    live = f"{arguments.python} -P -m classifier live wire --format jsonl --engine"
    packets = r'"window_s".*?"packets": (\d+)'
    control = f"{scratch}/softflowd.ctl"
    return [
        *(
            Tool(f"classifier live, {engine}", f"{live} {engine}", '"window_s"', packets, windows=True)
            for engine in ("socket", "dumpcap", "tcpdump")
        ),
        Tool(
            "softflowd",
            f"softflowd -i wire -d -6 -m 1000000 -v 9 -n 127.0.0.1:9 -c {control} -p {scratch}/pid",
            "starting data collection",
            r"Packets received by libpcap: (\d+)",
            lost=r"Packets dropped by libpcap: (\d+)",
            ask=f"softflowctl -c {control} statistics",
        ),
        Tool(
            "tshark -z conv,tcp",
            "tshark -n -q -i wire -z conv,tcp",
            "Capture started",
            r"(\d+) packets? captured",
        ),
        Tool(
            "nfstream",
            f"{arguments.nfstream_python} -P -c {shlex.quote(NFSTREAM)}",
            "packets_processed",
            r'"packets_processed": (\d+)',
            untold=2 * TRICKLE,
        ),
    ]


@contextmanager
def namespaces() -> Iterator[tuple[str, str]]:
    """Two namespaces, in each of which the interface `wire` is an end of the same line."""
    names = (f"classifier-{os.getpid()}-a", f"classifier-{os.getpid()}-b")
    with ExitStack() as stack:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=True)
        ends = ["wire", "netns", names[0], "type", "veth", "peer", "name", "wire", "netns", names[1]]
        subprocess.run(["ip", "link", "add", "name", *ends], check=True)
        for name in names:
            quiet = ["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"]  # no chatter of its own
            subprocess.run(["ip", "netns", "exec", name, *quiet], check=True)
            for interface in ("lo", "wire"):
                subprocess.run(["ip", "-n", name, "link", "set", interface, "up"], check=True)
        yield names


def trial(tool: Tool, ends: tuple[str, str], arguments: argparse.Namespace, rate: int, scratch: str) -> Trial:
    """Let a tool listen while packets are sent at a rate."""
    said = Path(scratch, "said")
    with open(said, "wb") as file:
        process = subprocess.Popen(
            ["ip", "netns", "exec", ends[1], *shlex.split(tool.command)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=scratch,
            process_group=0,
        )
    try:
        wait_until(lambda: re.search(tool.ready, said.read_text(errors="replace")), process)
        time.sleep(0.5)
        sent = send(ends[0], arguments, rate, arguments.seconds)
        time.sleep(1)
        # Some tools deliver or report packets only when more arrive.
        late = send(ends[0], arguments, TRICKLE, 2)
        settle(tool, said, scratch)
        os.killpg(process.pid, signal.SIGINT)
        cpu_s = wait_for_the_end(process)
        seen = tool.count(said.read_text(errors="replace"))
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    packets = int(sent["packets"] + late["packets"])
    if packets - seen <= tool.untold:
        seen = packets
    return Trial(packets, sent["packets"] / sent["seconds"], seen, cpu_s)


def send(end: str, arguments: argparse.Namespace, rate: int, seconds: float) -> dict[str, float]:
    """Send packets; returns how many, and in how many seconds."""
    command = [arguments.python, str(HERE / "send.py"), "wire", str(arguments.capture)]
    given = ["--rate", str(rate), "--seconds", str(seconds), "--most", "3200000"]
    done = subprocess.run(
        ["ip", "netns", "exec", end, *command, *given], check=True, capture_output=True, text=True
    )
    sent: dict[str, float] = json.loads(done.stdout)
    return sent


def settle(tool: Tool, said: Path, scratch: str) -> None:
    """Wait until a tool has seen all that it will."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        if tool.ask:
            answer = subprocess.run(shlex.split(tool.ask), cwd=scratch, capture_output=True, check=False)
            with open(said, "ab") as file:
                file.write(answer.stdout)
        if (seen := tool.count(said.read_text(errors="replace"))) != before:
            before, since = seen, time.monotonic()
        time.sleep(0.25)


def wait_until(it_happens: object, process: subprocess.Popen[bytes]) -> None:
    """Wait for a tool to be ready."""
    assert callable(it_happens)
    end = time.monotonic() + PATIENCE_S
    while not it_happens():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("it didn't begin to listen")
        time.sleep(0.05)


def wait_for_the_end(process: subprocess.Popen[bytes]) -> float:
    """Wait for a tool to end; returns the processor time of it and its children."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        number, status, usage = os.wait4(process.pid, os.WNOHANG)
        if number:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime
        time.sleep(0.05)
    raise RuntimeError(f"it hadn't come to its end {PATIENCE_S:g} s after the last packet")


def climb(tool: Tool, ends: tuple[str, str], arguments: argparse.Namespace, scratch: str) -> None:
    """Try one rate after the other, up to the first at which much is lost, or the sender's highest."""
    for rate in [*arguments.rates, 0]:
        try:
            tool.trials[rate] = result = trial(tool, ends, arguments, rate, scratch)
        except RuntimeError as error:
            tool.problem = str(error)
            print(f"  {tool.name}: {error}", file=sys.stderr)
            return
        print(
            f"  {tool.name:26} {result.rate:9,.0f}/s  sent {result.sent:,}  seen {result.seen:,}  "
            f"lost {result.lost:.2%}  {result.cpu_s:.1f} s of the processor",
            file=sys.stderr,
        )
        if result.lost > 0.01 or result.rate < rate * 0.9:
            return


def row(tool: Tool, rates: list[int]) -> list[str]:
    """The tool's line of the table."""
    whole = [trial for trial in tool.trials.values() if trial.sent == trial.seen]
    best = max((trial.rate for trial in whole), default=0)
    cells = [_cell(tool.trials.get(rate), rate) for rate in [*rates, 0]]
    last = list(tool.trials.values())[-1] if tool.trials else None
    cost = f"{last.cpu_s / last.seen * 1e6:.1f}" if last and last.seen else ""
    return [tool.name, f"{best:,.0f}" if best else tool.problem or "none", *cells, cost]


def _cell(trial: Trial | None, rate: int) -> str:
    if trial is None:
        return ""
    lost = "0" if trial.sent <= trial.seen else f"{trial.lost:.2%}"
    return lost if rate and trial.rate > rate * 0.9 else f"{lost} at {trial.rate:,.0f}"


def main() -> None:
    """Parse the arguments, measure and print."""
    parser = argparse.ArgumentParser(description="Find the packet rate up to which nothing is lost.")
    parser.add_argument("--capture", type=Path, default=CAPTURE, help="default: benchmarks/data/large.pcap")
    parser.add_argument("--rates", type=int, nargs="+", default=[50_000, 100_000, 200_000, 300_000, 400_000])
    parser.add_argument("--seconds", type=float, default=8, help="how long each rate is sent")
    parser.add_argument("--only", action="append", help="only tools whose name contains this (repeatable)")
    parser.add_argument("--python", default=sys.executable, help="the Python that has classifier installed")
    parser.add_argument("--nfstream-python", help="the Python that has nfstream; default: the same")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table there")
    arguments = parser.parse_args()
    if not arguments.capture.exists():
        if arguments.capture != CAPTURE:
            parser.error(f"{arguments.capture}: no such file")
        subprocess.run([sys.executable, str(HERE.parent / "make_capture.py")], check=True)
    arguments.nfstream_python = arguments.nfstream_python or arguments.python
    for name in ("capture", "python", "nfstream_python"):  # they are used from another folder
        given = str(getattr(arguments, name))
        setattr(arguments, name, shutil.which(given) or os.path.abspath(given))
    os.environ["PATH"] += os.pathsep + "/usr/sbin"  # where some daemons are, off a user's path

    with tempfile.TemporaryDirectory() as scratch, namespaces() as ends:
        os.chmod(scratch, 0o777)  # some tools become another user
        only = arguments.only or [""]
        chosen = [tool for tool in tools(arguments, scratch) if any(part in tool.name for part in only)]
        for tool in chosen:
            if shutil.which(tool.command.split()[0]) is None:
                tool.problem = "not installed"
                continue
            climb(tool, ends, arguments, scratch)
    heads = [
        "tool",
        "no loss up to",
        *(f"{rate:,}/s" for rate in arguments.rates),
        "unpaced",
        "CPU µs a packet",
    ]
    rows = [row(tool, arguments.rates) for tool in chosen]
    lines = [f"| {' | '.join(cells)} |" for cells in [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]]
    print(*lines, sep="\n")
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
