"""Running sums: what windows add up to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from feeding import OFFICE, windows_of
from support import frames
from support.frames import End
from support.talk import Talk

import classifier
from classifier.live.output.jsonl_events import MISMATCH, NEW_SERVER, event_lines, window_line
from classifier.live.output.table_view import headline
from classifier.live.windows import running_totals as ledgers
from classifier.live.windows.running_totals import RunningTotals, WindowChanges
from classifier.traffic.tables import SOURCES


def added_up(**options: Any) -> tuple[RunningTotals, list[WindowChanges]]:
    _, windows = windows_of(OFFICE.read_bytes(), **options)
    totals = RunningTotals()
    return totals, [totals.take(window) for window in windows]


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize("idle_s", [120.0, 0.5])
def test_the_sums_are_those_of_all_flows(pieces: int, idle_s: float) -> None:
    """However it is cut into windows, and where a connection continues after the idle time."""
    idle: dict[str, Any] = {"tcp_idle_s": idle_s, "udp_idle_s": idle_s}
    totals, _ = added_up(pieces=pieces, **idle)
    flows = classifier.read(OFFICE, **idle).flows
    services = totals.services.values()
    assert sum(sum(service.bytes.values()) for service in services) == (
        flows["client_bytes"].sum() + flows["server_bytes"].sum()
    )
    assert sum(sum(service.packets.values()) for service in services) == (
        flows["client_packets"].sum() + flows["server_packets"].sum()
    )
    # A connection that continues after the idle time is counted anew.
    assert sum(sum(service.flows.values()) for service in services) >= len(flows)
    assert idle_s == 0.5 or sum(sum(service.flows.values()) for service in services) == len(flows)


def test_the_servers_are_those_of_the_report() -> None:
    totals, _ = added_up()
    found = {(one.ip, one.port, one.proto, SOURCES[one.source]) for one in totals.servers.values()}
    servers = classifier.read(OFFICE).servers[["server_ip", "server_port", "proto", "service_source"]]
    assert found == set(servers.itertuples(index=False, name=None))


def test_a_server_is_new_once() -> None:
    totals, changes = added_up(pieces=7)
    told = [line for change in changes for line in event_lines(change, frozenset({NEW_SERVER}))]
    places = [(line["server_ip"], line["server_port"], line["proto"]) for line in told]
    assert len(places) == len(set(places)) == len(totals.servers)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "MOST_SERVERS", 3)
    monkeypatch.setattr(ledgers, "MOST_SERVICES", 4)
    totals, _ = added_up(pieces=7)
    assert len(totals.servers) == 3
    names = {name for name, _ in totals.services}
    assert ledgers.OTHER in names and len(names) <= 5


def test_nothing_is_remembered_of_flows_that_have_ended() -> None:
    totals, _ = added_up()
    assert len(totals._known._ids) == 0


def test_the_busiest_flows_come_first() -> None:
    _, changes = added_up(pieces=2)
    rates = [flow["rate"] for flow in changes[0].flows]
    assert rates == sorted(rates, reverse=True) and rates[0] > 0


def test_a_mismatch_is_told_once() -> None:
    _, changes = added_up(pieces=7)
    told = [line for change in changes for line in event_lines(change, frozenset({MISMATCH}))]
    places = sorted((line["client_ip"], line["client_port"], line["server_port"]) for line in told)
    flows = classifier.read(OFFICE).flows
    expected = flows[flows["mismatch"]][["client_ip", "client_port", "server_port"]]
    assert places == sorted(expected.itertuples(index=False, name=None)) != []


def test_a_server_is_reported_once_for_each_protocol_that_is_not_expected() -> None:
    said = [b"SSH-2.0-a\r\n", b"SSH-2.0-b\r\n", b"RFB 003.008\n", b"SSH-2.0-c\r\n"]
    packets = []
    for number, banner in enumerate(said):
        talk = Talk(End("10.0.0.1", 50_001 + 2 * number), End("10.0.0.2", 80))
        talk.now_ns += number * 1_000_000_000
        packets += talk.handshake().segment(1, "PA", banner).segment(0, "PA", banner).packets
    totals = RunningTotals()
    _, windows = windows_of(frames.pcap(packets), pieces=2)
    changes = [totals.take(window) for window in windows]
    told = [line for change in changes for line in event_lines(change, frozenset({MISMATCH}))]
    assert [(line["expected"], line["payload"]) for line in told] == [("http", "ssh"), ("http", "vnc")]
    assert all("@" in line["flow_id"] for line in told)


def test_before_the_first_packet_there_is_no_time() -> None:
    _, windows = windows_of(OFFICE.read_bytes())
    nothing = replace(next(iter(windows)), time_ns=0)
    totals = RunningTotals()
    assert headline(nothing, totals).startswith("no packets yet   ")
    assert window_line(nothing, totals, totals.take(nothing))["time"] is None
