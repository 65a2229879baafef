"""Metrics of a live capture for Prometheus."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from classifier.errors import MetricsError
from classifier.live.windows.running_totals import OTHER, RunningTotals, WindowChanges
from classifier.live.windows.window import Window

#: Services with labels of their own: the largest ones when a label was free.
MOST_LABELS = 100


@dataclass(frozen=True)
class _Families:
    bytes: dict[tuple[str, str, str], int]
    packets: dict[tuple[str, str, str], int]
    flows: dict[tuple[str, str, str], int]


class Metrics(Collector):
    """Serves the running totals over HTTP, in a thread, at `address`: host:port, an IPv6 host in brackets."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        try:
            number = int(port)
        except ValueError:
            raise MetricsError(f"--metrics {address}: not HOST:PORT; try 127.0.0.1:9464") from None
        self._lock = threading.Lock()
        self._labelled: set[tuple[str, str]] = set()
        self._mismatches: Counter[tuple[str, str, str]] = Counter()
        self._ledger = RunningTotals()
        self._sums = _Families({}, {}, {})
        registry = CollectorRegistry()
        registry.register(self)
        self._server: WSGIServer
        try:
            self._server, self._thread = start_http_server(
                number, host.strip("[]") or "127.0.0.1", registry=registry
            )
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MetricsError(
                f"--metrics {address}: can't listen ({reason}); choose another port"
            ) from error

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def take(self, window: Window, totals: RunningTotals, change: WindowChanges) -> None:
        """Serve the totals including this window from now on."""
        by_bytes = sorted(totals.services.items(), key=lambda item: -sum(item[1].bytes.values()))
        for key, _ in by_bytes:
            if len(self._labelled) >= MOST_LABELS:
                break
            self._labelled.add(key)
        sums: list[Counter[tuple[str, str, str]]] = [Counter(), Counter(), Counter()]
        for (name, proto), service in by_bytes:
            label = name if (name, proto) in self._labelled else OTHER
            for total, of_role in zip(sums, (service.bytes, service.packets, service.flows), strict=True):
                for role, count in of_role.items():
                    if count or role == "confirmed":
                        total[label, proto, role] += count
        with self._lock:
            self._ledger, self._sums = totals, _Families(*sums)
            for row in change.mismatches:
                self._mismatches[row["expected"], row["payload"], row["proto"]] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; the client library calls this for each request."""
        with self._lock:
            totals, sums, mismatches = self._ledger, self._sums, dict(self._mismatches)
        labels = ["service", "proto", "role"]
        for name, text, counts in (
            ("bytes", "IP bytes of a service's flows, both directions", sums.bytes),
            ("packets", "Packets of a service's flows", sums.packets),
            ("flows_ended", "Ended flows of a service", sums.flows),
        ):
            family = CounterMetricFamily(f"classifier_{name}", f"{text}, by role.", labels=labels)
            for key, count in counts.items():
                family.add_metric(key, count)
            yield family
        family = CounterMetricFamily(
            "classifier_mismatches",
            "Servers with another protocol than expected at their port.",
            labels=["expected", "payload", "proto"],
        )
        for key, count in mismatches.items():
            family.add_metric(key, count)
        yield family
        for name, text, count in (
            ("captured_packets", "Packets captured.", totals.counters.packets),
            ("captured_bytes", "Bytes of captured packets on the wire.", totals.counters.wire_bytes),
            ("dropped_packets", "Packets that the capturing system lost.", totals.counters.dropped),
            ("evicted_flows", "Flows ended early by the cap on flows.", totals.counters.evicted),
        ):
            yield CounterMetricFamily(f"classifier_{name}", text, value=count)
        yield GaugeMetricFamily("classifier_active_flows", "Active flows.", value=totals.active_flows)
        yield GaugeMetricFamily("classifier_servers", "Known servers.", value=len(totals.servers))

    def close(self) -> None:
        """Stop the capture."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
