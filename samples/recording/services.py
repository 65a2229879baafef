"""The office's servers: their settings, the commands that start them, and how they are ended."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recording.network import SERVER, enter

WEB = ("10.77.0.10:80", "[fd77::10]:80", "10.77.0.10:8080", "10.77.0.10:443 ssl", "[fd77::10]:443 ssl")
STANDINS = str(Path(__file__).with_name("standins.py"))
LISTENING = ("10.77.0.10:443", "10.77.0.22:22", "10.77.0.53:53", "10.77.0.54:5432", "10.77.0.63:6379")

NGINX = """
user root;
daemon off;
worker_processes 1;
pid {office}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    server_tokens off;
    server {{
        {listening}
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate {office}/web.crt;
        ssl_certificate_key {office}/web.key;
        root {office}/web;
    }}
}}
"""

DNSMASQ = """
keep-in-foreground
user=root
pid-file
no-hosts
no-resolv
bind-interfaces
listen-address=10.77.0.53,fd77::53
local=/office.example/
host-record=www.office.example,10.77.0.10,fd77::10
host-record=ssh.office.example,10.77.0.22,fd77::22
host-record=redis.office.example,10.77.0.63,fd77::63
host-record=db.office.example,10.77.0.54
host-record=nobody.office.example,10.77.0.99
enable-tftp
tftp-root={office}/web
"""

# Port 443 as well: SSH where a port list has HTTPS.
SSHD = """
ListenAddress 10.77.0.22:22
ListenAddress [fd77::22]:22
ListenAddress 10.77.0.22:443
HostKey {office}/host_key
AuthorizedKeysFile {office}/client_key.pub
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
"""

REDIS = """
bind 10.77.0.63 fd77::63
protected-mode no
save ""
dir {office}
loglevel warning
"""

POSTGRES_USER = "postgres"


def clean_environment(office: Path) -> list[str]:
    """The words before a command that leave it only what it needs of this process's environment."""
    search = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    given: dict[str, object] = {"PATH": search, "HOME": office, "LC_ALL": "C", "OFFICE": office}
    given["STANDINS"] = f"{sys.executable} {STANDINS}"
    return ["env", "-i", *(f"{name}={value}" for name, value in given.items())]


def write_nginx(office: Path, listening: Iterable[str]) -> None:
    """Write settings of the web server, with what it listens at."""
    listens = "\n        ".join(f"listen {end};" for end in listening)
    (office / "nginx.conf").write_text(NGINX.format(office=office, listening=listens))


def prepare(office: Path) -> list[list[str]]:
    """Write keys, settings and pages into `office`; the commands that start the servers."""
    write_keys(office)
    write_pages(office / "web")
    write_nginx(office, WEB)
    for name, text in {"dnsmasq": DNSMASQ, "sshd": SSHD, "redis": REDIS}.items():
        (office / f"{name}.conf").write_text(text.format(office=office))
    (office / "resolv.conf").write_text("nameserver 10.77.0.53\nsearch office.example\n")
    inside = [*enter(SERVER.name), *clean_environment(office)]
    commands = [
        ["nginx", "-e", "stderr", "-c", f"{office}/nginx.conf"],
        ["dnsmasq", "-C", f"{office}/dnsmasq.conf"],
        sshd(office),
        ["redis-server", f"{office}/redis.conf"],
        _prepare_postgres(office),
        [sys.executable, STANDINS, "ntp-server", "10.77.0.123"],
        [sys.executable, STANDINS, "syslog-server", "10.77.0.14"],
    ]
    return [[*inside, *command] for command in commands]


def sshd(office: Path) -> list[str]:
    """The command that starts sshd by `sshd.conf`."""
    own_run = "mount -t tmpfs none /run && mkdir /run/sshd"  # sshd insists on that folder
    return ["sh", "-c", f'{own_run} && exec "$(command -v sshd)" -D -e -f {office}/sshd.conf']


def wait_until_listening(addresses: Iterable[str], log: Path, limit_s: float = 20) -> None:
    """Wait until the servers have opened their ports; otherwise show their output in `log`."""
    deadline = time.monotonic() + limit_s
    while True:
        command = [*enter(SERVER.name), "ss", "-Hltun"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        absent = [address for address in addresses if address not in shown]
        if not absent:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"{log.read_text()}\nno server came up on {', '.join(absent)}")
        time.sleep(0.2)


@contextmanager
def running(
    command: list[str], log: Path, stop_with: signal.Signals = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` with its descendants during the block; its output is appended to `log`."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        for number in (stop_with, signal.SIGKILL):
            if process.poll() is None:
                os.killpg(process.pid, number)
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    continue


def write_keys(office: Path) -> None:
    """Write the keys of the SSH server and its client, and those of the web server."""
    for name in ("host_key", "client_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "office", "-f", str(office / name)]
        subprocess.run(command, check=True)
    write_certificate(office, "web", "www.office.example")


def write_certificate(office: Path, name: str, subject: str) -> None:
    """Write `NAME.key` and `NAME.crt`, which the key itself signs."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    about = ["-subj", f"/CN={subject}", "-days", "30"]
    files = ["-keyout", str(office / f"{name}.key"), "-out", str(office / f"{name}.crt")]
    command = ["openssl", "req", "-x509", "-nodes", *kind, *about, *files]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def write_pages(folder: Path) -> None:
    """Write the pages and files that are served."""
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>Office</title><p>Good morning.</p>\n")
    (folder / "minutes.txt").write_text("".join(f"{line:4}. Nothing was decided.\n" for line in range(600)))
    (folder / "boot.cfg").write_text("".join(f"setting{line} = {line}\n" for line in range(60)))


def _prepare_postgres(office: Path) -> list[str]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))[-1].parent
    owner = pwd.getpwnam(POSTGRES_USER)
    data = office / "postgres"
    data.mkdir(mode=0o700)
    os.chown(data, owner.pw_uid, owner.pw_gid)
    drop_root = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    options = ["--username=office", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    initdb = [*drop_root, str(programs / "initdb"), "-D", str(data), *options]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL)
    with (data / "pg_hba.conf").open("a") as access:
        access.write("host all all 10.77.0.0/24 trust\n")
    settings = ["-c", "listen_addresses=10.77.0.54", "-c", "unix_socket_directories="]
    return [*drop_root, str(programs / "postgres"), "-D", str(data), *settings]
