"""What an installation takes: the core's size, what each extra adds, and how long the start takes.

    python benchmarks/sizes.py [--wheel FILE]

Without a wheel one is built. Everything is installed into environments of its own, in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "samples/socks-1080.pcap"
#: What a user waits for, and how it is called.
STARTS = {
    "`import classifier`": ("python", "-c", "import classifier"),
    "`classifier --version`": ("classifier", "--version"),
    "`classifier ports 1080`": ("classifier", "ports", "1080"),
    "`classifier report` of 54 packets": ("classifier", "report", str(SAMPLE)),
}
RUNS = 9
MB = 1e6


def install(folder: Path, wheel: Path, extra: str | None) -> tuple[float, int]:
    """Install into a new environment; return the megabytes and the number of packages."""
    venv.create(folder, with_pip=True)
    (site,) = folder.glob("lib/python*/site-packages")
    before, names = size(site), packages(site)
    what = f"{wheel}[{extra}]" if extra else str(wheel)
    pip = [
        folder / "bin/python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-compile",
    ]
    subprocess.run([*pip, what], check=True)
    return (size(site) - before) / MB, len(packages(site)) - len(names)


def size(folder: Path) -> int:
    """Add up the bytes of all files, without compiled ones, which come and go."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sum(path.stat().st_size for path in files)


def packages(site: Path) -> list[Path]:
    """List what is installed."""
    return list(site.glob("*.dist-info"))


def start(folder: Path, program: str, *arguments: str) -> tuple[float, float]:
    """Return the medians of wall clock and processor time of a call, in seconds."""
    walls, processor = [], []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        process = subprocess.Popen([folder / "bin" / program, *arguments], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        walls.append(time.perf_counter() - began)
        processor.append(used.ru_utime + used.ru_stime)
        process.returncode = status
        if status:
            raise SystemExit(f"{program} {' '.join(arguments)} failed")
    # The first run compiles to bytecode and fills the page cache.
    return statistics.median(walls[1:]), statistics.median(processor[1:])


def main() -> None:
    """Print both tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wheel", type=Path)
    wheel = parser.parse_args().wheel
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [name for name in project["optional-dependencies"] if name != "dev"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if wheel is None:
            build = [
                sys.executable,
                "-m",
                "pip",
                "wheel",
                "--quiet",
                "--no-deps",
                "--wheel-dir",
                folder,
                ROOT,
            ]
            subprocess.run(build, check=True)
            (wheel,) = folder.glob("pcap_classifier-*.whl")
        core, count = install(folder / "core", wheel.resolve(), None)
        print("| installed | MB | packages |\n|---|---:|---:|")
        print(f"| the wheel, packed | {wheel.stat().st_size / MB:.1f} | |")
        print(f"| the program | {core:.0f} | {count} |", flush=True)
        for extra in extras:
            whole, packed = install(folder / extra, wheel.resolve(), extra)
            print(f"| extra `{extra}` | + {whole - core:.0f} | + {packed - count} |", flush=True)
        print("\n| start | wall clock, s | processor, s |\n|---|---:|---:|")
        for what, call in STARTS.items():
            wall, processor = start(folder / "core", *call)
            print(f"| {what} | {wall:.2f} | {processor:.2f} |", flush=True)


if __name__ == "__main__":
    main()
