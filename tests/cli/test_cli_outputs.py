"""Tables for other programs: JSON, JSON Lines, CSV, Parquet, to standard output and to files."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pytest
from launching import HANDSHAKES, OFFICE, SAMPLES, Result, fifo, finish, run, start
from pyarrow import parquet

from classifier.errors import ExitStatus
from classifier.flows.table import SCHEMA
from classifier.traffic.tables import SERVERS, SERVICES

NO_HANDSHAKE = SAMPLES / "no-handshake.pcap"
SUMMARY = {
    *(
        "captures",
        "first_seen",
        "last_seen",
        "duration_s",
        "packets",
        "wire_bytes",
        "dropped",
        "evicted",
        "duplicates",
        "bad_checksums",
        "problems",
        "unknown_types",
        "remarks",
    ),
    *("flows", "self_check", "services", "over_time", "servers", "clients", "attempts", "mismatches"),
    "accounting",
}
LISTS = [field.name for field in SCHEMA if pa.types.is_list(field.type)]


def good(result: Result) -> Result:
    assert (result.status, result.error) == (ExitStatus.OK, b"")
    return result


def report(*args: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(good(run("report", *map(str, args), "--format", "json")).output)
    return found


def parsed_csv(result: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(good(result).text), strict=True))


def as_csv_says(value: object) -> str:
    """A value of JSON as CSV writes it."""
    if isinstance(value, list):
        return "|".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def test_report_as_json() -> None:
    found = report(OFFICE)
    assert set(found) == SUMMARY
    assert found["captures"] == [str(OFFICE)]
    assert found["first_seen"].endswith("Z") and found["first_seen"] <= found["last_seen"]
    assert set(found["flows"]) == {
        *("total", "confirmed", "inferred", "ambiguous", "attempted", "refused", "unanswered", "unsolicited"),
    }
    for table, schema in (("services", SERVICES), ("servers", SERVERS)):
        assert all(list(row) == schema.names for row in found[table])
    assert {"client_ip", "servers", "flows", "bytes"} <= set(found["clients"][0])
    assert {"target_ip", "target_port", "refused", "unanswered", "unsolicited"} <= set(found["attempts"][0])


def test_report_as_json_says_what_went_wrong() -> None:
    result = run("report", SAMPLES / "trouble/cut-inside-packet.pcap", "--format", "json")
    assert result.status == ExitStatus.PARTIAL
    assert json.loads(result.output)["problems"] == [result.complaint.removeprefix("classifier: ").strip()]


def test_json_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "none.pcap").write_bytes(HANDSHAKES.read_bytes()[:24])
    found = json.loads(run("report", tmp_path / "none.pcap", "--format", "json").output)
    assert (found["packets"], found["services"], found["first_seen"]) == (0, [], None)
    assert run("servers", tmp_path / "none.pcap", "--format", "json").text == "[]\n"
    assert run("flows", tmp_path / "none.pcap", "--format", "jsonl").text == ""
    assert run("flows", tmp_path / "none.pcap", "--format", "csv").text.count("\n") == 1


def test_packets_add_up() -> None:
    for files in ([OFFICE], [HANDSHAKES], sorted((SAMPLES / "trouble").glob("*.pcap"))):
        counts = json.loads(run("report", *files, "--format", "json").output)["accounting"]
        packets = counts.pop("packets")
        assert sum(counts.values()) == packets


def packets(rows: list[dict[str, Any]]) -> int:
    return sum(row["client_packets"] + row["server_packets"] + row["attempt_packets"] for row in rows)


@pytest.mark.parametrize("file", [OFFICE, HANDSHAKES], ids=lambda file: file.name)
@pytest.mark.parametrize("top", [1, 3, 1000])
def test_top_leaves_nothing_out(file: Path, top: int) -> None:
    whole, cut = report(file), report(file, "--top", top)
    assert packets(whole["services"]) == packets(cut["services"]) == whole["accounting"]["in_flows"]
    for table, label in (
        *(("services", "service"), ("servers", "server_ip")),
        *(("clients", "client_ip"), ("attempts", "target_ip")),
    ):
        before, after = whole[table], cut[table]
        assert after[:top] == before[:top]
        assert len(after) == min(len(before), top + 1)
        if len(before) > top:
            assert after[top][label] == "other"
        for name in before[0]:
            if name in (
                "first_seen",
                "last_seen",
                "server_port",
                "target_port",
                "servers",
                "clients",
                "sources",
            ):
                continue  # no sums
            if isinstance(before[0][name], int | float):
                total = sum(row[name] for row in before)
                assert sum(row[name] for row in after) == pytest.approx(total), name
    assert whole["accounting"] == cut["accounting"]


@pytest.mark.parametrize("args", [(), ("--by", "client"), ("--by", "server", "--net", "10.77.0.102/32")])
def test_shares_add_up_to_one(args: tuple[str, ...]) -> None:
    """Attempts are in other columns than the bytes."""
    found = report(OFFICE, *args)
    rows = found["groups"] if args else found["services"]
    assert sum(row["share"] or 0 for row in rows) == pytest.approx(1)
    assert any(row["attempt_bytes"] for row in rows)


def test_top_of_tables_for_people_and_csv() -> None:
    for command in ("report", "servers"):
        rows = [line.split() for line in run(command, OFFICE, "--top", "2").text.splitlines()]
        assert [row for row in rows if row[:1] == ["other"]]
    rows = parsed_csv(run("servers", OFFICE, "--top", "2", "--format", "csv"))
    assert [row["server_ip"] for row in rows][2:] == ["other"]
    rows = parsed_csv(run("report", OFFICE, "--top", "2", "--format", "csv"))
    assert [row["service"] for row in rows][2:] == ["other"]


def test_report_as_csv_has_the_services() -> None:
    rows, services = parsed_csv(run("report", OFFICE, "--format", "csv")), report(OFFICE)["services"]
    assert list(rows[0]) == SERVICES.names
    assert [row["service"] for row in rows] == [as_csv_says(row["service"]) for row in services]
    assert [row["server_ports"] for row in rows] == [as_csv_says(row["server_ports"]) for row in services]
    assert sum(int(row["bytes"]) for row in rows) == sum(row["bytes"] for row in services)


def test_servers_as_csv_and_json() -> None:
    servers = json.loads(good(run("servers", OFFICE, "--format", "json")).output)
    assert servers == report(OFFICE)["servers"]
    rows = parsed_csv(run("servers", OFFICE, "--format", "csv"))
    assert list(rows[0]) == SERVERS.names
    assert [(row["server_ip"], row["server_port"]) for row in rows] == [
        (row["server_ip"], str(row["server_port"])) for row in servers
    ]


@pytest.mark.parametrize("file", [OFFICE, HANDSHAKES, NO_HANDSHAKE], ids=lambda file: file.name)
def test_flows_are_the_same_in_all_formats(file: Path, tmp_path: Path) -> None:
    lines = good(run("flows", file, "--format", "jsonl")).text.splitlines()
    flows = [json.loads(line) for line in lines]
    assert all(list(flow) == SCHEMA.names for flow in flows)

    rows = parsed_csv(run("flows", file, "--format", "csv"))
    assert list(rows[0]) == SCHEMA.names
    exact = [name for name in SCHEMA.names if not pa.types.is_floating(SCHEMA.field(name).type)]
    for row, flow in zip(rows, flows, strict=True):
        assert {name: row[name] for name in exact} == {name: as_csv_says(flow[name]) for name in exact}
        assert float(row["role_confidence"]) == flow["role_confidence"]

    good(run("flows", file, "-o", "flows.parquet", cwd=tmp_path))
    table = parquet.read_table(tmp_path / "flows.parquet")
    assert table["flow_id"].to_pylist() == [flow["flow_id"] for flow in flows]
    for name in LISTS:
        assert table[name].to_pylist() == [flow[name] for flow in flows]


def test_lists_are_joined_in_csv() -> None:
    (row,) = parsed_csv(run("flows", NO_HANDSHAKE, "--format", "csv"))
    assert row["service_candidates"].split("|") == ["socks", "ica"]
    assert row["role"] == "ambiguous" and row["service"] == ""


def test_parquet_keeps_the_schema(tmp_path: Path) -> None:
    good(run("flows", OFFICE, "-o", "flows.parquet", cwd=tmp_path))
    written = parquet.read_schema(tmp_path / "flows.parquet")
    assert written.equals(SCHEMA)
    for field in SCHEMA:
        assert written.field(field.name).metadata[b"doc"] == field.metadata[b"doc"]
        assert written.field(field.name).nullable == field.nullable


def test_parquet_to_standard_output(tmp_path: Path) -> None:
    good(run("flows", OFFICE, "-o", "flows.parquet", cwd=tmp_path))
    piped = good(run("flows", OFFICE, "--format", "parquet")).output
    assert parquet.read_table(io.BytesIO(piped)).equals(parquet.read_table(tmp_path / "flows.parquet"))


def test_the_ending_chooses_the_format(tmp_path: Path) -> None:
    for ending in ("csv", "jsonl"):
        assert good(run("flows", OFFICE, "-o", f"flows.{ending}", cwd=tmp_path)).output == b""
        assert (tmp_path / f"flows.{ending}").read_bytes() == run("flows", OFFICE, "--format", ending).output
    good(run("flows", OFFICE, "-o", "flows.txt", "--format", "csv", cwd=tmp_path))
    assert (tmp_path / "flows.txt").read_bytes() == (tmp_path / "flows.csv").read_bytes()
    assert len(list(tmp_path.iterdir())) == 3


def test_an_output_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "flows.csv").write_text("of yesterday")
    capture = OFFICE.read_bytes()
    half_is_read, go_on = threading.Event(), threading.Event()

    def write(pipe: IO[bytes]) -> None:
        # More than a pipe holds: when it is written, the program has begun to read.
        pipe.write(capture[: len(capture) * 2 // 3])
        half_is_read.set()
        go_on.wait()
        pipe.write(capture[len(capture) * 2 // 3 :])

    with fifo(tmp_path / "live", write) as pipe:
        process = start("flows", pipe, "-o", out / "flows.csv")
        assert half_is_read.wait(60)
        assert (out / "flows.csv").read_text() == "of yesterday"
        go_on.set()
        good(finish(process))
    rows = (out / "flows.csv").read_text().splitlines()
    assert len(rows) == len(run("flows", OFFICE, "--format", "csv").text.splitlines())
    assert [file.name for file in out.iterdir()] == ["flows.csv"]


def test_an_input_that_is_none_leaves_the_output_alone(tmp_path: Path) -> None:
    (tmp_path / "flows.csv").write_text("of yesterday")
    (tmp_path / "notes.txt").write_text("no capture")
    result = run("flows", "notes.txt", "-o", "flows.csv", cwd=tmp_path)
    assert result.status == ExitStatus.NOT_A_CAPTURE
    assert (tmp_path / "flows.csv").read_text() == "of yesterday"
    assert len(list(tmp_path.iterdir())) == 2


def test_an_output_through_a_link_stays_behind_it(tmp_path: Path) -> None:
    (tmp_path / "real.csv").touch()
    (tmp_path / "link.csv").symlink_to("real.csv")
    good(run("flows", OFFICE, "-o", "link.csv", cwd=tmp_path))
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() == run("flows", OFFICE, "--format", "csv").output


def test_an_output_that_is_a_pipe_is_written_to(tmp_path: Path) -> None:
    # As /dev/stdout may be, and as no device may ever be replaced by a file.
    os.mkfifo(tmp_path / "pipe.csv")
    process = start("flows", OFFICE, "-o", tmp_path / "pipe.csv")
    with open(tmp_path / "pipe.csv", "rb") as pipe:
        written = pipe.read()
    good(finish(process))
    assert written == run("flows", OFFICE, "--format", "csv").output
    assert (tmp_path / "pipe.csv").is_fifo()


CALLS = [
    ("report", OFFICE),
    ("report", OFFICE, "--format", "json"),
    ("report", OFFICE, "--format", "csv"),
    ("servers", OFFICE),
    ("flows", OFFICE),
    *(("flows", OFFICE, "--format", format) for format in ("csv", "jsonl", "parquet")),
    ("--help",),
]


@pytest.mark.parametrize("args", CALLS, ids=lambda args: " ".join(map(str, args)).replace(f"{SAMPLES}/", ""))
def test_a_reader_that_has_gone_is_no_trouble(args: tuple[str | Path, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = run(*args, stdout=writing)
    os.close(writing)
    assert (result.status, result.error) == (ExitStatus.OK, b"")


def test_a_reader_of_one_line_is_no_trouble() -> None:
    process = start("flows", OFFICE, "--format", "csv")
    assert process.stdout and process.stdout.readline().startswith(b"flow_id,")
    process.stdout.close()
    process.stdout = None
    assert (finish(process).error, process.returncode) == (b"", ExitStatus.OK)


def test_nobody_listening_is_no_trouble() -> None:
    for ends in ((1,), (2,), (1, 2)):
        result = run("report", OFFICE, preexec_fn=lambda ends=ends: [os.close(end) for end in ends])
        assert (result.status, result.error) == (ExitStatus.OK, b"")


def test_an_encoding_without_every_character_is_no_trouble() -> None:
    arp = SAMPLES / "trouble/arp.pcap"
    for args in ((OFFICE,), (arp,), ("flows", OFFICE), ("report", arp, "--format", "json")):
        result = run(*args, env={"PYTHONIOENCODING": "ascii"})
        assert result.status == ExitStatus.OK
        assert result.output.isascii()


def test_the_same_input_gives_the_same_output() -> None:
    for args in CALLS[1:6:2]:
        assert (
            run(*args, env={"PYTHONHASHSEED": "1"}).output == run(*args, env={"PYTHONHASHSEED": "2"}).output
        )
