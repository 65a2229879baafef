"""Roles: every place counts the same flows by the same words, whatever the capture."""

from __future__ import annotations

import io
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.places import REPOSITORY, SAMPLES

import classifier
from classifier.flows.addresses import is_group
from classifier.flows.table import SCHEMA
from classifier.live.output.jsonl_events import window_line
from classifier.live.windows.running_totals import RunningTotals
from classifier.live.windows.window import Window, identities
from classifier.reports.export import tabular, zeek
from classifier.reports.html.contents import contents
from classifier.roles import Role
from classifier.traffic.views import BY

ROLES = [str(role) for role in Role]
ATTEMPTED = {"refused", "unanswered", "unsolicited"}


def captures() -> dict[str, tuple[Path, Mapping[str, Any]]]:
    """All samples and the captures of all cases, with the options of `read`."""
    found: dict[str, tuple[Path, Mapping[str, Any]]] = {
        str(path.relative_to(SAMPLES)): (path, {}) for path in SAMPLES.rglob("*") if ".pcap" in path.name
    }
    for path in (REPOSITORY / "tests/cases").glob("*/case.toml"):
        case = tomllib.loads(path.read_text(encoding="utf-8"))
        capture, options = (path.parent / case["capture"]).resolve(), case.get("options", {})
        if options or not capture.is_relative_to(SAMPLES):
            found[path.parent.name] = (capture, options)
    return dict(sorted(found.items()))


CAPTURES = captures()


def some(counts: Mapping[str, int]) -> dict[str, int]:
    return {role: int(count) for role, count in counts.items() if count}


def in_ledger(traffic: classifier.Traffic) -> RunningTotals:
    """The running totals of live traffic after one window with all flows, which have ended."""
    judged = list(traffic.judge.each(lambda flows: flows.batch(), bins=True))
    ids = [identities(batch) for batch in judged]
    window = Window(
        time_ns=0,
        seconds=1.0,
        traffic=traffic,
        judged=judged,
        ended=np.ones(sum(map(len, ids)), dtype=bool),
        ids=np.concatenate([np.empty(0, np.uint64), *ids]),
        facts=[],
        captures=traffic.metered.captures,
        active_flows=0,
    )
    totals = RunningTotals()
    line = window_line(window, totals, totals.take(window))
    moved = sum(row["total_bytes"] for row in line["services"])
    assert moved == sum(row["bytes"] for row in traffic.totals.services().to_pylist())
    return totals


def written(traffic: classifier.Traffic, format: str) -> bytes:
    file = io.BytesIO()
    tabular.write(traffic.batches(), SCHEMA, file, format, zeek.CONN)
    return file.getvalue()


@pytest.mark.parametrize("name", CAPTURES)
def test_every_place_counts_the_same(name: str) -> None:
    path, options = CAPTURES[name]
    traffic = classifier.read(path, **options)
    flows = traffic.to_arrow().to_pylist()
    expected = some(Counter(flow["role"] for flow in flows))
    report = traffic.report().to_dict()
    page = contents(traffic.report())
    services, servers = report["services"], report["servers"]
    attempts = sum(row["attempts"] for row in report["attempts"])
    in_services = {role: sum(row[role] for row in services) for role in ROLES if role != Role.ATTEMPTED}
    totals = in_ledger(traffic)
    live = {role: sum(one.flows[role] for one in totals.services.values()) for role in ROLES}
    json_rows = [json.loads(line) for line in written(traffic, "jsonl").splitlines()]
    zeek_rows = [json.loads(line) for line in written(traffic, "zeek-json").splitlines()]

    found: dict[str, Mapping[str, int]] = {
        "report, head": {role: report["flows"][role] for role in ROLES},
        "services and attempts": in_services | {"attempted": attempts},
        "attempts of services": in_services
        | {"attempted": sum(row[outcome] for row in services for outcome in ATTEMPTED)},
        "overview": {role: counts["flows"] for role, counts in traffic.overview.roles.items()},
        "page": {row["name"]: row["flows"] for row in page["known"] if row["name"] in ROLES},
        "DataFrame": Counter(map(str, traffic.flows["role"])),
        "JSON": Counter(row["role"] for row in json_rows),
        "Zeek": Counter(row["role"] for row in zeek_rows),
        "where": {role: len(traffic.select(f"role == '{role}'").to_arrow()) for role in ROLES},
        "live": live,
    }
    for by in BY:
        rows = traffic.breakdown(by).to_pylist()
        sums = {role: sum(row[role] for row in rows) for role in ROLES if role != Role.ATTEMPTED}
        found[f"by {by}"] = sums | {"attempted": sum(row[outcome] for row in rows for outcome in ATTEMPTED)}
    assert {place: some(counts) for place, counts in found.items()} == dict.fromkeys(found, expected)
    assert sum(expected.values()) == report["flows"]["total"] == len(flows)

    known = Counter(flow["role"] for flow in flows if serves(flow))
    in_servers = {role: sum(row[role] for row in servers) for role in ("confirmed", "inferred")}
    assert some(in_servers) == some(known)


