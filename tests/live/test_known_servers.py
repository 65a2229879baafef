"""What earlier windows have shown helps with later flows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from feeding import pipe, wait_for
from pyarrow import parquet
from support import frames
from support.frames import End
from support.rows import row_dicts
from support.talk import Talk

from classifier.live import LiveCapture, Window
from classifier.live.output.recorder import Recorder
from classifier.live.windows import known_servers

#: Two unknown ports, so that only other flows are evidence.
SERVER = End("10.0.0.2", 29_999)
CLIENTS = [End(f"10.0.0.{number}", 29_998) for number in range(10, 30)]
IDLE: dict[str, Any] = {"tcp_idle_s": 10.0, "udp_idle_s": 10.0}


def proof(number: int) -> Talk:
    return Talk(CLIENTS[number], SERVER).handshake().exchange().client("FA").server("FA").client("A")


def late(number: int, after_s: float) -> Talk:
    """A connection whose handshake wasn't seen, and whose server speaks first."""
    talk = Talk(CLIENTS[number], SERVER).wait(round(after_s * 1e9))
    return talk.server("PA", b"the answer").client("A").client("PA", b"question").server("A")


def watched(*talks: Talk, **options: object) -> tuple[LiveCapture, list[Window]]:
    """Let a window have one talk after the other; the last window follows."""
    pieces = [frames.pcap(talk.packets) for talk in talks]
    header = len(frames.pcap([]))
    with pipe() as one, LiveCapture(one.reading, window_s=0.01, **options) as watch:  # type: ignore[arg-type]
        following = watch.windows()
        found, packets = [], 0
        for number, (piece, talk) in enumerate(zip(pieces, talks, strict=True)):
            one.write(piece[header:] if number else piece)
            packets += len(talk.packets)
            wait_for(watch, packets)
            found.append(next(window for window in following if window.traffic.accounting["packets"]))
        one.close()
        return watch, [*found, *following]


def verdict(window: Window, client: End) -> tuple[str, str, list[str]]:
    (row,) = [row for row in row_dicts(window.traffic) if client.ip in (row["client_ip"], row["server_ip"])]
    return row["server_ip"], row["role"], row["role_evidence"]


def test_alone_it_is_not_known() -> None:
    _, windows = watched(late(1, 0))
    assert verdict(windows[0], CLIENTS[1])[1] == "ambiguous"


@pytest.mark.parametrize("after_s", [1, 100])
def test_a_server_proven_in_an_earlier_window_is_known(after_s: float) -> None:
    _, windows = watched(proof(0), late(1, after_s), **IDLE)
    assert "directory" in verdict(windows[1], CLIENTS[1])[2]
    assert verdict(windows[1], CLIENTS[1])[:2] == (SERVER.ip, "inferred")


def test_a_connection_counts_once_in_how_many_windows_it_may_be() -> None:
    one = proof(0)
    first, second = Talk(), Talk()
    first.packets, second.packets = one.packets[:5], one.packets[5:]
    watch, _ = watched(first, second, proof(1), **IDLE)
    assert watch.servers.flows.tolist() == [2]


def test_a_flow_of_datagrams_counts_once_too() -> None:
    """A question and its answer prove a server, in a window after the other."""
    asked, end = b"\1\0\0\1\0\0\0\0\0\0\7example\4test\0\0\1\0\1", b"\0\1\0\1"
    answer = b"\x81\x80\0\1\0\1\0\0\0\0" + asked[10:] + b"\xc0\x0c" + end + b"\0\0\0\x3c\0\4\xc0\0\2\1"
    talk = Talk(End("10.0.0.9", 40_000), End("10.0.0.53", 53))
    talk.datagram(0, b"\0\1" + asked).datagram(1, b"\0\1" + answer)
    talk.datagram(0, b"\0\2" + asked).datagram(1, b"\0\2" + answer)
    first, second = Talk(), Talk()
    first.packets, second.packets = talk.packets[:2], talk.packets[2:]
    watch, _ = watched(first, second)
    assert watch.servers.flows.tolist() == [1]


def test_in_the_end_servers_of_forgotten_flows_are_known() -> None:
    watch, _ = watched(proof(0), late(1, 100), late(2, 200), late(3, 300), most_flows_kept=2, **IDLE)
    assert watch.forgotten
    rows = row_dicts(watch.traffic())
    assert not any(row["role"] == "confirmed" for row in rows)
    assert {(row["server_ip"], row["role"]) for row in rows} == {(SERVER.ip, "inferred")}


def test_of_too_many_servers_those_seen_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_servers, "MOST_SERVERS", 3)
    ends = [End("10.0.0.2", port) for port in range(20_000, 20_006)]
    talks = [Talk(CLIENTS[0], end).wait(number * 10**9).handshake() for number, end in enumerate(ends)]
    watch, _ = watched(*talks)
    assert sorted(watch.servers.endpoints["port"].to_pylist()) == [20_003, 20_004, 20_005]


def test_a_port_announced_in_an_earlier_window_is_known() -> None:
    """As of FTP: the connection that carries the data comes a window later."""
    control = Talk(End("10.0.0.1", 40_000), End("10.0.0.2", 21)).handshake()
    control.server("PA", b"220 ready\r\n").client("PA", b"PASV\r\n")
    control.server("PA", b"227 Entering Passive Mode (10,0,0,2,117,48).\r\n")
    data = Talk(End("10.0.0.1", 40_001), End("10.0.0.2", 30_000)).wait(10**9).handshake().exchange()
    _, windows = watched(control, data)
    (row,) = [row for row in row_dicts(windows[1].traffic) if row["server_port"] == 30_000]
    assert row["service"] == "ftp-data"


def test_a_recording_knows_the_servers_of_its_earlier_files(tmp_path: Path) -> None:
    watch, windows = watched(proof(0), late(1, 100), late(2, 200), **IDLE)
    recorder = Recorder(tmp_path / "flows.parquet", watch.idle, watch.rules, known=lambda: watch.servers)
    for window in windows:
        recorder.take(window)
        recorder.turn_over(window.time_ns)
    tables = [parquet.read_table(path) for path in sorted(tmp_path.iterdir())]
    assert len(tables) == 3
    roles = {row["client_ip"]: row["role"] for table in tables for row in table.to_pylist()}
    assert roles == {CLIENTS[0].ip: "confirmed", CLIENTS[1].ip: "inferred", CLIENTS[2].ip: "inferred"}
