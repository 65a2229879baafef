"""How time and memory grow with packets and with flows: `classifier report` on the captures of streams.py."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from pathlib import Path
from statistics import linear_regression
from typing import TYPE_CHECKING, Any

from tools import measure

if TYPE_CHECKING:
    pass

HERE = Path(__file__).parent
SERIES = ("packets", "flows")


@dataclass(frozen=True)
class Point:
    """What a capture of some size cost."""

    series: str
    count: int
    cpu_s: float
    wall_s: float
    peak_mb: float


def points(series: str, counts: list[int], python: str, limit_s: float) -> Iterator[Point]:
    """Measure `classifier report` on captures of growing size."""
    for count in counts:
        feed = subprocess.Popen(
            [sys.executable, str(HERE / "streams.py"), series, str(count)], stdout=subprocess.PIPE
        )
        command = [python, "-P", "-m", "classifier", "report", "-"]
        assert feed.stdout
        run, _, problem = measure(command, limit_s, feed.stdout)
        feed.stdout.close()
        feed.kill()
        feed.wait()
        print(
            f"  {count:>11,} {series:8} {problem or f'{run.cpu_s:8.2f} s, {run.peak_mb:.0f} MB'}",
            file=sys.stderr,
        )
        if problem:
            return
        yield Point(series, count, run.cpu_s, run.wall_s, run.peak_mb)


def exponent(found: list[Point], value: str, without: float = 0.0) -> float | None:
    """The power of the count with which a value grows, fitted over its two largest decades and a half."""
    last = [
        point for point in found if point.count * 400 >= found[-1].count and getattr(point, value) > without
    ]
    if len(last) < 2:
        return None
    x = [log(point.count) for point in last]
    return linear_regression(x, [log(getattr(point, value) - without) for point in last]).slope


def plot(found: list[Point], path: Path) -> None:
    """Draw time and memory over packets and flows, both scales logarithmic."""
    import altair as alt  # only now: it would count as memory of what is measured

    def panel(series: str, value: str, title: str) -> Any:
        rows = [{"n": point.count, "y": getattr(point, value)} for point in found if point.series == series]
        return (
            alt.Chart(alt.Data(values=rows), width=260, height=180)  # type: ignore[no-untyped-call]
            .mark_line(point=True)
            .encode(
                x=alt.X("n:Q", title=series).scale(type="log").axis(format="~s"),
                y=alt.Y("y:Q", title=title).scale(type="log").axis(format="~s"),
            )
        )

    columns = [
        panel(series, "cpu_s", "processor time, s") | panel(series, "peak_mb", "peak memory, MB")
        for series in SERIES
        if any(point.series == series for point in found)
    ]
    alt.vconcat(*columns).save(str(path))
