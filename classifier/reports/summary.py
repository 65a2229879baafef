"""A report as plain data, the same for the terminal and for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from classifier.reports.export.tabular import rows
from classifier.reports.hosts import Hosts
from classifier.roles.self_check import SelfCheck
from classifier.traffic.judged_flows import JudgedFlows
from classifier.traffic.public import with_filtered
from classifier.traffic.tables import ATTEMPTS
from classifier.wording import counted

#: Texts of the reasons in the packet accounting, after a number of packets.
REASONS = {
    "link_type": "unsupported link type",
    "not_ip": "non-IP (ARP, LLDP, …)",
    "unknown_type": "unknown type",
    "icmp": "ICMP",
    "no_ports": "IP without ports (OSPF, IGMP, …)",
    "encrypted": "encrypted (ESP, Wi-Fi, MACsec)",
    "later_fragment": "orphan fragments",
    "duplicate": "duplicates",
    "too_deep": "nested too deeply",
    "cut_short": "truncated headers (snap length)",
    "damaged_link": "malformed link or tunnel headers",
    "damaged_ip": "malformed IP headers",
    "damaged_transport": "malformed transport headers",
    "filtered": "excluded by the filter",
}

_REASONS_OF_ONE = {
    reason: text.replace("headers", "header") for reason, text in REASONS.items() if "headers" in text
} | {"later_fragment": "orphan fragment", "duplicate": "duplicate"}

#: Names of common link types that carry no IP.
LINK_TYPES = {
    187: "Bluetooth",
    189: "USB",
    195: "802.15.4",
    220: "USB",
    227: "CAN",
    249: "USBPcap",
}


def summary(
    traffic: JudgedFlows,
    top: int | None = None,
    *,
    by: str | None = None,
    hosts: Hosts | None = None,
    interval_s: float | None = None,
) -> dict[str, Any]:
    """Return the report as plain data, each table limited to `top` rows and a row `other`.

    With `by` it has one table, `groups`; with `interval_s` one table of services over time, `timeline`.
    """

    def named(table: pa.Table) -> list[dict[str, Any]]:
        return rows(hosts.named(table) if hosts else table)

    found = _head(traffic)
    if by:
        groups = with_filtered(traffic.breakdown(by, top), "group", traffic.left_out)
        return found | {"by": by, "groups": named(groups), "accounting": dict(traffic.accounting)}
    if interval_s:
        timeline = rows(traffic.over_time(interval_s))
        return found | {"timeline": timeline, "accounting": dict(traffic.accounting)}
    totals = traffic.totals
    services = with_filtered(totals.services(top), "service", traffic.left_out)
    return found | {
        "services": named(services),
        "over_time": _over_time(traffic, services),
        "servers": named(totals.servers(top)),
        "clients": named(totals.clients(top)),
        "attempts": named(totals.attempts(top)),
        "mismatches": named(totals.mismatches(top)),
        "accounting": dict(traffic.accounting),
    }


def _over_time(traffic: JudgedFlows, services: pa.Table) -> dict[str, Any]:
    """Return the bytes of each listed service in each time bin."""
    timeline, interval_ns = traffic.over_time(), round(traffic.interval_s * 1e9)
    place = pc.divide(timeline["start"].cast(pa.int64()), interval_ns).to_numpy()
    first = int(place.min()) if len(place) else 0
    bins = int(place.max()) - first + 1 if len(place) else 0
    size = pc.add(timeline["client_bytes"], timeline["server_bytes"]).to_numpy()
    keys = list(zip(timeline["service"].to_pylist(), timeline["proto"].to_pylist(), strict=True))
    listed = list(zip(services["service"].to_pylist(), services["proto"].to_pylist(), strict=True))
    bytes_ = {key: [0] * bins for key in listed if key[1]}
    for key, number, moved in zip(keys, place - first, size, strict=True):
        if key in bytes_:
            bytes_[key][number] += int(moved)
    found = [
        {"service": service, "proto": proto, "bytes": counts} for (service, proto), counts in bytes_.items()
    ]
    return {"interval_s": traffic.interval_s, "begin": time_text(first * interval_ns), "services": found}


def _head(traffic: JudgedFlows) -> dict[str, Any]:
    metered, services = traffic.metered, traffic.totals.services()
    counted = {
        name: int(pc.sum(services[name]).as_py() or 0)
        for name in ("confirmed", "inferred", "ambiguous", *ATTEMPTS)
    }
    attempted = sum(counted[name] for name in ATTEMPTS)
    return {
        "captures": metered.captures[: len(metered.begins_ns)],
        "first_seen": time_text(metered.begin_ns) if metered.counters.packets else None,
        "last_seen": time_text(metered.end_ns) if metered.counters.packets else None,
        "duration_s": (metered.end_ns - metered.begin_ns) / 1e9,
        "packets": metered.counters.packets,
        "wire_bytes": metered.counters.wire_bytes,
        "dropped": metered.counters.dropped,
        "evicted": metered.counters.evicted,
        "duplicates": metered.counters.duplicates,
        "bad_checksums": dict(metered.counters.bad_checksums) or None,
        "unknown_types": dict(traffic.unknown_types),
        "problems": [str(problem) for problem in traffic.problems],
        "remarks": traffic.remarks,
        "flows": {"total": sum(counted.values())} | counted | {"attempted": attempted},
        "self_check": _self_check(traffic.totals.self_check),
    }


def _self_check(check: SelfCheck) -> dict[str, Any]:
    """Return how many servers would be inferred with the handshakes hidden, and how many correctly."""
    return {
        "flows": check.flows,
        "inferred": check.inferred,
        "inferred_right": check.inferred_right,
        "right": check.right,
        "evidence": [
            {"evidence": kind, "flows": flows, "right": right} for kind, (flows, right) in check.kinds.items()
        ],
    }


def nothing_decoded(traffic: JudgedFlows) -> str | None:
    """Return why a capture with packets has no flow; None if it has one, or has no packets."""
    if traffic.metered.spool.rows or not traffic.metered.counters.packets:
        return None
    counts = traffic.accounting
    reasons = [
        reason_text(reason, packets) for reason, packets in counts.items() if reason in REASONS and packets
    ]
    types = {
        name: packets for name, packets in traffic.unknown_types.items() if not name.startswith("link type")
    }
    hints = [types_text(types)] if types else []
    numbers = sorted(number for kind, number in traffic.metered.counters.unknown_types if kind == "link_type")
    elsewhere = "" if traffic.metered.via == "scapy" else "; try --via scapy"
    hints += [
        f"link type {number} ({LINK_TYPES[number]}) carries no IP"
        if number in LINK_TYPES
        else f"unsupported link type {number}{elsewhere}"
        for number in numbers
    ]
    packets = counted(counts["packets"], "packet")
    return "; ".join([f"no TCP or UDP in {packets}: {', '.join(reasons)}", *hints])


def reason_text(reason: str, packets: int) -> str:
    """Format a number of packets and the text of a reason."""
    return counted(packets, _REASONS_OF_ONE.get(reason, REASONS[reason]), REASONS[reason])


def types_text(packets_by_type: Mapping[str, int]) -> str:
    """Format packets by unknown type."""
    return ", ".join(f"{name}: {packets:,}" for name, packets in packets_by_type.items())


def time_text(time_ns: int) -> str:
    """Format a time as ISO 8601 (RFC 3339), to the second."""
    try:
        return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError):  # beyond the year 9999, or before 1
        return f"{time_ns} ns"


def seconds_text(time: str) -> str:
    """Cut an ISO 8601 text to the second."""
    return f"{time[:19]}Z"


def milliseconds_text(time: str) -> str:
    """Cut an ISO 8601 text to the millisecond."""
    return f"{time[:23]}Z"
