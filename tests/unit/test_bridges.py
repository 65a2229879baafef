"""Reading through tshark and scapy: the same flows, every packet accounted for, troubles relayed."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.utils import wrpcap
from support.places import SAMPLES
from support.rows import facts

import classifier
from classifier import CaptureError
from classifier.errors import ExitStatus

#: Samples without damage: what a reader makes of damage is its own affair.
CAPTURES = sorted(path for path in SAMPLES.glob("*.pcap*"))
SOCKS = SAMPLES / "socks-1080.pcap"

tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
editcap = pytest.mark.skipif(not shutil.which("editcap"), reason="editcap is not installed")
VIA = [pytest.param("tshark", marks=tshark), "scapy"]


@pytest.fixture(scope="module")
def crafted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every engine reads, and packets without IP or ports."""
    ether = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    ports: dict[str, Any] = {"sport": 40000, "dport": 80}
    packets = [
        ether / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="S", **ports),
        ether / Dot1Q(vlan=5) / IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=40001, dport=7) / b"echo",
        ether / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="PA", **ports) / (b"GET / HTTP/1.0" * 90),
        ether / ARP(),
        ether / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(),
        ether / b"\x88\xcc",
        ether / IP(src="10.0.0.1", dst="10.0.0.2", proto=89) / b"OSPF",
    ]
    path = tmp_path_factory.mktemp("bridges") / "crafted.pcap"
    wrpcap(str(path), packets)
    return path


def told(traffic: classifier.Traffic) -> tuple[Any, ...]:
    """All fields of the packets; scapy passes on the packet inside a VLAN tag."""
    rows = [tuple(pair for pair in row if pair[0] not in ("vlan", "tunnel")) for row in facts(traffic)]
    return sorted(rows), dict(traffic.accounting)


@pytest.mark.parametrize("via", VIA)
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_samples_have_the_same_flows(capture: Path, via: Any) -> None:
    bridged, own = classifier.read(capture, via=via), classifier.read(capture)
    assert told(bridged) == told(own)
    assert bridged.metered.counters.wire_bytes == own.metered.counters.wire_bytes


@pytest.mark.parametrize("via", VIA)
def test_a_crafted_capture_has_the_same_flows(crafted: Path, via: Any) -> None:
    traffic = classifier.read(crafted, via=via)
    assert told(traffic) == told(classifier.read(crafted))
    assert traffic.accounting["packets"] == 7
    assert traffic.accounting["in_flows"] == 3
    assert not traffic.problems


@pytest.mark.parametrize("via", VIA)
def test_a_pipe(via: Any) -> None:
    command = [sys.executable, "-P", "-m", "classifier", "flows", "-", "--format", "csv", "--via", via]
    with SOCKS.open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, timeout=60, check=True)
    assert ",1080," in done.stdout
    assert done.stderr == ""


@tshark
@editcap
@pytest.mark.parametrize("format", ["snoop", "netmon2", "nsecpcap"])
def test_tshark_reads_other_formats(format: str, tmp_path: Path) -> None:
    other = tmp_path / f"other.{format}"
    subprocess.run(["editcap", "-F", format, str(SOCKS), str(other)], check=True, capture_output=True)
    if format != "nsecpcap":
        with pytest.raises(CaptureError, match='pass via="tshark"'):
            classifier.read(other)
    assert told(classifier.read(other, via="tshark")) == told(classifier.read(SOCKS))


@tshark
def test_what_tshark_complains_of_is_relayed(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("no capture")
    with pytest.raises(CaptureError, match=r"text.txt: tshark: .*isn't a capture file") as caught:
        classifier.read(text, via="tshark")
    assert caught.value.status == ExitStatus.NOT_A_CAPTURE
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(SOCKS.read_bytes()[:-3])
    traffic = classifier.read(cut, via="tshark")
    assert traffic.accounting["packets"] == classifier.read(SOCKS).accounting["packets"] - 1
    assert [str(problem) for problem in traffic.problems] == [
        f'{cut}: tshark: The file "{cut}" appears to have been cut short in the middle of a packet.'
    ]
    assert traffic.status == ExitStatus.PARTIAL


@tshark
def test_tshark_is_ended_with_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *words: Any, **more: Any) -> None:
            super().__init__(*words, **more)
            started.append(self)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Noted)
    traffic = classifier.read(SOCKS, via="tshark", progress=stop, keep_interrupted=True)
    assert traffic.status == ExitStatus.INTERRUPTED
    assert not traffic.problems
    assert [process.returncode is None for process in started] == [False]


def test_without_tshark_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CaptureError, match="apt install tshark") as caught:
        classifier.read(SOCKS, via="tshark")
    assert caught.value.status == ExitStatus.NOT_INSTALLED


def test_without_scapy_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scapy.layers.all", None)
    with pytest.raises(CaptureError, match=r"pip install 'pcap-classifier\[scapy\]'") as raised:
        classifier.read(SOCKS, via="scapy")
    assert raised.value.status == ExitStatus.NOT_INSTALLED


@tshark
def test_bytes_in_memory_are_not_for_tshark() -> None:
    with pytest.raises(CaptureError, match="give a path"):
        classifier.read(io.BytesIO(SOCKS.read_bytes()), via="tshark")


def test_what_scapy_cant_read_is_told(tmp_path: Path) -> None:
    noise = tmp_path / "noise.pcap"
    noise.write_bytes(bytes(range(100)))
    with pytest.raises(
        CaptureError, match=r'noise.pcap: scapy: .*; if Wireshark opens it, pass via="tshark"'
    ):
        classifier.read(noise, via="scapy")


def test_link_types_that_only_scapy_knows(tmp_path: Path) -> None:
    path = tmp_path / "private.pcap"
    frame = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=40001, dport=53) / b"question"
    wrpcap(str(path), [bytes(frame)], linktype=23)  # type: ignore[list-item]
    assert classifier.read(path).accounting["link_type"] == 1
    traffic = classifier.read(path, via="scapy")
    assert list(traffic.flows["server_port"]) == [53]
    assert traffic.accounting["in_flows"] == 1


def test_link_types_that_nobody_knows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "private.pcap"
    wrpcap(str(path), [b"something", b"else"], linktype=147)  # type: ignore[list-item]
    traffic = classifier.read(path, via="scapy")
    assert traffic.accounting["link_type"] == 2
    assert traffic.metered.counters.unknown_types == {("link_type", 147): 2}


def test_time_is_kept_to_the_nanosecond(tmp_path: Path) -> None:
    from support import frames

    end, other = frames.End("10.0.0.1", 4000), frames.End("10.0.0.2", 53)
    packets = [frames.Packet(frames.START_NS + 123_456_789, frames.udp(end, other, b"question"))]
    for name, write in [("one.pcap", frames.pcap), ("one.pcapng", frames.pcapng)]:
        path = tmp_path / name
        path.write_bytes(write(packets))
        assert told(classifier.read(path, via="scapy")) == told(classifier.read(path))
