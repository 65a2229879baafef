#!/usr/bin/env python3
"""Record `office.pcapng`: real servers and clients in network namespaces, seen from the switch between them.

Run as root: `python samples/record.py`. Everything is started inside the namespaces, and ended with them; the
host's own network is not touched. It takes about half a minute and is given up after two.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from recording import network, pcapng, services

HERE = Path(__file__).resolve().parent
TARGET = HERE / "office.pcapng"
CLIENT_SCRIPTS = HERE / "recording" / "clients"
NEEDED = {
    "curl": "curl",
    "dnsmasq": "dnsmasq-base",
    "dumpcap": "wireshark-common",
    "hostname": "hostname",
    "ip": "iproute2",
    "logger": "bsdutils",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "psql": "postgresql",
    "redis-cli": "redis-tools",
    "redis-server": "redis-server",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "ss": "iproute2",
    "sshd": "openssh-server",
}
TIME_LIMIT_S = 120


def missing_packages() -> list[str]:
    """The Debian packages that have to be installed first."""
    return sorted({package for program, package in NEEDED.items() if shutil.which(program) is None})


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


def record(office: Path, raw: Path) -> None:
    """Build the office, let its clients work, and leave what the switch saw in `raw`."""
    log = office / "servers.log"
    network.refuse_leftovers()
    with ExitStack() as cleanup:
        cleanup.callback(network.remove)
        network.build()
        for command in services.prepare(office):
            cleanup.enter_context(services.running(command, log))
        services.wait_until_listening(log)

        before = client_command(network.CARA, "cara-before.sh", office)
        cleanup.enter_context(services.running(before, log))
        time.sleep(2)  # its connections are open when the recording begins

        tool = [*network.enter(network.SWITCH), "dumpcap", "-q", "-i", network.BRIDGE, "-w", str(raw)]
        with services.running(tool, log, stop_with=signal.SIGINT) as capture:
            time.sleep(2)
            if capture.poll() is not None:
                raise SystemExit(f"{log.read_text()}\ndumpcap did not start")
            work(office)
            time.sleep(1)


def work(office: Path) -> None:
    """Run the clients' scripts side by side, to their end."""
    days = {}
    for host in network.CLIENTS:
        command = client_command(host, f"{host.name}.sh", office)
        days[host.name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for name, day in days.items():
        if status := day.wait():
            raise SystemExit(f"{name}.sh failed with status {status}")


def give_up(number: int, frame: FrameType | None) -> None:
    """Turn a signal into an exception, so that the namespaces are removed on the way out."""
    raise SystemExit(f"stopped by {signal.Signals(number).name}; nothing was recorded")


def main() -> None:
    """Record, take the machine's own description out of the file, and say what came out."""
    if os.geteuid() != 0:
        raise SystemExit("needs root, to make network namespaces")
    if packages := missing_packages():
        raise SystemExit(f"needs: {' '.join(packages)} (apt-get install ...)")
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, give_up)
    signal.alarm(TIME_LIMIT_S)
    with tempfile.TemporaryDirectory(prefix="office-") as folder:
        office = Path(folder)
        office.chmod(0o711)  # PostgreSQL refuses to run as root and must reach its own folder below
        raw = office / "raw.pcapng"
        record(office, raw)
        TARGET.write_bytes(pcapng.without_machine(raw.read_bytes()))
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
