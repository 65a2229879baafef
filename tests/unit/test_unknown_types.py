"""Packets by type number that is not known, and packets that depart from their headers."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Literal

import pytest
from support.frames import ETHERNET, RAW, START_NS, Packet, pcap, tcp
from support.talk import CLIENT, SERVER, Talk

import classifier
from classifier.errors import ExitStatus
from classifier.metering.packet_types import remarks
from classifier.reports.summary import nothing_decoded

USER0 = 147  # a link type for private use
ADDRESSES = bytes.fromhex("020000000002020000000001")


def frames(*numbers: int) -> bytes:
    """A capture with an Ethernet frame of each EtherType."""
    return pcap(
        [
            Packet(START_NS + place, ADDRESSES + struct.pack(">H", number) + bytes(46))
            for place, number in enumerate(numbers)
        ],
        ETHERNET,
    )


def read(*captures: bytes, folder: Path | None = None) -> classifier.Traffic:
    if folder is None:
        return classifier.read(io.BytesIO(captures[0]))
    for number, capture in enumerate(captures):
        (folder / f"{number}.pcap").write_bytes(capture)
    return classifier.read(folder)


def test_an_unknown_ethertype_is_counted_under_its_number() -> None:
    traffic = read(frames(*[0x1234] * 3, *[0x8999] * 1200))
    assert dict(traffic.unknown_types) == {"EtherType 0x8999": 1200, "EtherType 0x1234": 3}
    assert (traffic.accounting["unknown_type"], traffic.accounting["not_ip"]) == (1203, 0)
    told = nothing_decoded(traffic)
    assert told is not None and told.endswith("; EtherType 0x8999: 1,200, EtherType 0x1234: 3")


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ([0x1234], ExitStatus.NOTHING_DECODED),
        ([0x1234, 0x4321], ExitStatus.NOTHING_DECODED),
        ([0x0806, 0x88CC, 38], ExitStatus.OK),
        ([0x0806, 0x1234], ExitStatus.OK),
    ],
)
def test_status_6_is_for_captures_of_unknown_types_only(numbers: list[int], status: ExitStatus) -> None:
    assert read(frames(*numbers)).status == status


@pytest.mark.parametrize(("via", "suggested"), [("", True), ("scapy", False)])
def test_scapy_is_suggested_unless_it_was_just_tried(
    via: Literal["", "scapy"], suggested: bool, tmp_path: Path
) -> None:
    (capture := tmp_path / "user.pcap").write_bytes(pcap([Packet(START_NS, bytes(60))], USER0))
    told = nothing_decoded(classifier.read(capture, via=via or None))
    assert told is not None and "unsupported link type 147" in told
    assert ("--via scapy" in told) == suggested


def test_an_unknown_gre_type_is_counted_under_its_number() -> None:
    header = struct.pack(">BBHHHBBH4B4B", 0x45, 0, 28, 1, 0, 64, 47, 0, 192, 0, 2, 1, 192, 0, 2, 2)
    traffic = read(pcap([Packet(START_NS, header + b"\0\0\x42\x42" + bytes(4))], RAW))
    assert dict(traffic.unknown_types) == {"GRE type 0x4242": 1}
    assert traffic.status == ExitStatus.NOTHING_DECODED


def test_at_most_32_numbers_are_listed_and_the_sums_are_exact_across_files(tmp_path: Path) -> None:
    numbers = [0xF200 + number for number in range(100) for _ in range(100 - number)]
    traffic = read(frames(*numbers), frames(*numbers, 0xF263), folder=tmp_path)
    found = traffic.unknown_types
    assert len(found) == 33
    assert next(iter(found)) == "EtherType 0xf200" and found["EtherType 0xf200"] == 200
    assert list(found)[-1] == "other"
    assert sum(found.values()) == traffic.accounting["unknown_type"] == 2 * len(numbers) + 1


def test_frames_of_another_link_type_than_declared_are_read_and_remarked() -> None:
    talk = Talk().handshake().exchange()
    for declared, packets in [(ETHERNET, talk.packets), (RAW, [framed(packet) for packet in talk.packets])]:
        traffic = read(pcap(packets, declared))
        (row,) = traffic.to_arrow().to_pylist()
        assert (row["server_port"], row["role"]) == (SERVER.port, "confirmed")
        (remark,) = traffic.remarks
        assert remark.startswith(f"{len(packets)} frames do not match the capture's link type {declared}")
        assert remark.endswith("editcap -T rawip" if declared == ETHERNET else "editcap -T ether")


def framed(packet: Packet) -> Packet:
    return Packet(packet.time_ns, ADDRESSES + b"\x08\0" + packet.data)


@pytest.mark.parametrize("snap_bytes", [18, 22, 33])
def test_a_flow_whose_headers_are_cut_behind_the_ports_is_listed(snap_bytes: int) -> None:
    data = tcp(CLIENT, SERVER, "PA", 1, 1, bytes(100))
    back = tcp(SERVER, CLIENT, "PA", 1, 1, bytes(50))
    header = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, RAW)
    capture = header + b"".join(
        struct.pack("<IIII", 1, number, 20 + snap_bytes - 18, len(packet)) + packet[: 20 + snap_bytes - 18]
        for number, packet in enumerate([data, back] * 5)
    )
    traffic = read(capture)
    if snap_bytes < 22:
        assert traffic.accounting["cut_short"] == 10
        return
    assert (traffic.accounting["in_flows"], traffic.accounting["cut_short"]) == (10, 0)
    (row,) = traffic.to_arrow().to_pylist()
    assert (row["client_packets"], row["server_packets"]) == (5, 5)
    assert {row["client_bytes"], row["server_bytes"]} == {5 * len(data), 5 * len(back)}
    assert any("10 packets show only ports" in remark for remark in traffic.remarks) == (snap_bytes < 32)


def test_one_is_singular() -> None:
    found = remarks(
        {
            ("link_type", 1, 101): 1,
            ("ip_version", 0, 0): 1,
            ("cut_transport", 0, 0): 1,
            ("aggregate", 0, 0): 1,
        }
    )
    assert [remark.split(" ")[2] for remark in found] == ["shares", "shows", "announces", "does"]
    assert all(remark.startswith("1 ") for remark in found)
