"""The second opinion: what is asked of Wireshark, and how its words are compared with ours."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import GRE, Ether
from scapy.packet import Packet as ScapyPacket
from scapy.utils import wrpcap
from support import frames
from support.places import SAMPLES
from support.talk import CLIENT, Talk

import classifier
from classifier.cli import app
from classifier.errors import ClassifierError, MissingExtraError, RulesError
from classifier.ports import rule_files as files
from classifier.ports.rules import Rules
from classifier.verify import Opinion, Verification, dissection, verify, words

tshark = pytest.mark.skipif(
    not shutil.which("tshark") or not find_spec("pyshark"), reason="tshark and pyshark are not both installed"
)
OFFICE = SAMPLES / "office.pcapng"
WRONG_PORTS = SAMPLES / "wrong-ports.pcapng"
WORDS = words.load()


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)], standalone_mode=False)


def verified(path: Path, **options: Any) -> Verification:
    return verify(classifier.read(path), [str(path)], Rules.load(), **options)


def written(talk: Talk, folder: Path) -> Path:
    path = folder / "talk.pcap"
    path.write_bytes(frames.pcap(talk.packets))
    return path


def test_words_of_wireshark_are_read() -> None:
    assert WORDS.protocols(["tls", "http2", "data", "_ws.malformed", "tls"]) == ["tls", "http2"]
    assert WORDS.ours(["dcerpc", "ssh"]) == {"dcerpc", "dce-rpc", "ssh"}
    assert WORDS.ours([]) == set()


@pytest.mark.parametrize(
    ("layers", "server"),
    [
        ({"dns": {"dns_dns_flags_response": False}}, False),
        ({"dns": {"dns_dns_flags_response": True}}, True),
        ({"mdns": {"dns_dns_flags_response": True}}, None),
        ({"tls": {"tls_tls_handshake_type": ["2", "11"]}}, True),
        ({"tls": {"tls_tls_handshake_type": "4"}}, None),
        ({"tls": {"tls_tls_record_version": "1"}}, None),
        ({"http": {"http_http_response": {"filtered": "http.response"}}}, True),
        ({"smb2": [{}, {"smb2_smb2_flags_response": "1"}]}, True),
        ({"data": "00", "tcp": None}, None),
    ],
)
def test_fields_tell_who_speaks(layers: dict[str, Any], server: bool | None) -> None:
    assert WORDS.sender_is_server(layers) is server


def test_words_that_lack_a_part_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wireshark.toml").write_text("nothing = []\n[names]\n")
    monkeypatch.setattr(words, "FOLDER", tmp_path)
    with pytest.raises(RulesError, match=r"wireshark.toml: sides is missing; add it"):
        words.load.__wrapped__()
    assert files.FOLDER != tmp_path


@tshark
def test_words_are_wiresharks() -> None:
    """A name that Wireshark doesn't know, or no longer, would be compared with nothing."""
    import subprocess

    told = {
        kind: subprocess.run(["tshark", "-G", kind], capture_output=True, text=True, check=True).stdout
        for kind in ("protocols", "fields")
    }
    protocols = {line.split("\t")[2] for line in told["protocols"].splitlines()}
    fields = {line.split("\t")[2] for line in told["fields"].splitlines() if line.startswith("F\t")}
    assert set(WORDS.sides) <= fields
    assert set(WORDS.names) <= protocols


@tshark
def test_a_real_office_is_seen_alike() -> None:
    found = verified(OFFICE, everything=True)
    service, server = found.agreement()
    assert found.asked_for == found.flows.num_rows == service["agree"] + 1
    assert service[Opinion.DIFFER] == 1, "SSH at 443, which tshark takes for TLS by its port"
    assert server[Opinion.DIFFER] == 0
    assert server["agree"] > 30
    assert not found.problems


@tshark
def test_doubtful_flows_are_compared() -> None:
    assert verified(OFFICE).flows["payload"].to_pylist() == ["ssh", None]
    assert verified(WRONG_PORTS).flows.num_rows == 4


@tshark
def test_bytes_are_believed_before_ports() -> None:
    by_port = {row["server_port"]: row for row in verified(WRONG_PORTS).flows.to_pylist()}
    assert by_port[22]["tshark"] == "http" and by_port[22]["on_service"] == Opinion.AGREE
    assert by_port[8080]["tshark_server"] == "10.77.0.10:8080"
    assert by_port[8080]["why"] == "server by handshake, payload, ports; service by payload"


@tshark
def test_a_sample_is_always_the_same() -> None:
    once, again = (verified(OFFICE, sample=5) for _ in range(2))
    assert once.flows.num_rows == 5 and once.flows.equals(again.flows)
    assert once.asked_for == 66


