"""The self-check: what would be inferred in a late capture for flows with a handshake."""

from __future__ import annotations

import io
from typing import Any

from support import frames
from support.frames import End
from support.talk import Talk

import classifier
from classifier.reports.summary import summary

SERVER = End("10.0.0.9", 29_513)


def check(*talks: Talk) -> dict[str, Any]:
    packets = [packet for talk in talks for packet in talk.packets]
    found: dict[str, Any] = summary(classifier.read(io.BytesIO(frames.pcap(packets))))["self_check"]
    return found


def connection(number: int, server: End) -> Talk:
    return Talk(End(f"10.0.0.{number}", 29_211 + 70 * number), server).handshake().exchange()


def spoke(found: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {row["evidence"]: (row["flows"], row["right"]) for row in found["evidence"] if row["flows"]}


def test_a_flow_is_no_evidence_for_itself() -> None:
    """Alone, with unknown ports: neither its entry in the directory nor its first packet counts."""
    found = check(connection(1, SERVER))
    assert (found["flows"], found["inferred"], found["inferred_right"]) == (1, 0, 0)
    assert spoke(found) == {}


def test_a_second_one_is() -> None:
    found = check(connection(1, SERVER), connection(2, SERVER))
    assert (found["flows"], found["inferred"], found["inferred_right"]) == (2, 2, 2)
    assert spoke(found)["directory"] == (2, 2)


def test_it_admits_to_being_wrong() -> None:
    """By its ports alone this one's roles are the other way round."""
    found = check(Talk(End("10.0.0.1", 443), End("10.0.0.2", 50_001)).handshake().exchange())
    assert (found["flows"], found["inferred"], found["inferred_right"], found["right"]) == (1, 1, 0, 0)
    assert spoke(found) == {"ports": (1, 0)}


def test_attempts_and_midstream_flows_are_not_asked_about() -> None:
    found = check(
        Talk(End("10.0.0.1", 50_001), End("10.0.0.2", 443)).client("S"),
        Talk(End("10.0.0.1", 50_002), End("10.0.0.2", 443)).client("S").server("RA"),
        Talk(End("10.0.0.1", 50_003), End("10.0.0.2", 443)).exchange(),
    )
    assert found["flows"] == 0
