"""What `read()` takes: paths, several pieces, open files, pipes; and what it does when a source fails."""

from __future__ import annotations

import errno
import gzip
import io
import os
import struct
import threading
from pathlib import Path
from typing import Any

import pytest
from support import frames
from support.frames import Packet
from support.places import SAMPLES
from support.rows import facts, row_dicts
from support.talk import Talk

import classifier
from classifier.errors import ExitStatus

HANDSHAKES = SAMPLES / "handshakes.pcap"


@pytest.fixture(scope="module")
def handshakes() -> list[Any]:
    return facts(classifier.read(HANDSHAKES))


def stream(packets: list[Packet], name: str | None = None) -> io.BytesIO:
    file = io.BytesIO(frames.pcap(packets))
    if name:
        file.name = name
    return file


class TestOneSource:
    @pytest.mark.parametrize("kind", [str, Path, os.fspath], ids=["str", "Path", "fspath"])
    def test_a_path(self, kind: Any, handshakes: list[Any]) -> None:
        assert facts(classifier.read(kind(HANDSHAKES))) == handshakes

    def test_an_open_file(self, handshakes: list[Any]) -> None:
        with HANDSHAKES.open("rb") as file:
            traffic = classifier.read(file)
            assert facts(traffic) == handshakes
            assert not file.closed
        assert set(traffic.flows["capture"]) == {str(HANDSHAKES)}

    def test_an_open_file_is_read_from_where_it_stands(self, handshakes: list[Any]) -> None:
        file = io.BytesIO(b"a mail header\n" + HANDSHAKES.read_bytes())
        file.readline()
        assert facts(classifier.read(file)) == handshakes

    def test_bytes_in_memory(self, handshakes: list[Any]) -> None:
        traffic = classifier.read(io.BytesIO(HANDSHAKES.read_bytes()))
        assert facts(traffic) == handshakes
        assert set(traffic.flows["capture"]) == {"stream"}

    def test_an_unpacking_file(self, handshakes: list[Any], tmp_path: Path) -> None:
        packed = tmp_path / "handshakes.pcap.gz"
        packed.write_bytes(gzip.compress(HANDSHAKES.read_bytes()))
        with gzip.open(packed) as file:
            assert facts(classifier.read(file)) == handshakes  # type: ignore[arg-type]
        assert facts(classifier.read(packed)) == handshakes

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
    def test_a_fifo(self, tmp_path: Path, handshakes: list[Any]) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        writer = threading.Thread(target=fifo.write_bytes, args=(HANDSHAKES.read_bytes(),), daemon=True)
        writer.start()
        traffic = classifier.read(fifo)
        writer.join(timeout=10)
        assert facts(traffic) == handshakes

    def test_a_source_that_gives_little_at_a_time(self, handshakes: list[Any]) -> None:
        class Drops(io.RawIOBase):
            def __init__(self) -> None:
                self.rest = HANDSHAKES.read_bytes()

            def readable(self) -> bool:
                return True

            def read(self, size: int = -1) -> bytes:
                given, self.rest = self.rest[:7], self.rest[7:]
                return given[:size]

        assert facts(classifier.read(Drops())) == handshakes  # type: ignore[arg-type]


class TestSeveralPieces:
    """A connection cut in two is one flow, from both captures."""

    def pieces(self) -> tuple[Talk, list[Packet], list[Packet]]:
        talk = Talk().handshake().exchange()
        return talk, talk.packets[:4], talk.packets[4:]

    def test_paths(self, tmp_path: Path) -> None:
        talk, *pieces = self.pieces()
        paths = [tmp_path / "one.pcap", tmp_path / "two.pcap"]
        for path, piece in zip(paths, pieces, strict=True):
            path.write_bytes(frames.pcap(piece))
        for chosen in (paths, tuple(paths), iter(paths)):
            traffic = classifier.read(chosen)
            assert facts(traffic) == facts(talk.read())
            assert traffic.flows["capture"].tolist() == ["|".join(map(str, paths))]

    def test_pieces_alone_are_halves(self) -> None:
        _, before, after = self.pieces()
        histories = [row_dicts(classifier.read(stream(piece)))[0]["history"] for piece in (before, after)]
        assert histories == ["ShAD", "^adA"]

    def test_the_capture_column(self) -> None:
        """Each flow names the files that it came from, in the order given, and no others."""
        _, before, after = self.pieces()
        start, end = before[0].time_ns, after[-1].time_ns
        first, last = (Talk(Talk().ends[0]._replace(port=port)).client("S") for port in (40_001, 40_002))
        sources = [
            stream([Packet(start, first.packets[0].data), *before], "one"),
            stream(after, "two"),
            stream([Packet(end + 1, last.packets[0].data)], "three"),
        ]
        rows = row_dicts(classifier.read(sources))
        captures = {row["client_port"]: row["capture"] for row in rows}
        assert captures == {40_000: "one|two", 40_001: "one", 40_002: "three"}

    def test_one_direction_each(self) -> None:
        """A tap has a file for each direction."""
        talk = Talk().handshake().exchange().client("FA").server("FA").client("A")
        halves = [Talk(), Talk()]
        for sender, half in enumerate(halves):
            half.packets = talk.packets
            half.only(sender)
        for order in (halves, halves[::-1]):
            traffic = classifier.read([stream(half.packets) for half in order])
            assert facts(traffic) == facts(talk.read())

    def test_none(self) -> None:
        with pytest.raises(classifier.CaptureError) as raised:
            classifier.read([])
        assert raised.value.status == ExitStatus.NO_INPUT

    def test_a_bad_one_among_them(self, tmp_path: Path) -> None:
        text = tmp_path / "notes.txt"
        text.write_text("not a capture at all, only some notes\n")
        traffic = classifier.read([text, HANDSHAKES])
        assert facts(traffic) == facts(classifier.read(HANDSHAKES))
        assert [problem.file for problem in traffic.problems] == [str(text)]
        assert traffic.problems[0].status == ExitStatus.NOT_A_CAPTURE
        assert traffic.status == ExitStatus.PARTIAL

    def test_nothing_but_bad_ones(self, tmp_path: Path) -> None:
        text = tmp_path / "notes.txt"
        text.write_text("not a capture at all, only some notes\n")
        with pytest.raises(classifier.CaptureError, match=r"notes\.txt") as raised:
            classifier.read([text, text])
        assert raised.value.status == ExitStatus.NOT_A_CAPTURE


