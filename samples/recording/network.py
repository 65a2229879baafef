"""The office's network: a switch, one machine with all servers, three client machines.

Each machine is a network namespace, joined by a veth pair to a bridge in the switch's namespace.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PREFIX = "office-"
SWITCH = "switch"
BRIDGE = "br0"
OFFLOAD = Path(__file__).with_name("offload.py")
NAMED = "/run/netns"  # ip-netns(8)
NOBODY = "10.77.0.99"  # has a static neighbour entry, and no machine behind it


@dataclass(frozen=True)
class Host:
    """A machine on the bridge, and the range its system takes client ports from."""

    name: str
    mac: str
    addresses: tuple[str, ...]
    client_ports: tuple[int, int]


SERVER = Host(
    "server",
    "02:77:00:00:00:0a",
    (
        *(f"10.77.0.{number}" for number in (10, 14, 22, 53, 54, 63, 123)),
        *(f"fd77::{number}" for number in (10, 22, 53, 63)),
    ),
    (32768, 60999),
)
ANNA = Host("anna", "02:77:00:00:01:01", ("10.77.0.101", "fd77::101"), (32768, 60999))  # as Linux
BEN = Host("ben", "02:77:00:00:01:02", ("10.77.0.102", "fd77::102"), (49152, 65535))  # as RFC 6335, Windows
CARA = Host("cara", "02:77:00:00:01:03", ("10.77.0.103", "fd77::103"), (1025, 5000))  # as an old Windows
CLIENTS = (ANNA, BEN, CARA)
MACHINES = (SWITCH, *(host.name for host in (SERVER, *CLIENTS)))


def enter(name: str) -> list[str]:
    """The words before a command that run it inside the machine `name`."""
    return ["ip", "netns", "exec", PREFIX + name]


def refuse_leftovers() -> None:
    """Stop if the namespaces are there already: another recording runs, or one was killed."""
    if found := [name for name in MACHINES if Path(NAMED, PREFIX + name).exists()]:
        shown = " ".join(PREFIX + name for name in found)
        raise SystemExit(f"network namespaces {shown} exist; end that recording, or: ip netns del NAME")


def build() -> None:
    """Make the namespaces and join them; everything is up and addressed afterwards."""
    _ip("netns", "add", PREFIX + SWITCH)
    _ip("-n", PREFIX + SWITCH, "link", "add", BRIDGE, "type", "bridge", "mcast_snooping", "0")
    _ip("-n", PREFIX + SWITCH, "link", "set", BRIDGE, "up")
    for host in (SERVER, *CLIENTS):
        _attach(host)


def remove() -> None:
    """End every process inside the namespaces, then take the namespaces away; also those half built."""
    for name in MACHINES:
        if not Path(NAMED, PREFIX + name).exists():
            continue
        listed = subprocess.run(["ip", "netns", "pids", PREFIX + name], capture_output=True, text=True)
        for pid in listed.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended by itself in between
        subprocess.run(["ip", "netns", "del", PREFIX + name], check=False)


def _attach(host: Host) -> None:
    inside = ("-n", PREFIX + host.name)
    _ip("netns", "add", PREFIX + host.name)
    peer = ("peer", "name", "eth0", "netns", PREFIX + host.name, "address", host.mac)
    _ip("-n", PREFIX + SWITCH, "link", "add", host.name, "type", "veth", *peer)
    _ip("-n", PREFIX + SWITCH, "link", "set", host.name, "master", BRIDGE, "up")
    for address in host.addresses:
        if ":" in address:
            _ip(*inside, "address", "add", f"{address}/64", "dev", "eth0", "nodad")
        else:
            _ip(*inside, "address", "add", f"{address}/24", "dev", "eth0")
    _ip(*inside, "link", "set", "lo", "up")
    _ip(*inside, "link", "set", "eth0", "up")
    _ip(*inside, "route", "add", "default", "dev", "eth0")  # multicast needs a route
    _ip(*inside, "neighbour", "add", NOBODY, "lladdr", "02:77:00:00:00:99", "dev", "eth0", "nud", "permanent")
    low, high = host.client_ports
    setting = f'echo "{low} {high}" > /proc/sys/net/ipv4/ip_local_port_range'
    subprocess.run([*enter(host.name), "sh", "-c", setting], check=True)
    subprocess.run([*enter(host.name), sys.executable, str(OFFLOAD), "eth0"], check=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
