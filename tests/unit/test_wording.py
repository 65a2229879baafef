"""Counts read well: no `1 flows`, wherever one of a kind is counted."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import frames
from support.talk import Talk

import classifier
from classifier.cli import app
from classifier.reports.summary import REASONS, reason_text
from classifier.wording import counted, listed

#: One of what is many; `1.1 s`, `10 flows` and `1 was` aren't.
WRONG = re.compile(
    r"(?<![\d,.:])1 (more |other |failed |confirmed )*"
    r"(packets|flows|attempts|servers|others|connections|duplicates|headers)\b"
)


@pytest.fixture(scope="module")
def one_packet() -> bytes:
    """One packet of one flow."""
    return frames.pcap(Talk().datagram(0).packets)


@pytest.fixture(scope="module")
def one_flow() -> bytes:
    """One flow that a handshake proves."""
    return frames.pcap(Talk().handshake().exchange().packets)


def written(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exception is None, result.output
    return result.output


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("flow",), "0 flows"),
        (1, ("flow",), "1 flow"),
        (2_000, ("flow",), "2,000 flows"),
        (1, ("entry", "entries"), "1 entry"),
        (2, ("entry", "entries"), "2 entries"),
    ],
)
def test_a_number_and_what_it_counts(number: int, words: tuple[str, ...], text: str) -> None:
    assert counted(number, *words) == text


def test_the_first_names_and_how_many_more() -> None:
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c"], 1) == "a and 2 more"
    assert listed([], 1) == ""


@pytest.mark.parametrize("reason", REASONS)
def test_a_packet_that_is_in_no_flow(reason: str) -> None:
    assert reason_text(reason, 2) == f"2 {REASONS[reason]}"
    assert not re.match(r"1 .*(fragments|duplicates|headers)\b", reason_text(reason, 1))


def test_reports_of_one_packet_and_one_flow(one_packet: bytes, one_flow: bytes, tmp_path: Path) -> None:
    one, other = tmp_path / "packet.pcap", tmp_path / "flow.pcap"
    one.write_bytes(one_packet)
    other.write_bytes(one_flow)
    said = {
        "1 packet   ": written("report", one),
        "of 1 confirmed flow inferred, 1 correct (100%)": written("report", other),
        "filter excluded 1 flow (1 packet)": written("flows", one, "--where", "mismatch"),
        "1 packet)": written("diff", one, one),
    }
    for words, text in said.items():
        assert words in text
        assert not WRONG.search(text)


def test_pages_of_one_packet_and_one_flow(one_packet: bytes, one_flow: bytes) -> None:
    pytest.importorskip("altair")
    from classifier.reports.html.contents import contents

    for capture in (one_packet, one_flow):
        traffic = classifier.read(io.BytesIO(capture))
        assert not WRONG.search(str(contents(traffic.select(where="not mismatch").report())))
        assert not WRONG.search(str(contents(traffic.select(where="mismatch").report())["notes"]))
    assert contents(traffic.report())["self_check"].startswith(
        "Self-check with handshakes hidden: of 1 confirmed flow, 1 would be inferred"
    )


def test_what_was_read_in_a_few_words(one_packet: bytes) -> None:
    assert ": 1 packet in 0.0 s" in repr(classifier.read(io.BytesIO(one_packet)))


def test_another_connection_to_a_server_is_explained() -> None:
    first = Talk(client=frames.End("10.0.0.9", 50_000)).handshake()
    late = Talk().exchange()
    packets = [*first.packets, *late.packets]
    told = classifier.read(io.BytesIO(frames.pcap(packets))).explain("10.0.0.1:40000-10.0.0.2:80")
    (directory,) = [row["seen"] for row in told["evidence"] if row["evidence"] == "directory"]
    assert directory == "10.0.0.2:80 accepted 1 other connection"