def serves(flow: Mapping[str, Any]) -> bool:
    """Return whether a flow counts for a server: a known one, not multicast or broadcast."""
    return flow["role"] in ("confirmed", "inferred") and not multicast(flow["server_ip"])


def multicast(ip: str) -> bool:
    address = ip_address(ip)
    raw = address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed
    columns = pa.array([raw], pa.binary(16)), pa.array([address.version], pa.uint8())
    return bool(is_group(*columns)[0])


@pytest.mark.parametrize("name", CAPTURES)
def test_attempted_is_what_failed(name: str) -> None:
    """And only a handshake, or the SYN of an attempt, makes it certain who opened."""
    path, options = CAPTURES[name]
    for flow in classifier.read(path, **options).to_arrow().to_pylist():
        assert (flow["role"] == "attempted") == (flow["outcome"] in ATTEMPTED), flow
        if flow["role"] == "attempted":
            assert (flow["role_confidence"] == 1) == ("S" in flow["history"].split("s")[0]), flow
        elif flow["role_confidence"] == 1:
            assert flow["role"] == "confirmed", flow


def board() -> set[str]:
    """Roles that the Grafana board names: in queries, and in the text under a chart."""
    text = (REPOSITORY / "docs/grafana-live.json").read_text(encoding="utf-8")
    queries = set(re.findall(r'role!?=~?\\"(\w+)\\"', text))
    (described,) = re.findall(r'"description": "(confirmed: [^"]+)"', text)
    assert queries == {"attempted"}
    return set(re.findall(r"(\w+): ", described))


def column_doc() -> set[str]:
    doc = SCHEMA.field("role").metadata[b"doc"].decode()
    return set(re.findall(r"\w+", doc.split(": ")[0]))


def page_of(name: str, pattern: str, word: str) -> Callable[[], set[str]]:
    """Return what finds the words in one passage of a page."""

    def find() -> set[str]:
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        (passage,) = re.findall(pattern, text, re.S)
        return set(re.findall(word, passage, re.M))

    return find


def screen() -> set[str]:
    pytest.importorskip("textual")
    from classifier.live.output.screen.app import HELP

    return set(re.findall(r"\[b\](\w+)\[/b\]", HELP)) & {*ROLES, "attempt"}


def chart() -> set[str]:
    pytest.importorskip("altair")
    from classifier.reports.charts.evidence import evidence

    drawn = evidence(classifier.read(SAMPLES / "office.pcapng"))
    assert drawn is not None
    return set(drawn.to_dict()["encoding"]["color"]["scale"]["domain"])


def labels() -> set[str]:
    pytest.importorskip("prometheus_client")
    from classifier.live.output.metrics import Metrics

    traffic = classifier.read(SAMPLES)
    metrics, totals = Metrics("127.0.0.1:0"), in_ledger(traffic)
    try:
        window = Window(0, 1.0, traffic, [], np.empty(0, bool), np.empty(0, np.uint64), [], [], 0)
        metrics.take(window, totals, totals.take(window))
        families = {family.name: family for family in metrics.collect()}
        return {sample.labels["role"] for sample in families["classifier_flows_ended"].samples}
    finally:
        metrics.close()


#: The table of roles in a page.
ROWS = r"\| `role` \| meaning \|\n(.*?)\n\n"
#: Every place that lists the roles, by what finds them there.
PLACES: dict[str, Callable[[], set[str]]] = {
    "column of the flow table, and reference": column_doc,
    "report as data": lambda: (
        set(classifier.read(SAMPLES / "trouble/arp.pcap").report().to_dict()["flows"]) - {"total", *ATTEMPTED}
    ),
    "page": lambda: {
        row["name"] for row in contents(classifier.read(SAMPLES / "trouble/arp.pcap").report())["known"][:-1]
    },
    "chart of evidence": chart,
    "screen of live": screen,
    "labels for Prometheus": labels,
    "board for Grafana": board,
    "README": page_of("README.md", ROWS, r"^\| `(\w+)` \|"),
    "page on live": page_of("docs/pages/how-to/live.md", r"`proto` and `role`\n\((.*?)\)", r"`(\w+)`"),
    "glossary": page_of("docs/pages/glossary.md", ROWS, r"^\| `(\w+)` \|"),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_place_names_all_roles(place: str) -> None:
    assert PLACES[place]() == set(ROLES)
