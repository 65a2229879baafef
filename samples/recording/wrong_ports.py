"""Servers at ports that promise something else: SSH at 443, HTTP at 22, TLS at 8080, OpenVPN at 53."""

import subprocess
from pathlib import Path

from recording import services
from recording.network import SERVER, enter

LISTENING = ("10.77.0.10:22", "10.77.0.10:8080", "10.77.0.22:443", "10.77.0.53:53")

SSHD = """
ListenAddress 10.77.0.22:443
HostKey {office}/host_key
AuthorizedKeysFile {office}/client_key.pub
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
"""

# Two ends that know each other's certificate by its fingerprint.
OPENVPN = """
dev tun
proto udp4
{role}
ifconfig {own} {peer}
cert {office}/{name}.crt
key {office}/{name}.key
dh none
peer-fingerprint {fingerprint}
verb 1
"""


def prepare(office: Path) -> list[list[str]]:
    """Write keys, settings and pages into `office`; the commands that start the servers."""
    services.write_keys(office)
    services.write_pages(office / "web")
    services.write_nginx(office, ("10.77.0.10:22", "10.77.0.10:8080 ssl"))
    (office / "sshd.conf").write_text(SSHD.format(office=office))
    (office / "resolv.conf").write_text("")
    prints = {name: _certificate(office, name) for name in ("vpn-server", "vpn-client")}
    ends = {
        "vpn-server": ("tls-server\nlocal 10.77.0.53\nlport 53", "10.88.0.1", "10.88.0.2", "vpn-client"),
        "vpn-client": ("tls-client\nremote 10.77.0.53 53\nnobind", "10.88.0.2", "10.88.0.1", "vpn-server"),
    }
    for name, (role, own, peer, other) in ends.items():
        text = OPENVPN.format(
            office=office, name=name, role=role, own=own, peer=peer, fingerprint=prints[other]
        )
        (office / f"{name}.conf").write_text(text)
    inside = [*enter(SERVER.name), *services.clean_environment(office)]
    commands = [
        ["nginx", "-e", "stderr", "-c", f"{office}/nginx.conf"],
        services.sshd(office),
        ["openvpn", f"{office}/vpn-server.conf"],
    ]
    return [[*inside, *command] for command in commands]


def _certificate(office: Path, name: str) -> str:
    """Make a key and its certificate; the certificate's fingerprint."""
    services.write_certificate(office, name, name)
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(office / f"{name}.crt"), "-noout", "-fingerprint", "-sha256"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return shown.strip().partition("=")[2]