class TestFailingSources:
    def test_what_is_not_there(self, tmp_path: Path) -> None:
        for path in (tmp_path / "missing.pcap", tmp_path):
            with pytest.raises(classifier.CaptureError) as raised:
                classifier.read(path)
            assert raised.value.status == ExitStatus.NO_INPUT
            assert raised.value.file == str(path)

    def test_what_is_empty(self) -> None:
        with pytest.raises(classifier.CaptureError, match="empty"):
            classifier.read(io.BytesIO())

    @pytest.mark.parametrize("after", [0, 10, 24, 5000])
    @pytest.mark.parametrize(
        "error",
        [RuntimeError("out of paper"), OSError(errno.EIO, "bad disk"), KeyboardInterrupt()],
        ids=["RuntimeError", "OSError", "KeyboardInterrupt"],
    )
    def test_an_exception_of_the_source_passes_through(self, after: int, error: BaseException) -> None:
        data = io.BytesIO(HANDSHAKES.read_bytes()[:after])

        class Failing:
            def read(self, size: int) -> bytes:
                given = data.read(size)
                if not given:
                    raise error
                return given

        with pytest.raises(type(error)) as raised:
            classifier.read(Failing())  # type: ignore[arg-type]
        assert raised.value is error

    def test_text_is_no_capture(self) -> None:
        with pytest.raises(TypeError):
            classifier.read(io.StringIO("text"))

    def test_more_than_was_asked_for(self) -> None:
        class Generous:
            def read(self, size: int) -> bytes:
                return bytes(size + 1)

        with pytest.raises(ValueError, match="more bytes"):
            classifier.read(Generous())  # type: ignore[arg-type]

    def test_a_cut_capture_keeps_its_beginning(self) -> None:
        """Everything before the corrupt part is reported, with a problem that has its place."""
        cut = SAMPLES / "trouble/cut-inside-packet.pcap"
        traffic = classifier.read(cut)
        (problem,) = traffic.problems
        assert (problem.file, problem.status) == (str(cut), ExitStatus.PARTIAL)
        assert problem.offset and 0 < problem.offset < cut.stat().st_size
        assert traffic.status == ExitStatus.PARTIAL
        assert len(traffic.flows) == 1

    @pytest.mark.parametrize("opened", [False, True], ids=["path", "file"])
    def test_what_a_cut_capture_says_it_lost_counts(self, opened: bool, tmp_path: Path) -> None:
        talk = Talk().handshake()
        lost = struct.pack("<IIIHHQHH", 0, 0, 0, 5, 8, 7, 0, 0)  # isb_ifdrop: 7
        whole = frames.pcapng(talk.packets) + frames.block(5, lost) + frames.block(6, bytes(32))
        path = tmp_path / "cut.pcapng"
        path.write_bytes(whole[:-5])
        with path.open("rb") as file:
            traffic = classifier.read(file if opened else path)
        assert [problem.status for problem in traffic.problems] == [ExitStatus.PARTIAL]
        assert traffic.report().to_dict()["dropped"] == 7

    def test_a_cut_capture_among_others(self) -> None:
        cut = SAMPLES / "trouble/cut-inside-packet.pcap"
        traffic = classifier.read([cut, HANDSHAKES])
        assert len(traffic.problems) == 1
        assert traffic.accounting["packets"] == 9 + 180


class TestIdleTimes:
    @pytest.mark.parametrize(("idle_s", "flows"), [(7.0, 1), (6.999_999, 2), (0, 2)])
    def test_of_tcp(self, idle_s: float, flows: int) -> None:
        talk = Talk().client("PA", b"x").wait(7_000_000_000 - 1_000_000)
        talk.client("PA", b"x", seq=1 << 20)  # not where it ended: else it would go on after any time
        assert len(classifier.read(stream(talk.packets), tcp_idle_s=idle_s, udp_idle_s=1).flows) == flows

    @pytest.mark.parametrize(("idle_s", "flows"), [(7.0, 1), (6.999_999, 2), (0, 2)])
    def test_of_udp(self, idle_s: float, flows: int) -> None:
        talk = Talk().datagram(0).wait(7_000_000_000 - 1_000_000).datagram(1)
        assert len(classifier.read(stream(talk.packets), udp_idle_s=idle_s, tcp_idle_s=1).flows) == flows
