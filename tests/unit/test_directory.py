"""The server directory as a file: what one capture proves helps with another."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support import frames
from support.frames import End
from support.talk import Talk

import classifier
from classifier.errors import DirectoryError, NotWrittenError
from classifier.roles import directory_file
from classifier.roles.directory import no_entries

DAY_NS = 86_400_000_000_000
CLIENT, OTHER = End("10.0.0.1", 29_211), End("10.0.0.3", 29_711)
SERVERS = [End("10.0.0.2", 29_513), End("fd00::2", 29_513)]


def connection(server: End, wait_ns: int = 0) -> Talk:
    client = End("fd00::3", 29_711) if ":" in server.ip else OTHER
    return Talk(client, server).wait(wait_ns).handshake().exchange()


def midstream(server: End, wait_ns: int = 0) -> Talk:
    client = End("fd00::1", 29_211) if ":" in server.ip else CLIENT
    return Talk(client, server).wait(wait_ns).server("PA", b"some").client("PA", b"more")


def read(directory: Path, *talks: Talk) -> list[dict[str, Any]]:
    packets = [packet for talk in talks for packet in talk.packets]
    traffic = classifier.read(io.BytesIO(frames.pcap(packets)), directory=directory)
    rows: list[dict[str, Any]] = traffic.to_arrow().to_pylist()
    return rows


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "servers.parquet"


@pytest.mark.parametrize("server", SERVERS, ids=lambda end: end.ip)
def test_yesterday_helps_today(directory: Path, server: End) -> None:
    assert read(directory, midstream(server))[0]["role"] == "ambiguous"
    read(directory, connection(server))
    (row,) = read(directory, midstream(server, DAY_NS))
    assert (row["role"], row["role_evidence"][0]) == ("inferred", "directory")
    assert (row["server_ip"], row["server_port"]) == server


def test_a_row_an_endpoint(directory: Path) -> None:
    read(directory, *map(connection, SERVERS))
    rows = pq.read_table(directory).to_pylist()
    assert [(row["server_ip"], row["server_port"], row["proto"], row["flows"]) for row in rows] == [
        ("10.0.0.2", 29_513, "tcp", 1),
        ("fd00::2", 29_513, "tcp", 1),
    ]
    assert all(row["first_seen"] < row["last_seen"] for row in rows)


def test_the_same_capture_counts_once(directory: Path) -> None:
    for _ in range(3):
        read(directory, *map(connection, SERVERS))
    assert pq.read_table(directory)["flows"].to_pylist() == [1, 1]


def test_another_day_counts_again(directory: Path) -> None:
    read(directory, connection(SERVERS[0]))
    read(directory, connection(SERVERS[0], DAY_NS))
    (row,) = pq.read_table(directory).to_pylist()
    assert row["flows"] == 2
    assert (row["last_seen"] - row["first_seen"]).days == 1


def test_the_order_of_captures_does_not_matter(tmp_path: Path) -> None:
    talks = [connection(SERVERS[0]), connection(SERVERS[1], DAY_NS)]
    for name, order in (("one", talks), ("other", talks[::-1])):
        for talk in order:
            read(tmp_path / name, talk)
    assert pq.read_table(tmp_path / "one").equals(pq.read_table(tmp_path / "other"))


def test_entries_expire(directory: Path) -> None:
    read(directory, connection(SERVERS[0]))
    later = directory_file.expiry_ns() + DAY_NS
    (row,) = read(directory, midstream(SERVERS[0], later))
    assert "directory" not in row["role_evidence"]
    read(directory, connection(SERVERS[1], later))
    assert pq.read_table(directory)["server_ip"].to_pylist() == ["fd00::2"]


def test_an_attempt_enters_nothing(directory: Path) -> None:
    read(directory, Talk(OTHER, SERVERS[0]).client("S").server("RA"))
    assert pq.read_table(directory).num_rows == 0


@pytest.mark.parametrize("content", [b"", b"PAR1 and nothing else", b"not at all"])
def test_a_file_that_is_none(directory: Path, content: bytes) -> None:
    directory.write_bytes(content)
    with pytest.raises(DirectoryError, match=r"servers\.parquet: not a server directory"):
        read(directory, midstream(SERVERS[0]))
    assert directory.read_bytes() == content


def test_another_parquet_file(directory: Path) -> None:
    classifier.read(io.BytesIO(frames.pcap(connection(SERVERS[0]).packets))).services.to_parquet(directory)
    with pytest.raises(DirectoryError, match="not a server directory"):
        read(directory, midstream(SERVERS[0]))


def test_a_place_that_cant_be_written_is_told_before_reading(tmp_path: Path) -> None:
    with pytest.raises(NotWrittenError, match=r"nowhere/servers: can't be written \(no such folder\)"):
        classifier.read("missing.pcap", directory=tmp_path / "nowhere/servers")


def test_a_directory_that_cant_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "servers").mkdir()
    with pytest.raises(NotWrittenError, match=r"servers: can't be written \(.* directory\)"):
        directory_file.save(tmp_path / "servers", no_entries())
    assert [path.name for path in tmp_path.iterdir()] == ["servers"]
