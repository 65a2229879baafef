"""Real servers and clients in network namespaces: what is seen live is what is read afterwards."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest
from launching import COMMAND, environment
from pyarrow import parquet
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from support.rows import row_dicts
from world import (
    CLIENT,
    PATIENCE_S,
    SERVER,
    World,
    needs_filters,
    needs_root,
    servers,
    succeed,
    talk,
    wait_until,
)

import classifier
from classifier.live.capture.engines import ENGINES

pytestmark = needs_root


@pytest.fixture(autouse=True)
def nothing_goes_on() -> Iterator[None]:
    yield
    while Live.started:
        Live.started.pop().kill()


class Live:
    """The command line at work inside the servers' namespace."""

    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(
        self, here: World, folder: Path, *options: str, sources: tuple[str, ...] = ("wire",)
    ) -> None:
        self.output = folder / "windows.jsonl"
        command = here.inside(*COMMAND, "live", *sources, "--format", "jsonl", "--window", "0.2", *options)
        with open(self.output, "wb") as file:
            self.process = subprocess.Popen(
                command, env=environment(), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE
            )
        self.started.append(self.process)
        wait_until(lambda: self.lines or self.process.poll() is not None)

    @property
    def lines(self) -> list[dict[str, object]]:
        whole = self.output.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def packets(self) -> int:
        return sum(int(str(line.get("packets", 0))) for line in self.lines)

    @property
    def news(self) -> str:
        return " ".join(str(line.get("news")) for line in self.lines)

    def settle(self) -> None:
        """Wait until nothing more comes."""
        before, quiet_since = -1, time.monotonic()
        while time.monotonic() - quiet_since < 1.5:
            if self.packets != before:
                before, quiet_since = self.packets, time.monotonic()
            time.sleep(0.1)

    def end(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        _, error = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, error
        return error.decode()


def recorded(folder: Path) -> pa.Table:
    """All files of a recording, as one table in the order of `first_seen`."""
    tables = [parquet.read_table(path) for path in folder.glob("*.parquet")]
    table = pa.concat_tables(tables, promote_options="default")
    return table.sort_by([("first_seen", "ascending"), ("flow_id", "ascending")])


def as_rows(table: pa.Table) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = table.drop_columns("capture").to_pylist()
    return rows


@pytest.mark.parametrize("engine", ENGINES)
def test_live_is_what_is_read_afterwards(here: World, open_folder: Path, engine: str) -> None:
    if engine != "socket" and subprocess.run(["which", engine], capture_output=True).returncode:
        pytest.skip(f"needs {engine}")
    kept = open_folder / "kept.pcapng"
    options = ["--engine", engine, "--pcap", str(kept), "--write", str(open_folder / "flows.parquet")]
    with servers(here, open_folder):
        live = Live(here, open_folder, *options)
        talk(here)
        live.settle()
        assert live.end() == ""
    offline = classifier.read(kept)
    assert as_rows(recorded(open_folder)) == as_rows(offline.to_arrow())
    report = live.lines[-1]["report"]
    assert isinstance(report, dict)
    assert report["accounting"] == dict(offline.accounting)
    names = {(row["service"], row["role"]) for row in row_dicts(offline)}
    assert {("http", "confirmed"), ("ssh", "confirmed")} <= names
    assert live.packets == offline.accounting["packets"] > 50


@pytest.mark.parametrize("sources", [("wire", "lo"), ("any",)], ids="+".join)
def test_several_interfaces(here: World, open_folder: Path, sources: tuple[str, ...]) -> None:
    with servers(here, open_folder):
        live = Live(here, open_folder, sources=sources)
        talk(here)
        live.settle()
        live.end()
    report = live.lines[-1]["report"]
    assert isinstance(report, dict)
    served = {(row["server_ip"], row["server_port"]) for row in report["servers"]}
    assert {(SERVER, 80), (SERVER, 22)} <= served


def test_the_loopback_interface_shows_a_packet_once(here: World, open_folder: Path) -> None:
    live = Live(here, open_folder, sources=("lo",))
    script = "import socket; socket.socket(2, 2).sendto(b'x', ('127.0.0.1', 9))"
    succeed(*here.inside(*COMMAND[:2], "-c", script))
    wait_until(lambda: live.packets)
    live.settle()
    live.end()
    assert live.packets == 2  # the datagram, and ICMP's answer


@needs_filters
def test_a_filter_is_the_kernels(here: World, open_folder: Path) -> None:
    live = Live(here, open_folder, "--filter", "tcp port 80")
    with servers(here, open_folder):
        talk(here)
        live.settle()
        live.end()
    report = live.lines[-1]["report"]
    assert isinstance(report, dict)
    assert [row["service"] for row in report["services"]] == ["http"]


def test_vlan_tags_that_the_kernel_takes_out_are_put_back(here: World, open_folder: Path) -> None:
    kept = open_folder / "kept.pcapng"
    live = Live(here, open_folder, "--engine", "socket", "--pcap", str(kept))
    packet = (
        Ether(dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=42) / IP(src=CLIENT, dst=SERVER) / UDP(sport=7, dport=9)
    )
    script = (
        f"import socket; one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); "
        f"one.bind(('wire', 0)); one.send(bytes.fromhex('{bytes(packet).hex()}'))"
    )
    succeed(*here.inside(*COMMAND[:2], "-c", script, clients=True))
    wait_until(lambda: live.packets)
    live.settle()
    live.end()
    assert {row["vlan"] for row in row_dicts(classifier.read(kept))} == {42}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_interface_that_goes_down_is_waited_for(here: World, open_folder: Path, engine: str) -> None:
    if engine != "socket" and subprocess.run(["which", engine], capture_output=True).returncode:
        pytest.skip(f"needs {engine}")
    # As root: a child that ended can only be started again with its rights.
    live = Live(here, open_folder, "--engine", engine, "--user", "root")
    with servers(here, open_folder):
        talk(here)
        wait_until(lambda: live.packets)
        succeed("ip", "-n", here.servers, "link", "set", "wire", "down")
        wait_until(lambda: "waiting" in live.news)
        before = live.packets
        succeed("ip", "-n", here.servers, "link", "set", "wire", "up")
        wait_until(lambda: "again" in live.news)
        talk(here)
        wait_until(lambda: live.packets > before + 20)
        live.end()


def test_it_becomes_another_user_before_it_parses(here: World, open_folder: Path) -> None:
    live = Live(here, open_folder)
    status = Path(f"/proc/{live.process.pid}/status").read_text()
    told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in told["Uid"].split()
    assert int(told["CapEff"], 16) == int(told["CapPrm"], 16) == 0
    live.end()


def test_sniff_yields_the_traffic_of_windows(here: World, open_folder: Path) -> None:
    """In a process of its own, since it has to be inside the namespace."""
    script = (
        "import sys, classifier\n"
        "flows = set()\n"
        "for traffic in classifier.sniff('wire', window_s=0.2):\n"
        "    flows |= set(traffic.to_arrow()['service'].to_pylist())\n"
        "    if 'http' in flows:\n        break\n"
        "print(sorted(map(str, flows)))"
    )
    with servers(here, open_folder):
        command = here.inside(*COMMAND[:2], "-c", script)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while process.poll() is None:
            talk(here)
        output, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, error
    assert b"'http'" in output
