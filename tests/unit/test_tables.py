"""What other programs read: each format through a reader that isn't ours, odd text included."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import parquet
from support.places import SAMPLES

import classifier
from classifier.cli.output import FORMATS as NAMED
from classifier.flows.table import SCHEMA
from classifier.reports.export import tabular, zeek
from classifier.reports.text.tables import clean

OFFICE = SAMPLES / "office.pcapng"
VOLUMES = ["client_packets", "server_packets", "client_bytes", "server_bytes"]


@pytest.fixture(scope="module")
def office() -> classifier.Traffic:
    return classifier.read(OFFICE)


@pytest.fixture(scope="module")
def sums(office: classifier.Traffic) -> list[int]:
    return [int(office.flows[name].sum()) for name in VOLUMES]


def written(table: pa.Table, format: str, log: zeek.Log | None = None) -> bytes:
    file = io.BytesIO()
    tabular.write(table, table.schema, file, format, log)
    return file.getvalue()


def of_office(office: classifier.Traffic, format: str, place: Path) -> str:
    log = zeek.CONN if format.startswith("zeek") else None
    with open(place / f"flows.{format}", "wb") as file:
        tabular.write(office.batches(), SCHEMA, file, format, log)
    return str(place / f"flows.{format}")


def test_the_command_line_names_all_formats() -> None:
    assert tuple(tabular.FORMATS) == NAMED


def test_the_sums_are_those_of_the_accounting(office: classifier.Traffic, sums: list[int]) -> None:
    assert sum(sums[:2]) == office.accounting["in_flows"]


class TestReaders:
    def test_pandas_reads_csv(self, office: classifier.Traffic, sums: list[int], tmp_path: Path) -> None:
        frame = pd.read_csv(of_office(office, "csv", tmp_path), parse_dates=["first_seen"])
        assert list(frame.columns) == SCHEMA.names
        assert frame[VOLUMES].sum().tolist() == sums
        times = pd.to_datetime(frame.sort_values(["first_seen", "flow_id"])["first_seen"], utc=True)
        assert times.tolist() == office.flows["first_seen"].tolist()

    def test_pandas_reads_parquet(self, office: classifier.Traffic, sums: list[int], tmp_path: Path) -> None:
        frame = pd.read_parquet(of_office(office, "parquet", tmp_path))
        assert frame[VOLUMES].sum().tolist() == sums
        assert str(frame["first_seen"].dtype) == "datetime64[ns, UTC]"

    def test_pandas_reads_json(self, office: classifier.Traffic, sums: list[int], tmp_path: Path) -> None:
        assert pd.read_json(of_office(office, "json", tmp_path))[VOLUMES].sum().tolist() == sums
        lines = pd.read_json(of_office(office, "jsonl", tmp_path), lines=True)
        assert lines[VOLUMES].sum().tolist() == sums

    @pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
    def test_duckdb_reads(
        self, office: classifier.Traffic, sums: list[int], tmp_path: Path, format: str
    ) -> None:
        duckdb = pytest.importorskip("duckdb", reason="pip install duckdb")
        reader = {"csv": "read_csv", "jsonl": "read_json", "parquet": "read_parquet"}[format]
        added = ", ".join(f"sum({name})::bigint" for name in VOLUMES)
        found = duckdb.sql(f"select {added} from {reader}('{of_office(office, format, tmp_path)}')")
        assert list(found.fetchall()[0]) == sums

    @pytest.mark.parametrize("format", ["parquet", "arrow"])
    def test_polars_reads(
        self, office: classifier.Traffic, sums: list[int], tmp_path: Path, format: str
    ) -> None:
        polars = pytest.importorskip("polars", reason="pip install polars")
        read = {"parquet": polars.read_parquet, "arrow": polars.read_ipc}[format]
        frame = read(of_office(office, format, tmp_path))
        assert [frame[name].sum() for name in VOLUMES] == sums

    def test_a_reader_of_zeek_logs_reads(
        self, office: classifier.Traffic, sums: list[int], tmp_path: Path
    ) -> None:
        zat = pytest.importorskip("zat.log_to_dataframe", reason="pip install zat")
        frame = zat.LogToDataFrame().create_dataframe(of_office(office, "zeek", tmp_path))
        fields = ["orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes"]
        assert frame[fields].sum().tolist() == sums
        times = office.flows["first_seen"].sort_values().dt.floor("us")
        assert abs(frame.index.sort_values().to_numpy("M8[ns]") - times.to_numpy("M8[ns]")).max() <= (
            pd.Timedelta("1us")  # the reader goes by way of a float
        )


def test_columns_say_what_they_mean(office: classifier.Traffic, tmp_path: Path) -> None:
    for file in (of_office(office, "parquet", tmp_path), of_office(office, "arrow", tmp_path)):
        read = parquet.read_schema if file.endswith("parquet") else lambda f: pa.ipc.open_file(f).schema
        for field in read(file):
            assert field.metadata[b"doc"], field.name


def test_small_batches_become_one_row_group(office: classifier.Traffic) -> None:
    table = office.to_arrow()
    file = io.BytesIO()
    singles = (table.slice(row, 1).to_batches()[0] for row in range(table.num_rows))
    tabular.write(singles, table.schema, file, "parquet")
    assert parquet.ParquetFile(file).num_row_groups == 1
    assert parquet.read_table(file).to_pylist() == table.to_pylist()


#: Text that a packet might hold, to whom it matters.
ODD = [
    *("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "＝1"),
    *(
        'a,b"c',
        "line\r\nbreak",
        "\x00\x1b[31m",
        "\x7f",
        "\x9b31m",
        "\u202egpj",
        "a\\b",
        "<script>",
        "żółw 🐢",
        "",
        "-",
        "(empty)",
    ),
    None,
]


@pytest.fixture
def odd() -> pa.Table:
    lists = [[text, None] if text else [] for text in ODD]
    return pa.table({"text": ODD, "list": pa.array(lists, pa.list_(pa.string())), "n": range(len(ODD))})


def test_csv_is_quoted_and_no_formula(odd: pa.Table) -> None:
    data = written(odd.select(["text", "n"]), "csv")
    rows = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    assert rows[0] == ["text", "n"]
    for (cell, _), text in zip(rows[1:], ODD, strict=True):
        dangerous = bool(text and text[0] in "=+-@＝＋－＠")
        assert cell == ("'" if dangerous else "") + clean(text or "")
    assert data.count(b"\r\n") == len(data.splitlines()) == len(ODD) + 1


def test_numbers_are_no_formulas() -> None:
    assert written(pa.table({"n": [-1.5, None]}), "csv") == b"n\r\n-1.5\r\n\r\n"


def test_json_keeps_odd_text(odd: pa.Table) -> None:
    expected = odd.to_pylist()
    assert json.loads(written(odd, "json")) == expected
    assert [json.loads(line) for line in written(odd, "jsonl").decode().split("\n")[:-1]] == expected
    assert written(odd.slice(0, 0), "json") == b"[]\n"
    assert json.loads(written(odd.slice(3, 2), "json")) == expected[3:5]


def test_json_of_other_types() -> None:
    table = pa.table(
        {
            "ports": pa.array([[1, 2], [], None], pa.list_(pa.uint16())),
            "share": [0.1, float("nan"), None],
            "known": [True, False, None],
            "at": pa.array([0, 10**18, None], pa.timestamp("ns", tz="UTC")),
        }
    )
    assert json.loads(written(table, "json")) == [
        {"ports": [1, 2], "share": 0.1, "known": True, "at": "1970-01-01T00:00:00.000000000Z"},
        {"ports": [], "share": None, "known": False, "at": "2001-09-09T01:46:40.000000000Z"},
        {"ports": None, "share": None, "known": None, "at": None},
    ]


class TestZeek:
    @pytest.fixture
    def lines(self, office: classifier.Traffic) -> Iterator[str]:
        return iter(written(office.to_arrow(), "zeek", zeek.CONN).decode().splitlines())

    def test_header_and_rows_fit(self, lines: Iterator[str], office: classifier.Traffic) -> None:
        every = list(lines)
        head = dict(line.split("\t" if "\t" in line else " ", 1) for line in every if line.startswith("#"))
        assert head["#separator"] == "\\x09" and head["#path"] == "conn" and head["#unset_field"] == "-"
        assert head["#open"] < head["#close"]
        rows = [line.split("\t") for line in every if not line.startswith("#")]
        fields, kinds = head["#fields"].split("\t"), head["#types"].split("\t")
        assert len(rows) == len(office.flows)
        assert {len(row) for row in rows} == {len(fields)} == {len(kinds)}
        column = dict(zip(fields, zip(*rows, strict=True), strict=True))
        assert set(column["proto"]) == {"tcp", "udp"}
        assert {len(time.partition(".")[2]) for time in column["ts"]} == {6}

    def test_json_has_the_same(self, lines: Iterator[str], office: classifier.Traffic) -> None:
        objects = [
            json.loads(line, parse_int=str, parse_float=str)
            for line in written(office.to_arrow(), "zeek-json", zeek.CONN).splitlines()
        ]
        every = list(lines)
        fields = next(line for line in every if line.startswith("#fields")).split("\t")[1:]
        rows = [line.split("\t") for line in every if not line.startswith("#")]
        for row, found in zip(rows, objects, strict=True):
            assert {name: cell for name, cell in zip(fields, row, strict=True) if cell != "-"} == found

    def test_one_packet_has_no_duration(self, office: classifier.Traffic) -> None:
        flows = office.to_arrow()
        single = flows.filter(pc.equal(pc.add(flows["client_packets"], flows["server_packets"]), 1))
        found = [json.loads(line) for line in written(single, "zeek-json", zeek.CONN).splitlines()]
        assert found and not any("duration" in flow for flow in found)

    def test_known_services(self, office: classifier.Traffic) -> None:
        servers = office.totals.servers()
        found: list[dict[str, Any]] = [
            json.loads(line) for line in written(servers, "zeek-json", zeek.KNOWN_SERVICES).splitlines()
        ]
        assert [(row["host"], row["port_num"], row["service"]) for row in found] == [
            (row["server_ip"], row["server_port"], [row["service"]]) for row in servers.to_pylist()
        ]

    def test_odd_text_is_escaped(self, office: classifier.Traffic) -> None:
        one = office.to_arrow().slice(0, 1)
        place = one.schema.get_field_index("service")
        for text, cell in (("a\tb\\\n", "a\\x09b\\x5c\\x0a"), ("-", "\\x2d"), ("(empty)", "\\x28empty)")):
            named = one.set_column(place, "service", pa.array([text]))
            last = written(named, "zeek", zeek.CONN).decode().split("\n")[-3]
            assert last.split("\t")[7] == cell

    def test_nothing_has_a_header(self, office: classifier.Traffic) -> None:
        text = written(office.to_arrow().slice(0, 0), "zeek", zeek.CONN).decode()
        assert text.splitlines()[-1].startswith("#types\t") and "#open" not in text
