#!/usr/bin/env python3
"""Record real servers and clients in network namespaces, seen from the switch between them.

Run as root: `python samples/record.py office` (or `wrong-ports`). Everything is started inside the
namespaces, and ended with them; the host's own network is not touched. It takes about half a minute and is
given up after two.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from recording import network, pcapng, services, wrong_ports

HERE = Path(__file__).resolve().parent
CLIENT_SCRIPTS = HERE / "recording" / "clients"
NEEDED = {
    "curl": "curl",
    "dumpcap": "wireshark-common",
    "hostname": "hostname",
    "ip": "iproute2",
    "logger": "bsdutils",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "ssh": "openssh-client",
    "ss": "iproute2",
    "sshd": "openssh-server",
}


@dataclass(frozen=True)
class Recording:
    """What is recorded: the servers, and what the clients do."""

    #: Writes their settings into a folder, and returns the commands that start the servers.
    prepare: Callable[[Path], list[list[str]]]
    #: Where they listen when they are up.
    listening: tuple[str, ...]
    #: The scripts of the clients.
    scripts: dict[network.Host, str]
    #: Programs beside `NEEDED`, and the Debian packages that bring them.
    needed: dict[str, str]
    #: A client that is at work before the recording begins, and its script.
    before: tuple[network.Host, str] | None = None


RECORDINGS = {
    "office": Recording(
        services.prepare,
        services.LISTENING,
        {host: f"{host.name}.sh" for host in network.CLIENTS},
        {
            "dnsmasq": "dnsmasq-base",
            "psql": "postgresql",
            "redis-cli": "redis-tools",
            "redis-server": "redis-server",
            "setpriv": "util-linux",
        },
        (network.CARA, "cara-before.sh"),
    ),
    "wrong-ports": Recording(
        wrong_ports.prepare,
        wrong_ports.LISTENING,
        {network.ANNA: "wrong-ports.sh"},
        {"openvpn": "openvpn"},
    ),
}
TIME_LIMIT_S = 120


def missing_packages(recording: Recording) -> list[str]:
    """The Debian packages that have to be installed first."""
    needed = NEEDED | recording.needed
    return sorted({package for program, package in needed.items() if shutil.which(program) is None})


def client_command(host: network.Host, script: str, office: Path) -> list[str]:
    """A client's day as a command: its own host name and resolver, then its script."""
    prepare = 'hostname "$1" && mount --bind "$OFFICE/resolv.conf" /etc/resolv.conf && exec sh -eu "$2"'
    inside = ["unshare", "--uts", "--mount", "sh", "-c", prepare, "sh", host.name]
    return [
        *network.enter(host.name),
        *services.clean_environment(office),
        *inside,
        str(CLIENT_SCRIPTS / script),
    ]


def record(recording: Recording, office: Path, raw: Path) -> None:
    """Build the office, let its clients work, and leave what the switch saw in `raw`."""
    log = office / "servers.log"
    network.refuse_leftovers()
    with ExitStack() as cleanup:
        cleanup.callback(network.remove)
        network.build()
        for command in recording.prepare(office):
            cleanup.enter_context(services.running(command, log))
        services.wait_until_listening(recording.listening, log)

        if recording.before:
            before = client_command(*recording.before, office)
            cleanup.enter_context(services.running(before, log))
            time.sleep(2)  # its connections are open when the recording begins

        tool = [*network.enter(network.SWITCH), "dumpcap", "-q", "-i", network.BRIDGE, "-w", str(raw)]
        with services.running(tool, log, stop_with=signal.SIGINT) as capture:
            time.sleep(2)
            if capture.poll() is not None:
                raise SystemExit(f"{log.read_text()}\ndumpcap did not start")
            work(recording, office)
            time.sleep(1)


def work(recording: Recording, office: Path) -> None:
    """Run the clients' scripts side by side, to their end."""
    days = {}
    for host, script in recording.scripts.items():
        command = client_command(host, script, office)
        days[host.name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for name, day in days.items():
        if status := day.wait():
            raise SystemExit(f"{name}.sh failed with status {status}")


def give_up(number: int, frame: FrameType | None) -> None:
    """Turn a signal into an exception, so that the namespaces are removed on the way out."""
    raise SystemExit(f"stopped by {signal.Signals(number).name}; nothing was recorded")


def main() -> None:
    """Record, remove the machine's description from the file, and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", choices=RECORDINGS)
    name = parser.parse_args().recording
    recording, target = RECORDINGS[name], HERE / f"{name}.pcapng"
    if os.geteuid() != 0:
        raise SystemExit("needs root, to make network namespaces")
    if packages := missing_packages(recording):
        raise SystemExit(f"needs: {' '.join(packages)} (apt-get install ...)")
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, give_up)
    signal.alarm(TIME_LIMIT_S)
    with tempfile.TemporaryDirectory(prefix="office-") as folder:
        office = Path(folder)
        office.chmod(0o711)  # PostgreSQL refuses to run as root and must reach its own folder below
        raw = office / "raw.pcapng"
        record(recording, office, raw)
        target.write_bytes(pcapng.without_machine(raw.read_bytes()))
    print(f"{target.name}: {target.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
