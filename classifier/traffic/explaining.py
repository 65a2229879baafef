"""The explanation of one flow: its first packets, the evidence, and what would resolve it."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from classifier import _meter
from classifier.ports.rules import Rules
from classifier.roles import Context, FlowFeatures, decide
from classifier.roles.explain import add_up, explain, settles

#: Packets of a ladder diagram.
LADDER_PACKETS = 12


def as_plain_data(
    features: FlowFeatures, row: dict[str, Any], context: Context, decapsulate: bool
) -> dict[str, Any]:
    """Return the explanation of one flow, given its features and its row of the flow table."""
    facts, server_is_b = features.facts, bool(decide(features, context).server_is_b[0])
    client, server = (_endpoint(row[f"{side}_ip"], row[f"{side}_port"]) for side in ("client", "server"))
    texts = {"a": client, "b": server} if server_is_b else {"a": server, "b": client}
    reasons = [
        {
            "evidence": str(reason.evidence),
            "server": texts[reason.server] if reason.server else None,
            "weight": reason.weight,
            "seen": reason.seen.format(**texts),
        }
        for reason in explain(features, context)
    ]
    sums = add_up(features, context)
    packets = _packets(facts, row["capture"].split("|"), decapsulate)
    return {
        "evidence": reasons,
        "sum": None if sums is None else asdict(sums),
        "service": [row["service"]]
        if row["service"]
        else _candidates(context.rules, facts, "b" if server_is_b else "a"),
        "runner_up": _candidates(context.rules, facts, "a" if server_is_b else "b"),
        "settles": None if row["role_confidence"] == 1 else settles(features, context),
        "packets": row["client_packets"] + row["server_packets"],
        "ladder": None if packets is None else [_rung(packet, packets[0], server_is_b) for packet in packets],
    }


def _packets(facts: pa.RecordBatch, captures: list[str], decapsulate: bool) -> list[dict[str, Any]] | None:
    """Return the first packets of a single row; None where an input can't be read a second time."""
    if not all(map(os.path.isfile, captures)):
        return None
    span = {"first_ns": facts["first_seen_ns"][0].as_py(), "last_ns": facts["last_seen_ns"][0].as_py()}
    found: list[dict[str, Any]] = []
    for capture in captures:
        try:
            packets = _meter.packets(capture, facts, **span, most=LADDER_PACKETS, decapsulate=decapsulate)
        except (_meter.MeterError, OSError):  # another program read it, or it no longer exists
            return None
        found += pa.record_batch(packets).to_pylist()
    return sorted(found, key=lambda packet: int(packet["time_ns"]))[:LADDER_PACKETS]


def _rung(packet: dict[str, Any], first: dict[str, Any], server_is_b: bool) -> dict[str, Any]:
    return {
        "seconds": (packet["time_ns"] - first["time_ns"]) / 1e9,
        "from_client": packet["from_b"] != server_is_b,
        **{name: packet[name] for name in ("flags", "payload_bytes", "icmp_error")},
    }


def _endpoint(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _candidates(rules: Rules, facts: pa.RecordBatch, end: str) -> list[str]:
    """Return the possible services at one endpoint of a single row."""
    proto, port = facts["proto"].to_numpy(), facts[f"port_{end}"].to_numpy()
    (place,) = rules.places(proto, port, facts[f"addr_{end}"])
    return [service.name for service in rules.candidates[place]]
