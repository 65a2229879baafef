"""`classifier explain`: one flow, why its server is the server."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from launching import OFFICE, SAMPLES, run

from classifier.cli import app
from classifier.errors import ExitStatus, FlowError

ENDS = "10.0.0.1:1494-10.0.0.2:1080"
SAMPLE = {name: str(SAMPLES / f"{name}.pcap") for name in ("socks-1080", "ica-1494", "no-handshake")}


def told(*arguments: str) -> dict[str, Any]:
    result = run("explain", *arguments, "--format", "json")
    assert result.status == ExitStatus.OK, result.complaint
    found: dict[str, Any] = json.loads(result.text)
    return found


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("socks-1080", "10.0.0.2:1080 is the server (socks): confirmed."),
        ("ica-1494", "10.0.0.1:1494 is the server (ica): confirmed."),
    ],
)
def test_the_handshake_settles_it(name: str, verdict: str) -> None:
    lines = run("explain", SAMPLE[name], ENDS).text.splitlines()
    assert f"Verdict: {verdict}" in lines
    ladder = [line for line in lines if "── " in line]
    assert ["SYN ──" in ladder[0], "SYN ACK ──" in ladder[1], "ACK ──" in ladder[2]] == [True] * 3
    assert ladder[0].endswith("▶") and "◀──" in ladder[1]
    assert any(line.startswith("handshake") and "proof" in line for line in lines)
    assert not any(line.startswith(("Runner-up", "Sum for", "To resolve this")) for line in lines)


def test_without_one_both_sides_are_named() -> None:
    text = run("explain", SAMPLE["no-handshake"], ENDS).text
    assert "Verdict: ambiguous. Likelier server: 10.0.0.2:1080 (socks), " in text
    assert "Runner-up: 10.0.0.1:1494 (ica), " in text
    assert "To resolve this: Capture from the start of the connection" in text


#: Samples, two endpoints, and what is in the line of the sum: evidence of one side, of both, and each cap.
SUMS = [
    (SAMPLE["no-handshake"], ENDS, ""),
    (
        str(SAMPLES / "handshakes.pcap"),
        "10.1.0.12:40012-10.2.0.12:80",
        "limited to 2.000 (the handshake is not",
    ),
    (str(SAMPLES / "handshakes.pcap"), "10.1.0.15:40015-10.2.0.15:80", ""),
    (str(OFFICE), "10.77.0.101:123-10.77.0.123:123", "limited to 6.900 (only a handshake is certain)"),
    (str(OFFICE), "10.77.0.103:1525-10.77.0.22:22", "limited to 6.900 (only a handshake is certain)"),
    (str(OFFICE), "10.77.0.102:5353-224.0.0.251:5353", ""),
]


@pytest.mark.parametrize(("capture", "ends", "limit"), SUMS)
def test_what_is_printed_adds_up(capture: str, ends: str, limit: str) -> None:
    """From the log-odds of the table to the sum, and from the sum to the percentages."""
    flow = told(capture, ends)["flow"]
    lines = run("explain", capture, ends).text.splitlines()
    (line,) = [line for line in lines if line.startswith("Sum for ")]
    server, odds = re.findall(r"^Sum for (\S+): (-?[\d.]+)[.,]", line)[0]
    rows = [row.split()[1:3] for row in lines if re.match(r"\w+ +\S+:\d+ +\d+\.\d{3} ", row)]
    assert len(rows) == sum(1 for row in told(capture, ends)["evidence"] if row["weight"])
    signed = sum(float(weight) * (1 if side == server else -1) for side, weight in rows)
    assert float(odds) == pytest.approx(signed, abs=0.0006 * len(rows))
    assert limit in line and ("limited" in line) == bool(limit)
    most = float(re.findall(r"limited to ([\d.]+)", line)[0]) if limit else float(odds)
    (total,) = re.findall(r"1/\(1\+e\^-([\d.]+)\)", line)
    assert float(total) == min(float(odds), most)
    confidence = 100 / (1 + math.exp(-float(total)))
    (verdict,) = [line for line in lines if line.startswith("Verdict: ")]
    (other,) = [line for line in lines if line.startswith("Runner-up: ")]
    shown, rest = (float(re.findall(r"([\d.]+)%\.$", line)[0]) for line in (verdict, other))
    assert shown == pytest.approx(confidence, abs=0.1)
    assert shown == pytest.approx(100 * flow["role_confidence"], abs=0.05)
    assert shown + rest == pytest.approx(100)
    assert f"= {shown:.1f}%." in line


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ("10.1.0.5:40005-10.2.0.5:80", "attempted. Target: 10.2.0.5:80 (http)."),
        ("10.1.0.12:40012-10.2.0.12:80", "attempted. Likelier target: 10.2.0.12:80 (http), 88.1%."),
        ("10.1.0.11:40011-10.2.0.11:40100", "ambiguous. Likelier server: 10.1.0.11:40011, 69.0%."),
    ],
)
def test_no_server_is_called_one_that_is_none(ends: str, verdict: str) -> None:
    text = run("explain", str(SAMPLES / "handshakes.pcap"), ends).text
    assert f"Verdict: {verdict}" in text.splitlines()
    assert "is the server" not in text


def test_limits_inside_a_kind_are_shown() -> None:
    text = run("explain", str(SAMPLES / "handshakes.pcap"), "10.1.0.12:40012-10.2.0.12:80").text
    assert "port 40012 -3.400, port 80 +6.200; limited to 6.0" in text


def test_by_its_id_as_by_its_ends_in_any_order() -> None:
    one = told(SAMPLE["ica-1494"], ENDS)
    assert told(SAMPLE["ica-1494"], "10.0.0.2:1080-10.0.0.1:1494") == one
    assert told(SAMPLE["ica-1494"], one["flow"]["flow_id"]) == one


def test_evidence_sums_up_to_the_verdict() -> None:
    found = told(str(OFFICE), "10.77.0.101:123-10.77.0.123:123")
    flow = found["flow"]
    assert [row["evidence"] for row in found["evidence"] if row["weight"]] == flow["role_evidence"]
    assert {row["server"] for row in found["evidence"] if row["weight"]} == {"10.77.0.123:123"}
    assert len(found["ladder"]) == flow["client_packets"] + flow["server_packets"]
    assert [packet["payload_bytes"] for packet in found["ladder"]] == [48] * 4
    assert [packet["from_client"] for packet in found["ladder"]] == [True, False] * 2


def test_of_a_pipe_there_is_no_ladder(tmp_path: Path) -> None:
    result = run("explain", "-", ENDS, stdin=Path(SAMPLE["ica-1494"]).read_bytes())
    assert result.status == ExitStatus.OK
    assert "can't be read a second time" in result.text and "confirmed" in result.text


@pytest.mark.parametrize(
    ("flow", "complaint"),
    [
        ("", "not a flow_id or two endpoints"),
        ("10.0.0.1:1494", "not a flow_id or two endpoints"),
        ("10.0.0.1:1494-10.0.0.2:99999", "not a flow_id or two endpoints"),
        ("10.0.0.1-10.0.0.2", "not a flow_id or two endpoints"),
    ],
)
def test_what_is_no_flow(flow: str, complaint: str) -> None:
    error = CliRunner().invoke(app, ["explain", SAMPLE["ica-1494"], flow], standalone_mode=False).exception
    assert isinstance(error, FlowError) and error.status == ExitStatus.USAGE
    assert flow in str(error) and complaint in str(error)


@pytest.mark.parametrize("flow", ["10.0.0.1:1494-10.0.0.2:1081", "1:AAAA=@17"])
def test_a_flow_that_is_not_there(flow: str) -> None:
    error = CliRunner().invoke(app, ["explain", SAMPLE["ica-1494"], flow], standalone_mode=False).exception
    assert isinstance(error, FlowError) and error.status == ExitStatus.NOT_FOUND
    assert flow in str(error) and "no such flow" in str(error)


@pytest.mark.parametrize("ends", ["{} {}", "{} - {}", "{}-{}"])
@pytest.mark.parametrize("together", [False, True])
def test_ends_may_stand_apart_as_in_the_table(ends: str, together: bool) -> None:
    pasted = ends.format(*ENDS.split("-"))
    args = ["explain", SAMPLE["ica-1494"], *([pasted] if together else pasted.split())]
    result = CliRunner().invoke(app, args, standalone_mode=False)
    assert result.exception is None and "is the server (ica): confirmed." in result.output


def test_the_service_is_that_of_the_flow_table() -> None:
    """SSH behind the port of HTTPS, which payload shows."""
    found = told(str(OFFICE), "10.77.0.102:63086-10.77.0.22:443")
    assert found["service"] == [found["flow"]["service"]] == ["ssh"]
