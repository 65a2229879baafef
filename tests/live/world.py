"""Two network namespaces joined by a veth pair, with servers in one and clients in the other."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from classifier.live.capture import bpf

PATIENCE_S = 60
SERVER, CLIENT = "10.99.0.1", "10.99.0.2"
#: Why the tests can't run here, or None.
MISSING = (
    "needs root"
    if os.geteuid() != 0
    else next((f"needs {name}" for name in ("ip", "sysctl") if shutil.which(name) is None), None)
)
needs_root = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")
needs_filters = pytest.mark.skipif(
    bpf._libpcap() is None and shutil.which("tcpdump") is None,
    reason="needs libpcap or tcpdump, which compile filters",
)


def succeed(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_S).stdout


@dataclass(frozen=True)
class World:
    """The namespaces' names, and the interface of each."""

    servers: str
    clients: str
    interface: str = "wire"

    def inside(self, *command: str, clients: bool = False) -> list[str]:
        """A command as it is run in a namespace."""
        return ["ip", "netns", "exec", self.clients if clients else self.servers, *command]


@contextmanager
def world() -> Iterator[World]:
    tag = f"classifier-{os.getpid()}"
    here = World(f"{tag}-s", f"{tag}-c")
    with ExitStack() as stack:
        for name in (here.servers, here.clients):
            succeed("ip", "netns", "add", name)
            stack.callback(succeed, "ip", "netns", "del", name)
        ends = ["name", "wire", "netns", here.servers, "type", "veth"]
        succeed("ip", "link", "add", *ends, "peer", "name", "wire", "netns", here.clients)
        for name, address in ((here.servers, SERVER), (here.clients, CLIENT)):
            quiet = "net.ipv6.conf.all.disable_ipv6=1"  # no chatter of its own
            succeed("ip", "netns", "exec", name, "sysctl", "-qw", quiet)
            succeed("ip", "-n", name, "address", "add", f"{address}/24", "dev", "wire")
            for interface in ("lo", "wire"):
                succeed("ip", "-n", name, "link", "set", interface, "up")
        yield here


@contextmanager
def running(*command: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        command, cwd=cwd, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)


@contextmanager
def servers(here: World, folder: Path) -> Iterator[None]:
    """Servers of the machine where it has them: HTTP, TLS, DNS, Redis; and one that greets like SSH."""
    python = [sys.executable, "-P", str(Path(__file__).with_name("talkers.py"))]
    commands = [[*python, "greet"], [*python, "http"]]
    if shutil.which("openssl"):
        key = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=test", "-days", "2"]
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                *key,
            ],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=PATIENCE_S,
        )
        given = ["-accept", f"{SERVER}:443", "-key", "key.pem", "-cert", "cert.pem", "-www", "-quiet"]
        commands.append(["openssl", "s_server", *given])
    if shutil.which("dnsmasq"):
        given = ["--no-resolv", "--no-hosts", "--bind-interfaces", "--user=root", "--pid-file="]
        names = [f"--listen-address={SERVER}", "--address=/example.test/192.0.2.7"]
        commands.append(["dnsmasq", "-k", "--conf-file=/dev/null", *given, *names])
    if shutil.which("redis-server"):
        commands.append(["redis-server", "--bind", SERVER, "--protected-mode", "no", "--save", ""])
    with ExitStack() as stack:
        for command in commands:
            stack.enter_context(running(*here.inside(*command), cwd=folder))
        wait_until(lambda: _listening(here) >= len(commands))
        yield


def _listening(here: World) -> int:
    lines = succeed(*here.inside("cat", "/proc/net/tcp")).splitlines()[1:]
    return len({line.split()[1] for line in lines if line.split()[3] == "0A"})


def talk(here: World) -> None:
    """Let clients speak to each server, to a closed port and to nobody."""
    script = str(Path(__file__).with_name("talkers.py"))
    succeed(*here.inside(sys.executable, "-P", script, "talk", clients=True))


def wait_until(it_happens: object, patience_s: float = PATIENCE_S) -> None:
    assert callable(it_happens)
    end = time.monotonic() + patience_s
    while not it_happens():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
