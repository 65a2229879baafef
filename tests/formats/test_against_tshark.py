"""The conversations that we see in a capture are those that tshark sees, whatever carries them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import places

import classifier

from . import craft
from .against import TSHARK, Conversation, by_tshark, by_us
from .conversations import ENDS

pytestmark = pytest.mark.skipif(not TSHARK, reason="tshark is not installed")

CRAFTED = craft.captures()
CAPTURES = sorted(path for path in places.CAPTURES.rglob("*.pcap*") if path.is_file())

#: Captures in which tshark sees something else, and why: (reason, only we see, only tshark sees).
DIFFERENT: dict[str, tuple[str, int, int]] = {
    "ip_fragmented_garbage.pcap": (
        "tshark shows the ports of a TCP header shorter than 20 bytes, damaged to us",
        0,
        2,
    ),
    "kerberos_fuzz.pcapng": (
        "tshark shows the ports of a TCP header shorter than 20 bytes, damaged to us",
        0,
        1,
    ),
}


def crafted(name: str, folder: Path) -> Path:
    path = folder / f"{name}.pcap"
    path.write_bytes(CRAFTED[name])
    return path


def pair(transport: str, version: int, *ports: int) -> Conversation:
    first, second = ENDS[version]
    ends = sorted([(first, ports[0]), (second, ports[1])])
    return (transport, ends[0], ends[1])


@pytest.mark.parametrize("name", craft.FORMATS)
def test_every_format_leads_to_the_conversations_inside(name: str, tmp_path: Path) -> None:
    shape, capture = craft.FORMATS[name], crafted(name, tmp_path)
    expected = {
        conversation
        for version in shape.versions
        for conversation in (pair("tcp", version, 40000, 80), pair("udp", version, 40001, 7))
    }
    assert by_us(capture) == expected
    if shape.same:
        assert by_tshark(capture, *shape.tshark) == expected
    flows = classifier.read(capture).flows
    assert set(flows["tunnel"].dropna()) == ({shape.tunnel} if shape.tunnel else set())
    tcp = flows[flows["proto"] == "tcp"]
    assert set(tcp["role"]) == {"confirmed"}
    assert set(tcp["client_port"]) == {40000}
    assert set(tcp["client_payload_bytes"]) == {18}
    assert set(tcp["server_payload_bytes"]) == {19}


@pytest.mark.parametrize(
    ("name", "transport", "ports"),
    [
        ("sctp", "sctp", (40002, 2905)),
        ("dccp", "dccp", (40003, 5001)),
        ("udplite", "udplite", (40004, 5004)),
        ("fragments", "udp", (40005, 7)),
        ("icmp-errors", "udp", (40006, 9)),
    ],
)
def test_every_transport(name: str, transport: str, ports: tuple[int, int], tmp_path: Path) -> None:
    capture = crafted(name, tmp_path)
    expected = {pair(transport, version, *ports) for version in (4, 6)}
    assert by_us(capture) == expected
    assert by_tshark(capture) == expected


def test_openings_of_sctp_and_dccp_say_who_is_the_client(tmp_path: Path) -> None:
    for name, port in [("sctp", 2905), ("dccp", 5001)]:
        flows = classifier.read(crafted(name, tmp_path)).flows
        assert set(flows["role"]) == {"confirmed"}, name
        assert set(flows["server_port"]) == {port}, name


def test_fragments_all_count_in_their_flow(tmp_path: Path) -> None:
    traffic = classifier.read(crafted("fragments", tmp_path))
    assert traffic.accounting["later_fragment"] == 0
    assert traffic.accounting["in_flows"] == traffic.accounting["packets"]
    assert set(traffic.flows["client_payload_bytes"] + traffic.flows["server_payload_bytes"]) == {100}


@pytest.mark.skipif(not CAPTURES, reason=places.NO_SHARED)
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_captures_of_others(capture: Path, all_captures: bool) -> None:
    if not all_captures and capture.name not in DIFFERENT and capture not in CAPTURES[::12]:
        pytest.skip("one of many: --all-captures")
    ours, tsharks = by_us(capture), by_tshark(capture, "-d", "udp.port==8472,vxlan")
    reason, only_ours, only_tsharks = DIFFERENT.get(capture.name, ("the same is expected", 0, 0))
    difference = (sorted(ours - tsharks), sorted(tsharks - ours))
    assert (len(difference[0]), len(difference[1])) == (only_ours, only_tsharks), (reason, difference)