@tshark
def test_what_only_tshark_knows_is_said(tmp_path: Path) -> None:
    """A response of a protocol that no signature of ours knows, at ports that nobody has registered."""
    talk = Talk(CLIENT, frames.End("10.0.0.2", 79)).handshake().client("PA", b"root\r\n")
    path = written(talk.server("PA", b"Login: root\r\n"), tmp_path)
    (row,) = verified(path, everything=True).flows.to_pylist()
    assert row["tshark"] == "finger" and row["payload"] is None
    assert row["on_service"] == Opinion.AGREE, "by the port, as tshark itself"


@tshark
def test_what_tshark_does_not_know_is_said(tmp_path: Path) -> None:
    talk = Talk(CLIENT, frames.End("10.0.0.2", 29_513)).handshake().client("PA", b"\x93\x01 what is this?")
    (row,) = verified(written(talk, tmp_path), everything=True).flows.to_pylist()
    assert (row["tshark"], row["on_service"], row["on_server"]) == (
        None,
        Opinion.NEITHER,
        Opinion.OURS_ONLY,
    )


@tshark
def test_the_inner_flow_of_a_tunnel_is_compared(tmp_path: Path) -> None:
    asked = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x00\x00\x01\x00\x01"
    answered = asked[:2] + b"\x81\x80" + asked[4:]
    path = tmp_path / "gre.pcap"
    wrpcap(str(path), [_tunnelled(asked, 40_000, 53), _tunnelled(answered, 53, 40_000)])
    (row,) = verified(path, everything=True).flows.to_pylist()
    assert row["tshark"] == "dns" and row["on_server"] == Opinion.AGREE
    assert row["tshark_server"] == "10.1.0.53:53"


def _tunnelled(payload: bytes, source: int, target: int) -> ScapyPacket:
    addresses = {40_000: "10.1.0.1", 53: "10.1.0.53"}
    outside = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / GRE()
    inside = IP(src=addresses[source], dst=addresses[target]) / UDP(sport=source, dport=target)
    return outside / inside / payload


@tshark
def test_a_cut_capture_is_compared_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcapng"
    path.write_bytes(OFFICE.read_bytes()[:100_000])
    found = verified(path, everything=True)
    (problem,) = found.problems
    assert "cut.pcapng" in str(problem) and "cut short" in str(problem)
    assert found.agreement()[0]["agree"] > 5


@tshark
def test_the_table_and_the_formats(tmp_path: Path) -> None:
    shown = command(WRONG_PORTS)
    assert shown.exit_code == 0 and shown.return_value == 0
    assert "Flows compared with tshark" in shown.stdout and "10.77.0.22:443" in shown.stdout
    assert "1 more; use --top 2 to show all" in command(WRONG_PORTS, "--top", "1").stdout
    rows = list(csv.DictReader(io.StringIO(command(WRONG_PORTS, "--format", "csv").stdout)))
    assert len(rows) == 4 and rows[0]["on_service"] == "differ"
    assert len(json.loads(command(WRONG_PORTS, "--format", "json").stdout)) == 4
    hosts = tmp_path / "hosts"
    hosts.write_text("10.77.0.22 shell.example\n")
    assert "shell.example:443" in command(WRONG_PORTS, "--hosts", hosts).stdout
    none = command(SAMPLES / "socks-1080.pcap", "--where", "server_port == 1")
    assert none.stderr == "classifier: no flows with payload are doubtful; --all compares all\n"


@pytest.mark.parametrize("arguments", [["-"], [OFFICE, "--all", "--sample", "3"]])
def test_wrong_usage_is_explained(arguments: Sequence[str | Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dissection, "require", lambda: None)
    result = command(*arguments)
    assert result.exception is not None
    assert str(result.exception).startswith(
        ("-: verify reads its input twice", "--all and --sample can't be combined")
    )


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    with pytest.raises(ClassifierError, match=r"supports Python 3.11 to 3.13, not 3.14"):
        dissection.require()
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "pyshark", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pcap-classifier\[verify\]'"):
        dissection.require()


@pytest.mark.skipif(not find_spec("pyshark"), reason="pyshark is not installed")
def test_a_missing_tshark_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ClassifierError, match="apt install tshark"):
        dissection.require()


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1795394434.228976438", 1_795_394_434_228_976_438),
        ("2026-11-23T00:40:34.228976438Z", 1_795_394_434_228_976_438),
        ("never", None),
    ],
)
def test_times_are_exact(text: str, time_ns: int | None) -> None:
    assert dissection._nanoseconds(text) == time_ns
