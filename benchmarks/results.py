"""What was measured, as tables for the terminal and for RESULTS.md."""

import os
import platform
import re
import resource
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from captures import Capture
from growth import SERIES, Point, exponent
from tools import FLOOR, Setting, Tool, version

HEADINGS = ("tool", "version", "wall s", "min–max", "CPU s", "peak MB", "packets/s", "× tcpdump")
_METER, _REPORT = "classifier: meter alone", "classifier report"
#: What the program should reach on the large capture: of wall clock.
AIMS = (
    (_METER, FLOOR, 0.6),
    (_REPORT, "softflowd", 0.6),
    (_REPORT, "ndpiReader", 1 / 5),
    (_REPORT, "nfstream", 1 / 25),
)
MOST_MB = 250
#: Factor by which a packet may take longer where there are many flows.
MOST_SLOWER = 1.3


@dataclass
class Table:
    """What the tools cost with one capture."""

    capture: str
    title: str
    rows: list[tuple[str, ...]]
    left_out: list[str]
    """Tools that failed, and why."""
    walls: dict[str, float] = field(default_factory=dict)
    cpus: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    packets: int = 0

    def plain(self) -> str:
        """The table for the terminal."""
        lines = [HEADINGS, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        )

    def markdown(self) -> str:
        """The table as Markdown, with its title and what failed."""
        rule = ("---", "---", *["---:"] * (len(HEADINGS) - 2))
        lines = [f"| {' | '.join(line)} |" for line in [HEADINGS, rule, *self.rows]]
        return "\n".join([f"## {self.title}", "", *lines, *(f"\n- {text}" for text in self.left_out), ""])


def table(capture: Capture, chosen: list[Tool], packets: int, setting: Setting) -> Table:
    """Sum up the rounds of one capture."""
    timed = [tool for tool in chosen if not tool.problem]
    size_gb = capture.path.stat().st_size / 1e9
    title = f"{capture.name.capitalize()}: {capture.what}, {packets:,} packets, {size_gb:.2f} GB"
    return Table(
        capture.name,
        title,
        [_row(tool, chosen[0], packets, setting) for tool in timed],
        [f"{tool.name}: not timed, {tool.problem}" for tool in chosen if tool.problem],
        {tool.name: median(run.wall_s for run in tool.runs) for tool in timed},
        {tool.name: median(run.cpu_s for run in tool.runs) for tool in timed},
        {tool.name: max(run.peak_mb for run in tool.runs) for tool in timed},
        packets,
    )


def _row(tool: Tool, floor: Tool, packets: int, setting: Setting) -> tuple[str, ...]:
    """The tool's line of the table."""
    walls = [run.wall_s for run in tool.runs]
    peak_mb = max(run.peak_mb for run in tool.runs)
    # A child counts its parent's memory until it has become another program.
    own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        tool.name,
        version(tool, setting),
        f"{median(walls):.2f}",
        f"{min(walls):.2f}–{max(walls):.2f}" if len(walls) > 1 else "once",
        f"{median(run.cpu_s for run in tool.runs):.2f}",
        f"{peak_mb:.0f}" if peak_mb > own_mb else f"<{own_mb:.0f}",
        f"{packets / median(walls):,.0f}",
        # A slow tool has fewer rounds than the floor.
        f"{median(run.wall_s / base.wall_s for run, base in zip(tool.runs, floor.runs, strict=False)):.1f}",
    )


def load() -> float:
    """How many processes wanted to run during the last minute."""
    return os.getloadavg()[0]


def environment(python: str, begun: float) -> str:
    """Where it was measured, and how busy the machine was when that began."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    answer = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout
    return (
        f"{found[1] if found else platform.processor()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}, {answer.strip()}; load before the first run {begun:.1f}"
    )


def text(tables: list[Table], found: list[Point], where: str) -> str:
    """All of RESULTS.md."""
    parts = [
        "# Results",
        "",
        f"Written by `benchmarks/run.py` ({where}). What the columns mean: [README.md](README.md).",
        "",
        *_aims(tables),
        *(table.markdown() for table in tables),
        *_growth(found),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _aims(tables: list[Table]) -> list[str]:
    """Compare what was measured on the large capture with what was aimed at."""
    named = {table.capture: table for table in tables}
    large, many = named.get("large"), named.get("many flows")
    if large is None or _REPORT not in large.peaks:
        return []
    lines = []
    for tool, other, most in AIMS:
        if tool in large.walls and other in large.walls:
            wall, cpu = large.walls[tool] / large.walls[other], large.cpus[tool] / large.cpus[other]
            lines.append(_aim(f"{tool} / {other}", most, wall, f"{wall:.2f} | {cpu:.2f}"))
    peak = large.peaks[_REPORT]
    lines.append(_aim(f"peak memory of {_REPORT}, MB", MOST_MB, peak, f"{peak:.0f} | "))
    if many and _METER in many.cpus and _METER in large.cpus:
        slower = many.cpus[_METER] / many.packets * large.packets / large.cpus[_METER]
        what = f"{_METER}, a packet of many flows / of the large capture"
        lines.append(_aim(what, MOST_SLOWER, slower, f" | {slower:.2f}"))
    head = ["| of the large capture | aim | wall | CPU | met |", "|---|---:|---:|---:|---|"]
    return ["## Aims", "", *head, *lines, ""]


def _aim(what: str, most: float, found: float, told: str) -> str:
    return f"| {what} | ≤ {most:.2f} | {told} | {'yes' if found <= most else 'no'} |"


def _growth(found: list[Point]) -> list[str]:
    """Describe how time and memory grow."""
    if not found:
        return []
    lines = [
        "## Growth",
        "",
        "`classifier report` on made-up captures through a pipe ([streams.py](streams.py)): time is",
        "the processor's, with start-up; exponents are fitted over the upper decades, of time without it.",
        "",
        "![Time and memory over packets and flows](growth.svg)",
        "",
        "| | count | CPU s | µs each | wall s | peak MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    fits = []
    for series in SERIES:
        some = [point for point in found if point.series == series]
        for point in some:
            each = (point.cpu_s - some[0].cpu_s) / point.count * 1e6
            told = f"{each:.2f}" if point is not some[0] else ""
            cells = (series, f"{point.count:,}", f"{point.cpu_s:.2f}", told, f"{point.wall_s:.2f}")
            lines.append(f"| {' | '.join(cells)} | {point.peak_mb:.0f} |")
        if some:
            time, memory = exponent(some, "cpu_s", some[0].cpu_s), exponent(some, "peak_mb")
            if time is not None and memory is not None:
                fits.append(
                    f"- over {series}: time grows with the power {time:.2f}, memory with {memory:.2f}"
                )
    return [*lines, "", *fits]
