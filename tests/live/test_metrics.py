"""Metrics for Prometheus."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest
from feeding import OFFICE, windows_of
from prometheus_client.parser import text_string_to_metric_families
from world import free_port

from classifier.errors import MetricsError
from classifier.live.output import metrics as serving
from classifier.live.output.metrics import Metrics
from classifier.live.windows.running_totals import RunningTotals

LABELS = ("service", "proto", "role")


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    served = Metrics("127.0.0.1:0")
    yield served
    served.close()


def told(metrics: Metrics) -> dict[tuple[str, ...], float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *(sample.labels[name] for name in LABELS if name in sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def follow(metrics: Metrics) -> RunningTotals:
    _, windows = windows_of(OFFICE.read_bytes())
    totals = RunningTotals()
    for window in windows:
        metrics.take(window, totals, totals.take(window))
    return totals


def test_the_sums_are_those_of_the_ledger(metrics: Metrics) -> None:
    totals = follow(metrics)
    samples = told(metrics)
    https = totals.services["https", "tcp"]
    assert samples["classifier_bytes_total", "https", "tcp", "confirmed"] == https.bytes["confirmed"]
    ended = samples["classifier_flows_ended_total", "https", "tcp", "confirmed"]
    assert ended == https.flows["confirmed"] > 0
    assert samples["classifier_captured_packets_total",] == 791
    assert samples["classifier_dropped_packets_total",] == 0
    assert samples["classifier_servers",] == len(totals.servers)


def test_before_the_first_window_there_are_metrics(metrics: Metrics) -> None:
    assert told(metrics)["classifier_captured_packets_total",] == 0


def test_labels_are_bounded_and_nothing_is_lost(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MOST_LABELS", 2)
    totals = follow(metrics)
    samples = {key: value for key, value in told(metrics).items() if key[0] == "classifier_bytes_total"}
    assert len({key[1] for key in samples}) == 3
    assert "other" in {key[1] for key in samples}
    assert sum(samples.values()) == sum(sum(service.bytes.values()) for service in totals.services.values())


def test_counters_never_fall(metrics: Metrics) -> None:
    _, windows = windows_of(OFFICE.read_bytes(), pieces=8)
    totals = RunningTotals()
    before: dict[tuple[str, ...], float] = {}
    for window in windows:
        metrics.take(window, totals, totals.take(window))
        now = told(metrics)
        fallen = {key for key, value in before.items() if key[0].endswith("_total") and now[key] < value}
        assert not fallen
        before = now


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999", "no.such.host.invalid:1"]
)
def test_a_bad_address_is_told(address: str) -> None:
    with pytest.raises(MetricsError, match=address):
        Metrics(address).close()


def test_an_address_in_use_is_told_and_free_again_afterwards() -> None:
    address = f"127.0.0.1:{free_port()}"
    first = Metrics(address)
    with pytest.raises(MetricsError, match="in use"):
        Metrics(address)
    first.close()
    Metrics(address).close()
