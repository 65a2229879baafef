"""`classifier flows -o DIR/`: the flow table as a folder of Parquet files by day."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from support.places import SAMPLES
from support.rows import row_dicts

import classifier
from classifier.cli import app
from classifier.errors import ExitStatus

BOTH = [SAMPLES / "office.pcapng", SAMPLES / "handshakes.pcap"]


def flows(*args: object) -> Result:
    return CliRunner().invoke(app, ["flows", *map(str, args)])


def test_the_rows_are_those_of_the_flow_table_by_day(tmp_path: Path) -> None:
    result = flows(*BOTH, "-o", f"{tmp_path}/flows/")
    assert not result.output and not result.exception
    days = sorted(path.name for path in (tmp_path / "flows").iterdir())
    assert days == ["date=2026-01-05", "date=2026-11-23"]
    table = pq.read_table(tmp_path / "flows").sort_by([("first_seen", "ascending"), ("flow_id", "ascending")])
    expected = row_dicts(classifier.read(BOTH))
    rows = table.to_pylist()
    assert [str(row.pop("date")) for row in rows] == ["2026-01-05"] * 31 + ["2026-11-23"] * 78
    assert rows == expected


def test_to_a_url(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install 'pcap-classifier[remote]'")
    assert not flows(*BOTH, "-o", "memory://flows/").exception
    files = fsspec.filesystem("memory")
    try:
        assert len(files.glob("/flows/date=*/*.parquet")) == 2
    finally:
        files.store.clear()


def test_names_of_a_hosts_file_go_along(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("10.77.0.10 www\n")
    assert not flows(BOTH[0], "-o", f"{tmp_path}/flows/", "--hosts", tmp_path / "hosts").exception
    assert "www" in pq.read_table(tmp_path / "flows")["server_host"].to_pylist()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    result = flows("missing.pcap", "-o", f"{tmp_path}/")  # found before reading
    assert getattr(result.exception, "status", None) == ExitStatus.NOT_WRITTEN
    assert "not an empty folder; choose another" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_only_flows_has_folders(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(BOTH[0]), "-o", f"{tmp_path}/x/"])
    assert result.exit_code == ExitStatus.USAGE
    assert "only `classifier flows` writes to a folder or URL" in result.output
