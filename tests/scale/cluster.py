"""A Dask cluster on loopback: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 60


@dataclass
class Cluster:
    address: str
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """Start it; all its processes end with the block."""
    contact = folder / "scheduler.json"
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str, *args: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", f"distributed.cli.{program}", *args]
        said = open(folder / f"{program}-{len(started)}.log", "wb")
        started.append(subprocess.Popen(command, cwd=folder, stdout=said, stderr=said))
        said.close()
        return started[-1]

    try:
        start(
            "dask_scheduler",
            *("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(contact)),
        )
        working = [
            start(
                "dask_worker",
                *("--no-nanny", "--nthreads", "1", "--no-dashboard", "--scheduler-file", str(contact)),
                *("--host", "127.0.0.1", "--local-directory", str(folder)),
            )
            for _ in range(workers)
        ]
        yield Cluster(_address(contact), working)
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def _address(contact: Path) -> str:
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        try:
            address: str = json.loads(contact.read_text())["address"]
        except (FileNotFoundError, json.JSONDecodeError):
            time.sleep(0.05)
        else:
            return address
    raise TimeoutError("the scheduler doesn't start")
